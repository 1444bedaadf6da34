//! Test only: real signatures, under whatever header a test writes.

use std::sync::LazyLock;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    self, ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair, EcdsaSigningAlgorithm,
    Ed25519KeyPair, KeyPair, RsaEncoding, RsaKeyPair,
};
use aws_lc_rs::{hmac, rand::SecureRandom};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::DecodingKey;
use serde_json::{Value, json};

use crate::model::key::KeySet;

use super::algorithm::Algorithm;

/// A private key and the algorithm it signs with.
pub(super) enum Signer {
    Rsa(&'static RsaKeyPair, &'static dyn RsaEncoding),
    Ec(&'static EcdsaKeyPair),
    Ed(&'static Ed25519KeyPair),
    Hmac(Vec<u8>),
}

/// Made once: an RSA key takes longer than all the tests.
struct Keys {
    rsa: RsaKeyPair,
    p256: EcdsaKeyPair,
    p384: EcdsaKeyPair,
    ed: Ed25519KeyPair,
}

static KEYS: LazyLock<[Keys; 2]> = LazyLock::new(|| {
    let ec = |algorithm: &'static EcdsaSigningAlgorithm| EcdsaKeyPair::generate(algorithm).unwrap();
    let keys = || Keys {
        rsa: RsaKeyPair::generate(KeySize::Rsa2048).unwrap(),
        p256: ec(&ECDSA_P256_SHA256_FIXED_SIGNING),
        p384: ec(&ECDSA_P384_SHA384_FIXED_SIGNING),
        ed: Ed25519KeyPair::generate().unwrap(),
    };
    [keys(), keys()]
});

impl Signer {
    pub(super) fn of(algorithm: Algorithm) -> Self {
        Self::with(&KEYS[0], algorithm)
    }

    /// The same algorithm with another key.
    pub(super) fn another(algorithm: Algorithm) -> Self {
        Self::with(&KEYS[1], algorithm)
    }

    fn with(keys: &'static Keys, algorithm: Algorithm) -> Self {
        match algorithm {
            Algorithm::PS256 => Self::Rsa(&keys.rsa, &signature::RSA_PSS_SHA256),
            Algorithm::PS384 => Self::Rsa(&keys.rsa, &signature::RSA_PSS_SHA384),
            Algorithm::PS512 => Self::Rsa(&keys.rsa, &signature::RSA_PSS_SHA512),
            Algorithm::RS256 => Self::Rsa(&keys.rsa, &signature::RSA_PKCS1_SHA256),
            Algorithm::RS384 => Self::Rsa(&keys.rsa, &signature::RSA_PKCS1_SHA384),
            Algorithm::RS512 => Self::Rsa(&keys.rsa, &signature::RSA_PKCS1_SHA512),
            Algorithm::ES256 => Self::Ec(&keys.p256),
            Algorithm::ES384 => Self::Ec(&keys.p384),
            Algorithm::EdDSA => Self::Ed(&keys.ed),
        }
    }

    /// A token with this header and these claims.
    pub(super) fn token(&self, header: &Value, claims: &str) -> String {
        self.raw_token(&header.to_string(), claims)
    }

    /// The same for texts that `Value` cannot hold.
    pub(super) fn raw_token(&self, header: &str, claims: &str) -> String {
        let input = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims));
        let signature = self.sign(input.as_bytes());
        format!("{input}.{}", URL_SAFE_NO_PAD.encode(signature))
    }

    fn sign(&self, input: &[u8]) -> Vec<u8> {
        let random = SystemRandom::new();
        match self {
            Self::Rsa(key, encoding) => {
                let mut signature = vec![0; key.public_modulus_len()];
                key.sign(*encoding, &random, input, &mut signature).unwrap();
                signature
            }
            Self::Ec(key) => key.sign(&random, input).unwrap().as_ref().to_vec(),
            Self::Ed(key) => key.sign(input).as_ref().to_vec(),
            Self::Hmac(secret) => hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret), input).as_ref().to_vec(),
        }
    }

    /// The public key as the library encodes it.
    pub(super) fn public_der(&self) -> Vec<u8> {
        match self {
            Self::Rsa(key, _) => key.public_key().as_ref().to_vec(),
            Self::Ec(key) => key.public_key().as_ref().to_vec(),
            Self::Ed(key) => key.public_key().as_ref().to_vec(),
            Self::Hmac(secret) => secret.clone(),
        }
    }

    /// The public key as a JWK with the `kid` "k".
    pub(super) fn jwk(&self) -> Value {
        let der = self.public_der();
        let key = match self {
            Self::Rsa(..) => DecodingKey::from_rsa_der(&der),
            Self::Ec(_) => DecodingKey::from_ec_der(&der),
            Self::Ed(_) => DecodingKey::from_ed_der(&der),
            Self::Hmac(_) => DecodingKey::from_secret(&der),
        };
        let mut jwk = serde_json::to_value(jsonwebtoken::jwk::Jwk::from_decoding_key(&key, None).unwrap()).unwrap();
        jwk["kid"] = "k".into();
        jwk
    }

    /// A set of that one key.
    pub(super) fn key_set(&self) -> KeySet {
        KeySet::from_json(json!({ "keys": [self.jwk()] }).to_string().as_bytes()).unwrap()
    }
}

/// A token whose signature is noise.
pub(super) fn unsigned(header: &Value, claims: &str) -> String {
    let mut noise = [0; 64];
    SystemRandom::new().fill(&mut noise).unwrap();
    [header.to_string().as_bytes(), claims.as_bytes(), &noise].map(|part| URL_SAFE_NO_PAD.encode(part)).join(".")
}
