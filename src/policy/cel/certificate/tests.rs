//! Certificates made by rcgen, as rules see them.

use rcgen::{CertificateParams, CustomExtension, DnType, ExtendedKeyUsagePurpose, KeyPair, SanType};
use serde_json::{Map, Value, json};

use super::super::{Builder, Schema, Scope, Session, Values};
use super::*;
use crate::model::document::{Document, Faults};
use crate::model::facts::Facts;

/// A qualified web certificate's statements: QcCompliance, QcType web, and PSP_AI granted by `GB-FCA`.
const STATEMENTS: &[u8] = b"\x30\x4f\x30\x08\x06\x06\x04\x00\x8e\x46\x01\x01\x30\x13\x06\x06\x04\x00\x8e\x46\x01\x06\
    \x30\x09\x06\x07\x04\x00\x8e\x46\x01\x06\x03\x30\x2e\x06\x06\x04\x00\x81\x98\x27\x02\
    \x30\x24\x30\x13\x30\x11\x06\x07\x04\x00\x81\x98\x27\x01\x03\x0c\x06PSP_AI\x0c\x05Banco\x0c\x06GB-FCA";

fn peer(statements: Option<&[u8]>, uris: usize) -> Peer {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CustomDnType(vec![2, 5, 4, 97]), "PSDGB-FCA-123456");
    params.extended_key_usages =
        vec![ExtendedKeyUsagePurpose::ClientAuth, ExtendedKeyUsagePurpose::Other(vec![1, 2, 3])];
    params.subject_alt_names =
        (0..uris).map(|n| SanType::URI(format!("https://{n}.example").try_into().unwrap())).collect();
    let extension = |content: &[u8]| CustomExtension::from_oid_content(&[1, 3, 6, 1, 5, 5, 7, 1, 3], content.to_vec());
    params.custom_extensions = statements.map(extension).into_iter().collect();
    let certificate = params.self_signed(&KeyPair::generate().unwrap()).unwrap();
    Peer::present(vec![certificate.der().clone()]).unwrap()
}

fn faults_of(source: &str) -> Vec<String> {
    value_of(source, None, None).err().unwrap_or_default()
}

/// The value of an expression; what is wrong with it or with the facts.
fn value_of(source: &str, cert: Option<&Peer>, signer: Option<&Peer>) -> Result<Value, Vec<String>> {
    let (params, nothing, faults) = (Map::new(), Map::new(), Faults::new());
    let document = Document::parse("p.toml", format!("require = \"\"\"{source}\"\"\""), &faults);
    let text = document.root(&faults).text("require").unwrap();
    let mut builder = Builder::new(Schema::of(&params), &faults);
    let slot = builder.expression(text, Scope::Decision);
    let mut compiled = builder.finish();
    let Some(code) = compiled.take(slot) else {
        return Err(faults.into_problems().iter().map(ToString::to_string).collect());
    };
    let authority = AuthorityName::new("eidas");
    let facts = Facts {
        peer: cert.map(|peer| (peer, &authority)),
        signer: signer.map(|peer| (peer, &authority)),
        ..Facts::of(&nothing, Timestamp::from_unix_seconds(0))
    };
    let values = Values::new(&compiled.library, &compiled.library.uses(&code), &facts);
    let values = values.map_err(|too_long| vec![format!("{too_long:?}")])?;
    Session::new(&compiled.library, &values).json(&code).map_err(|fault| vec![fault.to_string()])
}

#[test]
fn every_member_of_a_qualified_certificate() {
    let peer = peer(Some(STATEMENTS), 1);
    assert_eq!(peer.certificate.statements.as_ref().map(|found| found.compliance), Ok(true));
    for (member, expected) in [
        ("qc", json!({ "compliance": true, "legislation": [], "type": "web" })),
        ("qc.type", json!("web")),
        ("psd2", json!({ "roles": ["PSP_AI"], "authority_name": "Banco", "authority_id": "GB-FCA" })),
        ("psd2.roles", json!(["PSP_AI"])),
        ("organization", json!({ "scheme": "PSD", "country": "GB", "authority": "FCA", "id": "123456" })),
        ("extended_key_usage", json!(["clientAuth", "1.2.3"])),
        ("san_uri", json!(["https://0.example"])),
        ("subject.organization_identifier", json!("PSDGB-FCA-123456")),
        ("subject.all.cn", json!(["rcgen self signed cert"])),
        ("authority", json!("eidas")),
    ] {
        for (root, cert, signer) in [("cert", Some(&peer), None), ("signer", None, Some(&peer))] {
            assert_eq!(value_of(&format!("{root}.{member}"), cert, signer), Ok(expected.clone()), "{root}.{member}");
        }
    }
    assert_eq!(value_of("size(cert)", Some(&peer), None), Ok(json!(FIELDS.len())), "the whole of it has every field");
}

#[test]
fn one_is_not_the_other_and_none_has_no_members() {
    let peer = peer(Some(STATEMENTS), 1);
    assert_eq!(value_of("has(cert.subject_dn) && !has(signer.subject_dn)", Some(&peer), None), Ok(json!(true)));
    assert_eq!(value_of("has(signer.qc) && !has(cert.qc)", None, Some(&peer)), Ok(json!(true)));
    for source in ["cert.qc.compliance", "signer.psd2.roles", "!cert.qc.compliance", "cert.organization.id == ''"] {
        assert!(value_of(source, None, None).is_err(), "{source}");
    }
}

#[test]
fn without_statements_or_with_unreadable_ones_nothing_is_granted() {
    let mut broken = STATEMENTS.to_vec();
    *broken.last_mut().unwrap() = 0xff;
    for peer in [peer(None, 1), peer(Some(&broken), 1)] {
        let value = |source: &str| value_of(source, Some(&peer), None).unwrap();
        assert_eq!(value("cert.qc"), json!({ "compliance": false, "legislation": [], "type": "" }));
        assert_eq!(value("cert.psd2"), json!({ "roles": [], "authority_name": "", "authority_id": "" }));
    }
}

#[test]
fn names_are_checked_at_load() {
    for (source, expected) in [
        ("cert.qualified", "`cert` has no `qualified`"),
        ("cert.qc.complience", "`cert.qc` has no `complience` (did you mean `compliance`?)"),
        ("signer.psd2.role", "`signer.psd2` has no `role` (did you mean `roles`?)"),
        ("signer.organization.number", "`signer.organization` has no `number`"),
        ("signer.subject.uuid", "`signer.subject` has no `uuid` (did you mean `uid`?)"),
        ("has(signer.psd2.authority)", "`signer.psd2` has no `authority`"),
    ] {
        let faults = faults_of(source);
        assert!(faults.len() == 1 && faults[0].contains(expected), "{source}: {faults:?}");
    }
}

#[test]
fn a_list_in_a_certificate_is_as_bounded_as_any() {
    let uris = |count| value_of("size(signer.san_uri)", None, Some(&peer(None, count)));
    assert_eq!(uris(100), Ok(json!(100)));
    assert_eq!(uris(101), Err(vec!["Evidence".to_owned()]));
    assert_eq!(value_of("size(signer.san_dns)", None, Some(&peer(None, 101))), Ok(json!(0)), "no rule looks at it");
}
