//! Forged and malformed tokens, one by one.

use proptest::prelude::*;
use serde_json::json;

use crate::jose::choose;
use crate::jose::signer::{Signer, unsigned};
use crate::model::certificate::InvalidCertificate;
use crate::model::json::JsonFault;
use crate::model::key::KeySet;

use super::*;

mod certified;

const CLAIMS: &str = r#"{"iss":"directory","software_id":"s-1"}"#;

/// What the pipeline does with a token and a set: none of it touches the network.
fn verify(token: &str, set: &KeySet, allowed: &[Algorithm]) -> Result<Signed, JwsFault> {
    let compact = Compact::parse(token)?;
    let key = choose(set, compact.header()).ok_or(JwsFault::UnfitKey)?;
    compact.verify(&key, allowed)
}

#[test]
fn every_algorithm_is_verified() {
    for algorithm in Algorithm::ALL {
        let signer = Signer::of(algorithm);
        let token = signer.token(&json!({ "alg": algorithm.name(), "kid": "k" }), CLAIMS);
        let statement = verify(&token, &signer.key_set(), &[algorithm]).unwrap();
        assert_eq!(statement.text("software_id"), Some("s-1"));
        assert_eq!((statement.algorithm, &*statement.key_id), (algorithm.name(), "k"));
        assert_eq!(statement.digest, Digest::of(token.as_bytes()));

        let other = Signer::another(algorithm).key_set();
        assert_eq!(verify(&token, &other, &[algorithm]).unwrap_err(), JwsFault::Signature);
    }
}

#[test]
fn a_modulus_with_a_sign_octet_is_the_same_key() {
    // RFC 7518 §6.3.1.1 forbids the octet and tells that implementations add it.
    let signer = Signer::of(Algorithm::PS256);
    let mut jwk = signer.jwk();
    let modulus = URL_SAFE_NO_PAD.decode(jwk["n"].as_str().unwrap()).unwrap();
    jwk["n"] = URL_SAFE_NO_PAD.encode([&[0], &*modulus].concat()).into();
    let set = KeySet::from_json(json!({ "keys": [jwk] }).to_string().as_bytes()).unwrap();
    let token = signer.token(&json!({ "alg": "PS256", "kid": "k" }), CLAIMS);
    assert!(verify(&token, &set, &[Algorithm::PS256]).is_ok());
}

#[test]
fn types_that_mean_a_jwt() {
    let signer = Signer::of(Algorithm::ES256);
    let fault = |typ: Value| {
        let token = signer.token(&json!({ "alg": "ES256", "kid": "k", "typ": typ }), CLAIMS);
        verify(&token, &signer.key_set(), &Algorithm::ALL).err()
    };
    for typ in ["JWT", "jwt", "application/jwt"] {
        assert_eq!(fault(typ.into()), None, "{typ}");
    }
    for typ in [json!("at+jwt"), json!("secevent+jwt"), json!("JOSE"), json!(""), json!(1), Value::Null] {
        assert_eq!(fault(typ.clone()), Some(JwsFault::NotAJwt), "{typ}");
    }
}

#[test]
fn an_access_token_says_that_it_is_one() {
    let signer = Signer::of(Algorithm::ES256);
    let fault = |typ: Value| {
        let token = signer.token(&json!({ "alg": "ES256", "kid": "k", "typ": typ }), CLAIMS);
        Compact::parse_access_token(&token).err()
    };
    for typ in ["at+jwt", "AT+JWT", "application/at+jwt"] {
        assert_eq!(fault(typ.into()), None, "{typ}");
    }
    for typ in [json!("JWT"), json!("application/jwt"), json!("at+jwt "), json!(["at+jwt"]), Value::Null] {
        assert_eq!(fault(typ.clone()), Some(JwsFault::NotAnAccessToken), "{typ}");
    }
    let untyped = signer.token(&json!({ "alg": "ES256", "kid": "k" }), CLAIMS);
    assert_eq!(Compact::parse_access_token(&untyped).err(), Some(JwsFault::NotAnAccessToken));
}

