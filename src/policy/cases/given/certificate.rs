//! `certificate` and `signer` of a case: what rules see of a certificate, without one.

use serde_json::{Map, Value};

use super::text;
use crate::model::certificate::{
    Certificate, PaymentService, PublicKeyFacts, QualifiedStatements, QualifiedType, StatementsFault,
};
use crate::model::digest::Digest;
use crate::model::document::nearest;
use crate::model::id::AuthorityName;
use crate::model::name::DistinguishedName;
use crate::model::peer::Peer;
use crate::model::time::Timestamp;

/// What may be said of a certificate.
const KEYS: &[&str] = &[
    "subject",
    "issuer",
    "serial",
    "thumbprint",
    "not_before",
    "not_after",
    "san_dns",
    "san_uri",
    "san_email",
    "extended_key_usage",
    "qc_compliance",
    "qc_legislation",
    "qc_type",
    "psd2_roles",
    "psd2_authority_name",
    "psd2_authority_id",
    "authority",
];

/// The certificate, and the authority that trusts it.
pub(super) fn read(map: &Map<String, Value>) -> Result<(Peer, AuthorityName), String> {
    if let Some(unknown) = map.keys().find(|key| !KEYS.contains(&key.as_str())) {
        let help = nearest(unknown, KEYS.iter().copied())
            .map_or_else(|| format!("known: {}", KEYS.join(", ")), |word| format!("did you mean `{word}`?"));
        return Err(format!("unknown key `{unknown}`; {help}"));
    }
    let name = |key: &str, text: &str| DistinguishedName::parse(text).map_err(|why| format!("`{key}`: {why}"));
    let said = |key: &str, default: &'static str| map.get(key).map_or(default, |_| text(map, key));
    let subject = text(map, "subject");
    let digest = match map.get("thumbprint") {
        None => Digest::of(subject.as_bytes()),
        Some(_) => Digest::parse(text(map, "thumbprint")).ok_or("`thumbprint` is not a SHA-256 digest")?,
    };
    let certificate = Certificate {
        subject: name("subject", subject)?,
        issuer: name("issuer", said("issuer", "CN=Case"))?,
        serial: serial(said("serial", "01"))?,
        thumbprint: digest,
        not_before: time(map, "not_before", "2026-01-01T00:00:00Z")?,
        not_after: time(map, "not_after", "2027-01-01T00:00:00Z")?,
        dns_names: texts(map, "san_dns")?,
        uris: texts(map, "san_uri")?,
        emails: texts(map, "san_email")?,
        key_usage: None,
        extended_key_usage: map.get("extended_key_usage").map(|_| texts(map, "extended_key_usage")).transpose()?,
        is_authority: false,
        statements: statements(map)?,
        key: PublicKeyFacts::Rsa { bits: 2048 },
        key_thumbprint: digest,
    };
    let authority = map.get("authority").and_then(Value::as_str).unwrap_or("case");
    Ok((Peer::new(Vec::new(), digest, certificate), AuthorityName::new(authority)))
}

fn statements(map: &Map<String, Value>) -> Result<Result<QualifiedStatements, StatementsFault>, String> {
    let compliance = match map.get("qc_compliance") {
        None => false,
        Some(word) => word.as_bool().ok_or("`qc_compliance` has to be a boolean")?,
    };
    let kind = match text(map, "qc_type") {
        "" => None,
        word => {
            let known = QualifiedType::ALL.map(QualifiedType::as_str).join(", ");
            let kind = QualifiedType::ALL.into_iter().find(|kind| kind.as_str() == word);
            Some(kind.ok_or_else(|| format!("`qc_type` is one of {known}"))?)
        }
    };
    let psd2 = PaymentService {
        roles: texts(map, "psd2_roles")?,
        authority_name: text(map, "psd2_authority_name").to_owned(),
        authority_id: text(map, "psd2_authority_id").to_owned(),
    };
    let psd2 = (psd2 != PaymentService::default()).then_some(psd2);
    Ok(Ok(QualifiedStatements { compliance, legislation: texts(map, "qc_legislation")?, kind, psd2 }))
}

