//! Qualified certificates (eIDAS) as facts of rules, and certificates that are pinned.

use bytes::Bytes;
use dcrgate::model::certificate::Certificate;
use dcrgate::sandbox::third_party::{Protocol, registration};
use dcrgate::sandbox::{Identity, KeyKind, Validity, World};
use http::Response;
use rcgen::{CertificateParams, CustomExtension};
use serde_json::{Map, Value, json};

use crate::certified::world;
use crate::gate::Gate;
use crate::target::{refused, rule};

/// A bank that registers whoever shows a qualified certificate for web sites with the role of account information.
const BANK: &str = r#"
id      = "bank"
version = "1"
title   = "Registration by qualified certificate"
spec    = "ETSI TS 119 495"

[[rule]]
id      = "bank.qualified"
error   = "invalid_client_metadata"
require = "cert.qc.compliance && cert.qc.type == 'web' && size(cert.qc.legislation) == 0"
message = "the certificate is not a qualified one for web sites"

[[rule]]
id      = "bank.role"
error   = "invalid_client_metadata"
require = "'PSP_AI' in cert.psd2.roles"
message = "the certificate does not hold the role of account information"

[[rule]]
id      = "bank.organisation"
error   = "invalid_client_metadata"
require = "cert.organization.scheme == 'PSD' && cert.psd2.authority_id == cert.organization.country + '-' + cert.organization.authority"
message = "the organisation of the certificate was authorised by another authority"
"#;

/// A third party of Spain in good standing.
fn good() -> Map<String, Value> {
    let good = json!({
        "subject": "CN=tpp.example,2.5.4.97=PSDES-BDE-3DFD21,C=ES",
        "qc_compliance": true, "qc_type": "web",
        "psd2_roles": ["PSP_PI", "PSP_AI"], "psd2_authority_name": "Banco de España", "psd2_authority_id": "ES-BDE",
    });
    good.as_object().cloned().expect("an object")
}

/// Nothing but a subject.
fn plain(subject: &str) -> Map<String, Value> {
    Map::from_iter([("subject".to_owned(), subject.into())])
}

fn issued(world: &World, described: &Map<String, Value>, change: impl FnOnce(&mut CertificateParams)) -> Identity {
    let validity = Validity::current(world.now());
    world.clients.described(described, KeyKind::Ecdsa, &validity, change).expect("a certificate")
}

/// Statements whose bytes are changed before they are signed.
fn broken(change: impl FnOnce(&mut Vec<u8>)) -> impl FnOnce(&mut CertificateParams) {
    |params| {
        let mut content = params.custom_extensions.remove(0).content().to_vec();
        change(&mut content);
        params.custom_extensions.push(CustomExtension::from_oid_content(&[1, 3, 6, 1, 5, 5, 7, 1, 3], content));
    }
}

async fn register(gate: &Gate, identity: &Identity) -> Response<Bytes> {
    let client = gate.world.third_party(Some(identity)).expect("a client");
    let body = json!({ "redirect_uris": ["https://tpp.example/cb"] }).to_string();
    client.send(gate.address, Protocol::Http1, registration(body)).await.expect("an answer")
}

#[tokio::test(flavor = "multi_thread")]
async fn rules_decide_by_what_a_qualified_certificate_says() {
    let (home, world) = world("bank", BANK, |text| text).await;
    let gate = Gate::over(home, world).await;
    let admitted = register(&gate, &issued(&gate.world, &good(), |_| {})).await;
    assert_eq!(admitted.status(), 201, "{:?}", admitted.body());
    let with = |name: &str, value: Value| {
        let mut changed = good();
        changed.insert(name.to_owned(), value);
        changed
    };
    let without_service: Map<String, Value> =
        good().into_iter().filter(|(name, _)| !name.starts_with("psd2_")).collect();
    for (name, described, rule_id) in [
        ("no statements", plain("CN=tpp.example,2.5.4.97=PSDES-BDE-3DFD21"), "bank.qualified"),
        ("a seal", with("qc_type", json!("seal")), "bank.qualified"),
        ("not qualified", with("qc_compliance", json!(false)), "bank.qualified"),
        ("of another law", with("qc_legislation", json!(["GB"])), "bank.qualified"),
        ("another role", with("psd2_roles", json!(["PSP_PI"])), "bank.role"),
        ("no payment service", without_service, "bank.role"),
        ("another authority", with("psd2_authority_id", json!("ES-XXX")), "bank.organisation"),
        ("no organisation", with("subject", json!("CN=tpp.example")), "bank.organisation"),
    ] {
        let answer = register(&gate, &issued(&gate.world, &described, |_| {})).await;
        refused(name, &answer, 400, "invalid_client_metadata");
        assert_eq!(rule(&answer), rule_id, "{name}");
    }
    let unreadable = [
        ("trailing bytes", issued(&gate.world, &good(), broken(|der| der.push(0)))),
        ("cut short", issued(&gate.world, &good(), broken(|der| der.truncate(der.len() - 3)))),
    ];
    for (name, identity) in unreadable {
        let answer = register(&gate, &identity).await;
        refused(name, &answer, 400, "invalid_client_metadata");
        assert_eq!(rule(&answer), "bank.qualified", "{name}: what cannot be read grants nothing");
    }
    assert_eq!(gate.world.identity_server.requests().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn only_a_pinned_certificate_or_key_is_accepted() {
    let (home, world) = world("bank", "", |text| text).await;
    let made = |name: &str| issued(&world, &plain(name), |_| {});
    let [by_certificate, by_key, other] = ["CN=one", "CN=two", "CN=three"].map(made);
    let read = |identity: &Identity| Certificate::from_der(identity.certificate()).expect("a certificate");
    let pins = [read(&by_certificate).thumbprint.to_string(), read(&by_key).key_thumbprint.base64url()];
    let policy = format!(
        "id = \"bank\"\nversion = \"1\"\ntitle = \"t\"\nspec = \"s\"\n[checks.certificate.trusted]\npinned = {pins:?}\n"
    );
    std::fs::write(world.path("policies/bank.toml"), policy).expect("a policy");
    let gate = Gate::over(home, world).await;
    assert_eq!(register(&gate, &by_certificate).await.status(), 201);
    assert_eq!(register(&gate, &by_key).await.status(), 201);
    let answer = register(&gate, &other).await;
    refused("another certificate of the same authority", &answer, 401, "invalid_client");
    assert_eq!(rule(&answer), "certificate.trusted");
    assert_eq!(gate.world.identity_server.requests().len(), 2);
}