#[test]
fn t11_algorithms() {
    let signer = Signer::of(Algorithm::PS256);
    let set = signer.key_set();
    let fault = |token: &str| verify(token, &set, &[Algorithm::PS256]).unwrap_err();
    for none in ["none", "None", "nOnE"] {
        assert_eq!(fault(&unsigned(&json!({ "alg": none, "kid": "k" }), CLAIMS)), JwsFault::Unsigned);
    }
    // CVE-2015-9235, CVE-2016-10555: the public key as the secret of an HMAC.
    for secret in [signer.public_der(), set_text(&set).into_bytes()] {
        let token = Signer::Hmac(secret).token(&json!({ "alg": "HS256", "kid": "k" }), CLAIMS);
        assert_eq!(fault(&token), JwsFault::SymmetricAlgorithm);
    }
    for other in [Algorithm::RS256, Algorithm::PS384, Algorithm::PS512] {
        let token = Signer::of(other).token(&json!({ "alg": other.name(), "kid": "k" }), CLAIMS);
        assert_eq!(fault(&token), JwsFault::AlgorithmNotAllowed);
        // The same bytes under a header that claims the allowed algorithm.
        let token = Signer::of(other).token(&json!({ "alg": "PS256", "kid": "k" }), CLAIMS);
        assert_eq!(fault(&token), JwsFault::Signature);
    }
    for alg in ["ES512", "ES256K", "RSA-OAEP", "ps256", "PS256 ", ""] {
        assert_eq!(fault(&unsigned(&json!({ "alg": alg }), CLAIMS)), JwsFault::UnknownAlgorithm);
    }
    for header in [json!({}), json!({ "alg": null }), json!({ "alg": ["PS256"] })] {
        assert_eq!(fault(&unsigned(&header, CLAIMS)), JwsFault::NoAlgorithm);
    }
}

fn set_text(set: &KeySet) -> String {
    match &set.keys[0].material {
        KeyMaterial::Rsa { n, .. } => n.to_string(),
        _ => String::new(),
    }
}

#[test]
fn t11_headers_that_bring_or_fetch_a_key() {
    let directory = Signer::of(Algorithm::ES256).key_set();
    let forger = Signer::another(Algorithm::ES256);
    let url = "https://attacker.example/jwks";
    let table = [
        ("jku", json!(url), JwsFault::RemoteKey),
        ("x5u", json!(url), JwsFault::RemoteKey),
        ("jwk", forger.jwk(), JwsFault::EmbeddedKey), // CVE-2018-0114
        ("x5c", json!(["MIIB"]), JwsFault::EmbeddedKey),
        ("crit", json!(["exp"]), JwsFault::CriticalExtensions),
        ("crit", json!([]), JwsFault::CriticalExtensions),
        ("b64", json!(false), JwsFault::UnencodedPayload),
        ("kid", json!(""), JwsFault::KeyId),
        ("kid", json!(7), JwsFault::KeyId),
        ("kid", json!("k".repeat(257)), JwsFault::KeyId),
        ("kid", json!("../../../../dev/null"), JwsFault::UnfitKey),
        ("kid", json!("k' OR '1'='1"), JwsFault::UnfitKey),
    ];
    for (name, value, expected) in table {
        let mut header = json!({ "alg": "ES256", "kid": "k" });
        header[name] = value;
        let token = forger.token(&header, CLAIMS);
        assert_eq!(verify(&token, &directory, &Algorithm::ALL).unwrap_err(), expected, "{name}");
    }
}

