//! A key of the directory in our own hands: it signs any header and any payload, letter by letter.

use aws_lc_rs::encoding::{AsDer, PublicKeyX509Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _, RsaEncoding};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use dcrgate::sandbox::directory::KEYS_PATH;
use dcrgate::sandbox::statement::KeyUse;
use serde_json::{Map, Value, json};

use crate::gate::{self, Gate};
use crate::target::Target;

/// One RSA key and one on P-256, both published.
pub(crate) struct Signer {
    rsa: KeyPair,
    ec: EcdsaKeyPair,
}

impl Signer {
    /// A target whose directory publishes these keys under several labels, beside its own.
    pub(crate) async fn enrolled() -> (Self, Target) {
        let signer = Self {
            rsa: KeyPair::generate(KeySize::Rsa2048).expect("a key"),
            ec: EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).expect("a key"),
        };
        let (home, world) = gate::world(|text| text).await;
        let keys = [
            world.directory.signer().public_jwk(KeyUse::Signature),
            signer.jwk(&json!({ "kid": "own", "use": "sig", "alg": "PS256" })),
            signer.jwk(&json!({ "kid": "bare" })),
            signer.jwk(&json!({ "kid": "enc", "use": "enc" })),
            signer.jwk(&json!({ "kid": "ops", "key_ops": ["encrypt"] })),
            signer.jwk(&json!({ "kid": "rs256", "use": "sig", "alg": "RS256" })),
            signer.jwk(&json!({ "kid": "oaep", "alg": "RSA-OAEP" })),
            json!({ "kid": "secret", "kty": "oct", "use": "sig", "k": URL_SAFE_NO_PAD.encode(SECRET) }),
            signer.ec_jwk(),
        ];
        world.directory.publish_keys(KEYS_PATH, &keys);
        (signer, Target::of(Gate::over(home, world).await))
    }

    /// The public RSA key with these members.
    fn jwk(&self, members: &Value) -> Value {
        let public = self.rsa.public_key();
        let number = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        let mut jwk = members.clone();
        jwk["kty"] = "RSA".into();
        jwk["n"] = number(public.modulus().big_endian_without_leading_zero()).into();
        jwk["e"] = number(public.exponent().big_endian_without_leading_zero()).into();
        jwk
    }

    fn ec_jwk(&self) -> Value {
        // An uncompressed point: 4, x, y.
        let point = self.ec.public_key().as_ref();
        let (x, y) = point[1..].split_at(32);
        let number = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        json!({ "kid": "ec", "kty": "EC", "crv": "P-256", "use": "sig", "x": number(x), "y": number(y) })
    }

    /// Signs with RSA.
    pub(crate) fn rsa(&self, encoding: &'static dyn RsaEncoding, header: &str, payload: &[u8]) -> String {
        let input = input(header, payload);
        let mut signature = vec![0; self.rsa.public_modulus_len()];
        self.rsa.sign(encoding, &SystemRandom::new(), input.as_bytes(), &mut signature).expect("a signature");
        format!("{input}.{}", URL_SAFE_NO_PAD.encode(signature))
    }

    /// Signs with ECDSA.
    pub(crate) fn ec(&self, header: &str, payload: &[u8]) -> String {
        let input = input(header, payload);
        let signature = self.ec.sign(&SystemRandom::new(), input.as_bytes()).expect("a signature");
        format!("{input}.{}", URL_SAFE_NO_PAD.encode(signature))
    }

    /// The public key in each form in which a confused library would take it for a shared secret.
    pub(crate) fn as_secrets(&self) -> Vec<(&'static str, Vec<u8>)> {
        let public = self.rsa.public_key();
        let spki = AsDer::<PublicKeyX509Der<'_>>::as_der(public).expect("DER").as_ref().to_vec();
        let lines: Vec<String> = STANDARD
            .encode(&spki)
            .as_bytes()
            .chunks(64)
            .map(|line| String::from_utf8_lossy(line).into_owned())
            .collect();
        let pem = format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n", lines.join("\n"));
        let jwk = self.jwk(&json!({ "kid": "own", "use": "sig", "alg": "PS256" }));
        vec![
            ("PEM", pem.clone().into_bytes()),
            ("PEM without its last line feed", pem.trim_end().into()),
            ("SubjectPublicKeyInfo", spki),
            ("RSAPublicKey", public.as_ref().to_vec()),
            ("the modulus", public.modulus().big_endian_without_leading_zero().to_vec()),
            ("the modulus in base64url", jwk["n"].as_str().expect("text").into()),
            ("the JWK", jwk.to_string().into_bytes()),
            ("nothing", Vec::new()),
            ("the secret key of the set", SECRET.to_vec()),
        ]
    }
}

/// A token of an HMAC.
pub(crate) fn hmac(header: &str, payload: &[u8], secret: &[u8]) -> String {
    let input = input(header, payload);
    let key = aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, secret);
    format!("{input}.{}", URL_SAFE_NO_PAD.encode(aws_lc_rs::hmac::sign(&key, input.as_bytes())))
}

/// The claims of a good statement.
pub(crate) fn claims(target: &Target) -> Map<String, Value> {
    target.gate.world.statement(&target.attacker.software).claims().clone()
}

fn input(header: &str, payload: &[u8]) -> String {
    format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(payload))
}

/// A symmetric key that somebody published by mistake.
const SECRET: &[u8] = b"a secret that everybody knows by now";