/// As rules see it.
fn serial(text: &str) -> Result<String, String> {
    let is_digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    if text.is_empty() || text.len() % 2 == 1 || !text.bytes().all(is_digit) {
        return Err("`serial` is bytes in lower-case hexadecimal, such as 01ff".to_owned());
    }
    Ok(text.to_owned())
}

fn time(map: &Map<String, Value>, key: &str, default: &str) -> Result<Timestamp, String> {
    let text = text(map, key);
    Timestamp::parse(if text.is_empty() { default } else { text }).map_err(|why| format!("`{key}`: {why}"))
}

fn texts(map: &Map<String, Value>, key: &str) -> Result<Vec<String>, String> {
    let Some(value) = map.get(key) else { return Ok(Vec::new()) };
    let items = value.as_array().and_then(|items| items.iter().map(|item| item.as_str().map(str::to_owned)).collect());
    items.ok_or_else(|| format!("`{key}` has to be a list of strings"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::model::certificate::Organization;

    fn certificate(of: Value) -> Result<Certificate, String> {
        let Value::Object(map) = of else { unreachable!() };
        read(&map).map(|(peer, _)| peer.certificate)
    }

    #[test]
    fn what_a_case_says_is_what_rules_see() {
        let read = certificate(json!({
            "issuer": "CN=Authority,C=ES",
            "serial": "ff01",
            "subject": "CN=tpp,2.5.4.97=PSDES-BDE-3DFD21",
            "qc_compliance": true,
            "qc_type": "web",
            "psd2_roles": ["PSP_AI"],
            "psd2_authority_id": "ES-BDE",
            "extended_key_usage": ["1.3.6.1.5.5.7.3.2"],
            "thumbprint": "47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU",
        }))
        .unwrap();
        assert_eq!((read.issuer.to_string().as_str(), read.serial.as_str()), ("CN=Authority,C=ES", "ff01"));
        let qualified = read.qualified();
        assert_eq!((qualified.compliance, qualified.kind), (true, Some(QualifiedType::Web)));
        let psd2 = qualified.psd2.clone().unwrap();
        assert_eq!((psd2.roles, psd2.authority_id), (vec!["PSP_AI".to_owned()], "ES-BDE".to_owned()));
        assert_eq!(Organization::of(&read.subject).authority, "BDE");
        assert_eq!(read.thumbprint, Digest::of(b""));
        assert_eq!(read.extended_key_usage, Some(vec!["1.3.6.1.5.5.7.3.2".to_owned()]));
        assert_eq!(*certificate(json!({ "subject": "CN=tpp" })).unwrap().qualified(), QualifiedStatements::default());
    }

    #[test]
    fn what_it_cannot_say_is_a_fault() {
        for (of, expected) in [
            (
                json!({ "subject": "CN=a", "psd2_role": ["PSP_AI"] }),
                "unknown key `psd2_role`; did you mean `psd2_roles`?",
            ),
            (json!({ "subject": "CN=a", "psd2_roles": "PSP_AI" }), "`psd2_roles` has to be a list of strings"),
            (json!({ "subject": "CN=a", "qc_type": "qwac" }), "`qc_type` is one of sign, seal, web"),
            (json!({ "subject": "CN=a", "serial": "1" }), "`serial` is bytes in lower-case hexadecimal, such as 01ff"),
            (json!({ "subject": "CN=a", "serial": "FF" }), "`serial` is bytes in lower-case hexadecimal, such as 01ff"),
            (json!({ "subject": "CN=a", "serial": "" }), "`serial` is bytes in lower-case hexadecimal, such as 01ff"),
            (json!({ "subject": "CN=a", "qc_compliance": "yes" }), "`qc_compliance` has to be a boolean"),
            (json!({ "subject": "CN=a", "thumbprint": "ab" }), "`thumbprint` is not a SHA-256 digest"),
        ] {
            assert_eq!(certificate(of).unwrap_err(), expected);
        }
        assert!(certificate(json!({ "subject": "tpp" })).unwrap_err().starts_with("`subject`: "));
        assert!(certificate(json!({ "subject": "CN=a", "issuer": "tpp" })).unwrap_err().starts_with("`issuer`: "));
        assert!(
            certificate(json!({ "subject": "CN=a", "not_after": "soon" })).unwrap_err().starts_with("`not_after`: ")
        );
    }
}
