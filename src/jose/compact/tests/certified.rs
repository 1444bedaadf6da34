//! Statements that bring the certificate of their signer (RFC 7515 §4.1.6).

use base64::engine::general_purpose::STANDARD;
use rcgen::{CertificateParams, KeyPair, SigningKey as _};
use serde_json::json;

use super::*;

/// A certificate and its key.
struct Holder {
    key: KeyPair,
    der: Vec<u8>,
}

impl Holder {
    fn new(algorithm: &'static rcgen::SignatureAlgorithm) -> Self {
        let key = KeyPair::generate_for(algorithm).unwrap();
        let der = CertificateParams::default().self_signed(&key).unwrap().der().to_vec();
        Self { key, der }
    }

    fn x5c(&self) -> String {
        STANDARD.encode(&self.der)
    }

    /// A token under this header, in whatever form the algorithm has of its own.
    fn token(&self, header: &Value) -> String {
        let input = format!("{}.{}", URL_SAFE_NO_PAD.encode(header.to_string()), URL_SAFE_NO_PAD.encode(CLAIMS));
        let mut signature = self.key.sign(input.as_bytes()).unwrap();
        if self.key.algorithm() == &rcgen::PKCS_ECDSA_P256_SHA256 {
            signature = fixed(&signature);
        }
        format!("{input}.{}", URL_SAFE_NO_PAD.encode(signature))
    }
}

/// The two numbers of a DER signature in 32 bytes each (RFC 7518 §3.4).
fn fixed(der: &[u8]) -> Vec<u8> {
    let number = |at: usize| {
        let length = usize::from(der[at + 1]);
        let digits = &der[at + 2..at + 2 + length];
        let digits = if digits.len() > 32 { &digits[digits.len() - 32..] } else { digits };
        ([vec![0; 32 - digits.len()], digits.to_vec()].concat(), at + 2 + length)
    };
    let (r, next) = number(2);
    [r, number(next).0].concat()
}

/// What the pipeline does with such a token.
fn verify(token: &str, allowed: &[Algorithm]) -> Result<(Peer, Signed), JwsFault> {
    let compact = Compact::parse_certified(token)?;
    let (signer, key) = compact.signer()?;
    Ok((signer, compact.verify(&key, allowed)?))
}

#[test]
fn the_key_of_the_first_certificate_verifies() {
    for (algorithm, kind) in [
        (Algorithm::RS256, &rcgen::PKCS_RSA_SHA256),
        (Algorithm::ES256, &rcgen::PKCS_ECDSA_P256_SHA256),
        (Algorithm::EdDSA, &rcgen::PKCS_ED25519),
    ] {
        let (holder, other) = (Holder::new(kind), Holder::new(kind));
        let header = json!({ "alg": algorithm.name(), "x5c": [holder.x5c(), other.x5c()] });
        let (signer, signed) = verify(&holder.token(&header), &[algorithm]).unwrap();
        assert_eq!(signer.certificate.thumbprint, Digest::of(&holder.der));
        assert_eq!(signer.chain.len(), 2);
        assert_eq!(&*signed.key_id, signer.certificate.thumbprint.base64url());
        assert_eq!(signed.text("software_id"), Some("s-1"));
        // The signer's certificate is not the first, or not there at all.
        for x5c in [vec![other.x5c(), holder.x5c()], vec![other.x5c()]] {
            let token = holder.token(&json!({ "alg": algorithm.name(), "x5c": x5c }));
            assert_eq!(verify(&token, &[algorithm]).unwrap_err(), JwsFault::Signature);
        }
    }
}

