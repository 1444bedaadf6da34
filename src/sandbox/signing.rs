//! Keys that sign tokens, in the ways that a proxy accepts and in those that it must refuse (RFC 7518 §3.1).

use aws_lc_rs::hmac;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _, RSA_PKCS1_SHA256, RSA_PKCS1_SHA384, RSA_PKCS1_SHA512,
    RSA_PSS_SHA256, RSA_PSS_SHA384, RSA_PSS_SHA512, RsaEncoding,
};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use super::{Identity, KeyKind, SandboxError};

/// A key with its `kid`: RSA of 2048 bits, or on P-256.
#[derive(Debug)]
pub struct SigningKey {
    key_id: String,
    pair: Pair,
}

#[derive(Debug)]
enum Pair {
    Rsa(KeyPair),
    Ec(EcdsaKeyPair),
}

impl SigningKey {
    /// A new RSA key.
    ///
    /// # Errors
    /// [`SandboxError::Key`].
    pub fn generate(key_id: &str) -> Result<Self, SandboxError> {
        Ok(Self { key_id: key_id.to_owned(), pair: Pair::Rsa(KeyPair::generate(KeySize::Rsa2048)?) })
    }

    /// A new key on P-256.
    ///
    /// # Errors
    /// [`SandboxError::Key`].
    pub fn generate_ec(key_id: &str) -> Result<Self, SandboxError> {
        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING)?;
        Ok(Self { key_id: key_id.to_owned(), pair: Pair::Ec(pair) })
    }

    /// The key of a certificate.
    ///
    /// # Errors
    /// [`SandboxError::Key`].
    pub fn of(identity: &Identity, key_id: &str) -> Result<Self, SandboxError> {
        let der = identity.key_der();
        let pair = match identity.key_kind() {
            KeyKind::Rsa => Pair::Rsa(KeyPair::from_pkcs8(der).map_err(|_| SandboxError::Key)?),
            KeyKind::Ecdsa => {
                let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, der);
                Pair::Ec(pair.map_err(|_| SandboxError::Key)?)
            }
        };
        Ok(Self { key_id: key_id.to_owned(), pair })
    }

    /// Its `kid`.
    pub fn key_id(&self) -> &str {
        &self.key_id
    }

    /// The public key as JWK (RFC 7517 §4), for signatures or for encryption.
    pub fn public_jwk(&self, usage: KeyUse) -> Value {
        let number = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        let word = if usage == KeyUse::Signature { "sig" } else { "enc" };
        match &self.pair {
            Pair::Rsa(pair) => {
                let public = pair.public_key();
                json!({
                    "kty": "RSA", "use": word, "alg": if usage == KeyUse::Signature { "PS256" } else { "RSA-OAEP" },
                    "kid": self.key_id,
                    "n": number(public.modulus().big_endian_without_leading_zero()),
                    "e": number(public.exponent().big_endian_without_leading_zero()),
                })
            }
            Pair::Ec(pair) => {
                // An uncompressed point: 4, x, y (SEC 1 §2.3.3).
                let (x, y) = pair.public_key().as_ref().get(1..).unwrap_or_default().split_at(COORDINATE);
                json!({
                    "kty": "EC", "crv": "P-256", "use": word,
                    "alg": if usage == KeyUse::Signature { "ES256" } else { "ECDH-ES" },
                    "kid": self.key_id, "x": number(x), "y": number(y),
                })
            }
        }
    }

    /// The signature over a message.
    ///
    /// # Errors
    /// [`SandboxError::Key`], also for a signature that a key of this kind cannot make.
    pub fn sign(&self, signature: Signature, message: &[u8]) -> Result<Vec<u8>, SandboxError> {
        let random = SystemRandom::new();
        match (&self.pair, signature) {
            (_, Signature::Unsigned) => Ok(Vec::new()),
            (_, Signature::Hs256) => {
                // CVE-2015-9235: the public key, which everybody knows, as the secret.
                let secret = self.public_jwk(KeyUse::Signature).to_string();
                let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
                Ok(hmac::sign(&key, message).as_ref().to_vec())
            }
            (Pair::Ec(pair), Signature::Es256) => Ok(pair.sign(&random, message)?.as_ref().to_vec()),
            (Pair::Rsa(pair), signature) => {
                let encoding = signature.encoding().ok_or(SandboxError::Key)?;
                let mut signed = vec![0; pair.public_modulus_len()];
                pair.sign(encoding, &random, message, &mut signed)?;
                Ok(signed)
            }
            (Pair::Ec(_), _) => Err(SandboxError::Key),
        }
    }
}