#[test]
fn t11_shapes() {
    let signer = Signer::of(Algorithm::ES256);
    let good = signer.token(&json!({ "alg": "ES256", "kid": "k" }), CLAIMS);
    let fault = |token: &str| verify(token, &signer.key_set(), &Algorithm::ALL).unwrap_err();
    let [header, payload, signature] = good.split('.').collect::<Vec<_>>()[..] else { unreachable!() };

    let flattened = json!({ "protected": header, "payload": payload, "signature": signature }).to_string();
    assert_eq!(fault(&flattened), JwsFault::JsonSerialisation);
    assert_eq!(fault(&format!(" {flattened}")), JwsFault::JsonSerialisation);
    assert_eq!(fault(&format!("{good}.x.y")), JwsFault::Encrypted);
    for parts in ["", "a", "a.b", "a.b.c.d", "a.b.c.d.e.f"] {
        assert_eq!(fault(parts), JwsFault::NotThreeParts, "{parts}");
    }
    assert_eq!(fault(&format!("{good}{}", "A".repeat(16 * 1024))), JwsFault::TooLong);
    assert_eq!(fault(&format!("{header}.{payload}.")), JwsFault::Signature);
    assert_eq!(fault(good.get(..good.len() - 2).unwrap()), JwsFault::Signature);

    let part = JwsFault::Base64;
    assert_eq!(fault(&format!("{header}=.{payload}.{signature}")), part(TokenPart::Header));
    assert_eq!(fault(&format!("{header}. {payload}.{signature}")), part(TokenPart::Payload));
    assert_eq!(fault(&format!("{good}==")), part(TokenPart::Signature));
    assert_eq!(fault(&format!("{good}\n")), part(TokenPart::Signature));
    assert_eq!(fault(&format!("{header}.+/.{signature}")), part(TokenPart::Payload));
    // 64 bytes leave 4 bits in the last letter that mean nothing; a lenient decoder takes 16 spellings for one.
    let mut respelled = good.clone();
    let last = respelled.pop();
    respelled.push(match last {
        Some('A') => 'B',
        Some('Q') => 'R',
        Some('g') => 'h',
        _ => 'x',
    });
    assert_eq!(fault(&respelled), part(TokenPart::Signature));
}