#[test]
fn the_key_decides_which_algorithm_fits() {
    let holder = Holder::new(&rcgen::PKCS_ECDSA_P256_SHA256);
    let token = |algorithm: &str| holder.token(&json!({ "alg": algorithm, "x5c": [holder.x5c()] }));
    assert_eq!(verify(&token("RS256"), &Algorithm::ALL).unwrap_err(), JwsFault::UnfitKey);
    assert_eq!(verify(&token("ES384"), &Algorithm::ALL).unwrap_err(), JwsFault::UnfitKey);
    assert_eq!(verify(&token("ES256"), &[Algorithm::RS256]).unwrap_err(), JwsFault::AlgorithmNotAllowed);
    assert_eq!(verify(&token("none"), &Algorithm::ALL).unwrap_err(), JwsFault::Unsigned);
    let large = Holder::new(&rcgen::PKCS_ECDSA_P521_SHA512);
    let unknown = large.token(&json!({ "alg": "ES256", "x5c": [large.x5c()] }));
    assert_eq!(verify(&unknown, &Algorithm::ALL).unwrap_err(), JwsFault::UnfitKey, "no JWK of P-521 is kept");
}

#[test]
fn x5c_is_one_to_six_certificates_in_padded_base64() {
    let holder = Holder::new(&rcgen::PKCS_ECDSA_P256_SHA256);
    let with = |x5c: Value| verify(&holder.token(&json!({ "alg": "ES256", "x5c": x5c })), &Algorithm::ALL).err();
    let der = holder.x5c();
    assert_eq!(with(json!(vec![&der; 6])), None);
    for bad in [
        json!([]),
        json!(vec![&der; 7]),
        json!(der),
        json!(null),
        json!([1]),
        json!([der, 1]),
        json!([der.trim_end_matches('=').to_owned() + "!"]),
        json!([format!("{der}\n")]),
        json!([URL_SAFE_NO_PAD.encode([0xfb, 0xff, 0xfe, 0xff])]),
    ] {
        assert_eq!(with(bad.clone()), Some(JwsFault::Chain), "{bad}");
    }
    assert_eq!(with(json!(["AAAA"])), Some(JwsFault::Certificate(InvalidCertificate::Encoding)));
    assert_eq!(with(json!([""])), Some(JwsFault::Certificate(InvalidCertificate::Encoding)));
    assert_eq!(with(json!([der, "AAAA"])), None, "the others are suggestions for a path, read where one is built");
    let without = holder.token(&json!({ "alg": "ES256" }));
    assert_eq!(verify(&without, &Algorithm::ALL).unwrap_err(), JwsFault::NoChain);
}

#[test]
fn no_other_way_to_bring_a_key_is_open_and_none_where_a_directory_signs() {
    let holder = Holder::new(&rcgen::PKCS_ECDSA_P256_SHA256);
    for (name, fault) in [
        ("jwk", JwsFault::EmbeddedKey),
        ("jku", JwsFault::RemoteKey),
        ("x5u", JwsFault::RemoteKey),
        ("crit", JwsFault::CriticalExtensions),
    ] {
        let token = holder.token(&json!({ "alg": "ES256", "x5c": [holder.x5c()], name: "x" }));
        assert_eq!(verify(&token, &Algorithm::ALL).unwrap_err(), fault, "{name}");
    }
    let token = holder.token(&json!({ "alg": "ES256", "x5c": [holder.x5c()] }));
    assert_eq!(Compact::parse(&token).unwrap_err(), JwsFault::EmbeddedKey);
    assert_eq!(Compact::parse_request(&token).unwrap_err(), JwsFault::EmbeddedKey);
}

#[test]
fn the_whole_token_has_32_kilobytes_at_most() {
    let holder = Holder::new(&rcgen::PKCS_ECDSA_P256_SHA256);
    let filled = |bytes: usize| json!({ "alg": "ES256", "x5c": [holder.x5c()], "pad": "x".repeat(bytes) });
    assert!(verify(&holder.token(&filled(22_000)), &Algorithm::ALL).is_ok());
    assert_eq!(verify(&holder.token(&filled(25_000)), &Algorithm::ALL).unwrap_err(), JwsFault::TooLong);
}