/// What a published key is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyUse {
    /// `sig`.
    Signature,
    /// `enc`.
    Encryption,
}

/// How a token is signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signature {
    /// RSASSA-PSS with SHA-256, as most profiles ask.
    Ps256,
    /// With SHA-384.
    Ps384,
    /// With SHA-512.
    Ps512,
    /// RSASSA-PKCS1-v1_5 with SHA-256.
    Rs256,
    /// With SHA-384.
    Rs384,
    /// With SHA-512.
    Rs512,
    /// ECDSA on P-256.
    Es256,
    /// HMAC with the public key as its secret.
    Hs256,
    /// `alg` none and an empty third part (RFC 7515 appendix A.5).
    Unsigned,
}

impl Signature {
    /// Every one of them.
    pub const ALL: [Self; 9] = [
        Self::Ps256,
        Self::Ps384,
        Self::Ps512,
        Self::Rs256,
        Self::Rs384,
        Self::Rs512,
        Self::Es256,
        Self::Hs256,
        Self::Unsigned,
    ];

    /// As in `alg`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ps256 => "PS256",
            Self::Ps384 => "PS384",
            Self::Ps512 => "PS512",
            Self::Rs256 => "RS256",
            Self::Rs384 => "RS384",
            Self::Rs512 => "RS512",
            Self::Es256 => "ES256",
            Self::Hs256 => "HS256",
            Self::Unsigned => "none",
        }
    }

    /// By its name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|signature| signature.name() == name)
    }

    fn encoding(self) -> Option<&'static dyn RsaEncoding> {
        Some(match self {
            Self::Ps256 => &RSA_PSS_SHA256,
            Self::Ps384 => &RSA_PSS_SHA384,
            Self::Ps512 => &RSA_PSS_SHA512,
            Self::Rs256 => &RSA_PKCS1_SHA256,
            Self::Rs384 => &RSA_PKCS1_SHA384,
            Self::Rs512 => &RSA_PKCS1_SHA512,
            Self::Es256 | Self::Hs256 | Self::Unsigned => return None,
        })
    }
}

/// Bytes of a coordinate on P-256.
const COORDINATE: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jose::{Algorithm, Compact, choose};
    use crate::model::key::KeySet;
    use crate::sandbox::statement::Draft;

    #[test]
    fn every_signature_is_what_its_name_says() {
        let keys = [SigningKey::generate("rsa").unwrap(), SigningKey::generate_ec("ec").unwrap()];
        for signature in Signature::ALL {
            assert_eq!(Signature::named(signature.name()), Some(signature));
            let [key, other] = if signature == Signature::Es256 { [&keys[1], &keys[0]] } else { [&keys[0], &keys[1]] };
            let token = Draft::empty().claim("a", 1).sign(key, signature).unwrap();
            let Some(algorithm) = Algorithm::parse(signature.name()) else {
                assert!(matches!(signature, Signature::Hs256 | Signature::Unsigned), "{signature:?}");
                continue;
            };
            assert!(matches!(other.sign(signature, b""), Err(SandboxError::Key)), "{signature:?}");
            let mut jwk = key.public_jwk(KeyUse::Signature);
            jwk["alg"] = signature.name().into();
            let set = KeySet::from_json(json!({ "keys": [jwk] }).to_string().as_bytes()).unwrap();
            let compact = Compact::parse(&token).unwrap();
            let key = choose(&set, compact.header()).unwrap();
            assert_eq!(compact.verify(&key, &[algorithm]).unwrap().claims["a"], 1);
        }
    }
}