#[test]
fn t11_changed_after_signing() {
    let signer = Signer::of(Algorithm::ES256);
    let set = signer.key_set();
    let good = signer.token(&json!({ "alg": "ES256", "kid": "k" }), CLAIMS);
    let parts: Vec<_> = good.split('.').collect();
    let payload = URL_SAFE_NO_PAD.encode(CLAIMS.replace("s-1", "s-2"));
    let header = URL_SAFE_NO_PAD.encode(r#"{"alg":"ES256","kid":"k","x":1}"#);
    for token in [format!("{}.{payload}.{}", parts[0], parts[2]), format!("{header}.{}.{}", parts[1], parts[2])] {
        assert_eq!(verify(&token, &set, &Algorithm::ALL).unwrap_err(), JwsFault::Signature);
    }
}

#[test]
fn t11_keys_that_are_not_for_it() {
    let signer = Signer::of(Algorithm::PS256);
    let token = signer.token(&json!({ "alg": "PS256", "kid": "k" }), CLAIMS);
    let compact = Compact::parse(&token).unwrap();
    let good = &*signer.key_set().keys[0];
    assert!(compact.verify(good, &[Algorithm::PS256]).is_ok());
    for unfit in [
        Jwk { usage: Some("enc".into()), ..good.clone() },
        Jwk { operations: Some(vec!["wrapKey".into()]), ..good.clone() },
        Jwk { algorithm: Some("RS256".into()), ..good.clone() },
        Jwk { material: Signer::of(Algorithm::ES256).key_set().keys[0].material.clone(), ..good.clone() },
    ] {
        assert_eq!(compact.verify(&unfit, &[Algorithm::PS256]).unwrap_err(), JwsFault::UnfitKey);
    }
    assert_eq!(compact.verify(good, &[]).unwrap_err(), JwsFault::AlgorithmNotAllowed);
}

#[test]
fn headers_and_claims_are_strict_json() {
    let signer = Signer::of(Algorithm::ES256);
    let fault = |header: &str, claims: &str| {
        verify(&signer.raw_token(header, claims), &signer.key_set(), &Algorithm::ALL).unwrap_err()
    };
    let header = r#"{"alg":"ES256","kid":"k"}"#;
    let twice = r#"{"alg":"ES256","\u0061lg":"none","kid":"k"}"#;
    assert_eq!(fault(twice, CLAIMS), JwsFault::HeaderJson(JsonFault::DuplicateMember));
    assert_eq!(fault("[]", CLAIMS), JwsFault::HeaderJson(JsonFault::NotAnObject));
    let twice = r#"{"software_id":"a","software_id":"b"}"#;
    assert_eq!(fault(header, twice), JwsFault::ClaimsJson(JsonFault::DuplicateMember));
    assert_eq!(fault(header, r#"{"iat":1e400}"#), JwsFault::ClaimsJson(JsonFault::Number));
    assert_eq!(fault(header, "eyJhbGciOiJFUzI1NiJ9.e30.AA"), JwsFault::ClaimsJson(JsonFault::Syntax));
}

/// A request holds a statement beside its metadata, so it may be longer; where to look for its key is read before
/// its header is judged.
#[test]
fn requests_are_longer_and_their_payload_is_read_unverified() {
    let signer = Signer::of(Algorithm::ES256);
    let long = json!({ "software_statement": "s".repeat(20 * 1024) });
    let token = signer.token(&json!({ "alg": "ES256", "kid": "k" }), &long.to_string());
    assert_eq!(Compact::parse(&token).unwrap_err(), JwsFault::TooLong);
    let signed = Compact::parse_request(&token).unwrap();
    let signed = signed.verify(&signer.key_set().keys[0], &[Algorithm::ES256]).unwrap();
    assert_eq!(Value::Object(signed.claims), long);
    assert_eq!(signed.digest, Digest::of(token.as_bytes()));
    assert_eq!(Value::Object(unverified_request(&token).unwrap()), long);

    let fault = |token: &str| unverified_request(token).unwrap_err();
    assert_eq!(fault(&"a".repeat(64 * 1024 + 1)), JwsFault::TooLong);
    assert_eq!(fault(&format!("{token}\n")), JwsFault::Base64(TokenPart::Signature));
    assert_eq!(fault(&format!(" {token}")), JwsFault::Base64(TokenPart::Header));
    assert_eq!(fault(r#"{"software_statement":"s"}"#), JwsFault::JsonSerialisation);
    let twice = signer.raw_token("no header", r#"{"scope":"a","\u0073cope":"b"}"#);
    assert_eq!(fault(&twice), JwsFault::ClaimsJson(JsonFault::DuplicateMember));
    assert_eq!(Compact::parse_request(&twice).unwrap_err(), JwsFault::HeaderJson(JsonFault::Syntax));
    let headless = unsigned(&json!({ "alg": "none" }), "{}");
    assert_eq!(unverified_request(&headless).unwrap(), Map::new());
    assert_eq!(Compact::parse_request(&headless).unwrap_err(), JwsFault::Unsigned);
}

proptest! {
    #[test]
    fn no_text_makes_it_panic(token in r"[A-Za-z0-9_.{}\x00-\xff-]{0,200}") {
        let _ = Compact::parse(&token);
        let _ = unverified_request(&token);
    }

    #[test]
    fn one_changed_letter_is_refused(at in 0_usize..100, to in "[A-Za-z0-9_-]") {
        let signer = Signer::of(Algorithm::EdDSA);
        let good = signer.token(&json!({ "alg": "EdDSA", "kid": "k" }), CLAIMS);
        let mut changed = good.clone();
        changed.replace_range(at..=at, &to);
        prop_assert_eq!(verify(&changed, &signer.key_set(), &Algorithm::ALL).is_ok(), changed == good);
    }
}
