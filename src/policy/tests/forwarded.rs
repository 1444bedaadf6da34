//! What travels: other spellings, members that are computed, members that are dropped.

use super::*;
use crate::model::certificate::{Certificate, PublicKeyFacts, QualifiedStatements};
use crate::model::id::AuthorityName;
use crate::model::name::DistinguishedName;
use crate::model::peer::Peer;

/// The failing steps as `id error`, and what would travel.
fn sent(policy: &Policy, request: Value, claims: Value) -> (Vec<String>, Value) {
    let statement = statement(claims);
    let (trace, metadata, _) = told(policy, request, |facts| Facts { statement: Some(&statement), ..facts });
    let failed = trace.failures().map(|step| format!("{} {}", step.rule.id, step.rule.error));
    (failed.collect(), Value::Object(metadata))
}

#[test]
fn other_spellings_are_read_under_the_name_that_is_meant() {
    let policy = policy(
        "claims = ['software_jwks_uri']\n[aliases.request]\ntls_client_auth_dn = 'tls_client_auth_subject_dn'\n[aliases.statement]\nsoftware_jwks_endpoint = 'software_jwks_uri'\n[forward.from_statement]\njwks_uri = 'software_jwks_uri'\n[checks.statement.signature]\nalgorithms = ['PS256']\n",
    );
    let forwarded = json!({ "tls_client_auth_subject_dn": "CN=a", "jwks_uri": "https://a.example/" });
    for (request, claims) in [
        (json!({ "tls_client_auth_dn": "CN=a" }), json!({ "software_jwks_endpoint": "https://a.example/" })),
        (json!({ "tls_client_auth_subject_dn": "CN=a" }), json!({ "software_jwks_uri": "https://a.example/" })),
        (
            json!({ "tls_client_auth_dn": "CN=a", "tls_client_auth_subject_dn": null }),
            json!({ "software_jwks_endpoint": "https://a.example/", "software_jwks_uri": null }),
        ),
    ] {
        assert_eq!(sent(&policy, request, claims), (vec![], forwarded.clone()));
    }
}

#[test]
fn two_spellings_at_once_are_refused_even_when_they_agree() {
    let policy = policy(
        "[aliases.request]\ntls_client_auth_dn = 'tls_client_auth_subject_dn'\nx_dn = 'tls_client_auth_subject_dn'\n[aliases.statement]\nold = 'new'\n",
    );
    let request = json!({ "tls_client_auth_dn": "CN=a", "tls_client_auth_subject_dn": "CN=a" });
    assert_eq!(sent(&policy, request, json!({})).0, ["aliases.request invalid_client_metadata"]);
    let request = json!({ "tls_client_auth_dn": "CN=a", "x_dn": "CN=b" });
    assert_eq!(sent(&policy, request, json!({})).0, ["aliases.request invalid_client_metadata"]);
    let claims = json!({ "old": 1, "new": 1 });
    assert_eq!(sent(&policy, json!({}), claims).0, ["aliases.statement invalid_software_statement"]);
}

#[test]
fn faults_of_aliases() {
    let text = "claims = ['new']\n[aliases.request]\nredirects = 'redirect_uri'\nclient_id = 'client_name'\nassertion = 'software_statement'\na = 'logo_uri'\nlogo_uri = 'client_uri'\n[aliases.statement]\nnew = 'newer'\nold = 'new'\n[let]\nx = 'has(request.a)'\ny = 'ssa[\"old\"] == 1'\n[aliases.token]\n";
    let mut found = problems(text);
    found.sort_by_key(|problem| problem.split(':').nth(1).and_then(|line| line.parse::<u32>().ok()));
    assert_eq!(
        found,
        [
            "p.toml:7: `redirect_uri` is not client metadata (did you mean `redirect_uris`?)",
            "p.toml:8: `client_id` has no other spelling",
            "p.toml:9: `assertion` has no other spelling",
            "p.toml:10: `logo_uri` is itself read under another name",
            "p.toml:13: `new` is listed in `claims`, and read as `newer` (list one of the two)",
            "p.toml:13: `claims` does not list `newer` (list it in `claims`)",
            "p.toml:14: `new` is itself read under another name",
            "p.toml:16: `request` never has `a` (see [aliases]: it is read under the name that is meant)",
            "p.toml:17: `ssa` never has `old` (see [aliases]: it is read under the name that is meant)",
            "p.toml:18: unknown key `token`",
        ]
    );
}

#[test]
fn of_a_dropped_request_only_the_statement_travels() {
    let policy = policy(
        "[forward]\nrequest = 'drop'\nunknown = 'keep'\n[forward.from_statement]\nclient_name = 'name'\n[forward.defaults]\napplication_type = 'web'\n[checks.statement.signature]\nalgorithms = ['PS256']\n",
    );
    let request = json!({
        "software_statement": "a.b.c", "scope": "openid", "client_name": "Asked", "client_name#pt": "Pedido",
        "application_type": "native", "other": 1,
    });
    let forwarded = json!({ "software_statement": "a.b.c", "client_name": "Known", "application_type": "web" });
    assert_eq!(sent(&policy, request, json!({ "name": "Known" })), (vec![], forwarded));
}

const REPLACED: &str = "[params]\nknown = ['accounts', 'payments']\n[forward.from_statement]\nclient_name = 'name'\n[forward.replaced]\nscope = \"has(request.scope) ? words(request.scope).filter(s, s in params.known) : []\"\n[checks.statement.signature]\nalgorithms = ['PS256']\n";

#[test]
fn replaced_members_are_computed_whatever_was_asked_for() {
    let policy = policy(REPLACED);
    let scope = |scope: Value| sent(&policy, json!({ "scope": scope }), json!({}));
    assert_eq!(scope(json!("payments unknown accounts")), (vec![], json!({ "scope": "payments accounts" })));
    // Nothing left: the member is dropped, and nothing fills it in.
    assert_eq!(scope(json!("unknown")), (vec![], json!({})));
    assert_eq!(scope(json!(null)), (vec![], json!({})));
    // Of a wrong type it cannot be computed, and that refuses.
    assert_eq!(scope(json!(7)).0, ["forward.scope invalid_client_metadata"]);
    assert_eq!(scope(json!(["accounts"])).0, ["forward.scope invalid_client_metadata"]);
}

#[test]
fn a_replaced_text_takes_its_translations_with_it() {
    let policy = policy("[forward.replaced]\nclient_name = 'ssa.name'\n");
    let request = json!({ "client_name": "a", "client_name#pt": "b", "logo_uri": "https://a.example/" });
    let forwarded = json!({ "client_name": "c", "logo_uri": "https://a.example/" });
    assert_eq!(sent(&policy, request.clone(), json!({ "name": "c" })), (vec![], forwarded));
    assert_eq!(
        sent(&policy, request.clone(), json!({ "name": 7 })).0,
        ["forward.client_name invalid_software_statement"]
    );
    assert_eq!(sent(&policy, request, json!({})).0, ["forward.client_name invalid_software_statement"]);
}

#[test]
fn what_is_replaced_is_said_once() {
    let base = format!("{HEAD}{REPLACED}[forward.defaults]\nlogo_uri = 'https://a.example/'\n");
    let near = "extends = 'base'\n[forward.replaced]\nlogo_uri = 'ssa.logo'\n[forward.defaults]\nscope = 'x'\n";
    let problems = compiled(&[("p.toml", near), ("base.toml", &base)], json!({})).unwrap_err();
    assert_eq!(
        problems,
        ["p.toml:5: `scope` is in [forward.replaced], which is all that counts (leave one of the two out)"]
    );
    // Nearer than the rest it takes its place.
    let near = "extends = 'base'\n[forward.replaced]\nlogo_uri = 'ssa.logo'\nclient_name = '\"n\"'\n";
    let policy = compiled(&[("p.toml", near), ("base.toml", &base)], json!({})).unwrap();
    let forwarded = json!({ "client_name": "n" });
    assert_eq!(sent(&policy, json!({}), json!({ "logo": "", "name": "m" })), (vec![], forwarded));
}

#[test]
fn computed_members_may_look_at_certificate_and_token_but_not_at_the_result() {
    let policy = policy(
        "[let]\nname = 'cert.subject.cn'\n[forward.derived]\ntls_client_auth_subject_dn = 'cert.subject_dn'\nscope = 'token.scope'\n[forward.replaced]\nclient_name = 'name'\n",
    );
    let subject = DistinguishedName::parse("CN=client,O=Example").unwrap();
    let certificate = Certificate {
        issuer: subject.clone(),
        subject,
        serial: "01".to_owned(),
        thumbprint: Digest::of(b""),
        not_before: NOW,
        not_after: NOW,
        dns_names: vec![],
        uris: vec![],
        emails: vec![],
        key_usage: None,
        extended_key_usage: None,
        is_authority: false,
        statements: Ok(QualifiedStatements::default()),
        key: PublicKeyFacts::Rsa { bits: 2048 },
        key_thumbprint: Digest::of(b""),
    };
    let (peer, authority) = (Peer::new(Vec::new(), Digest::of(b""), certificate), AuthorityName::new("a"));
    let token = object(json!({ "scope": "dcr" }));
    let (trace, metadata, _) = told(&policy, json!({}), |facts| Facts {
        peer: Some((&peer, &authority)),
        token: Some((&token).into()),
        ..facts
    });
    assert_eq!(trace.failures().count(), 0);
    let forwarded =
        json!({ "client_name": "client", "scope": "dcr", "tls_client_auth_subject_dn": "CN=client,O=Example" });
    assert_eq!(Value::Object(metadata), forwarded);
    // Without them they cannot be computed.
    let (trace, ..) = told(&policy, json!({}), |facts| facts);
    let failed: Vec<&str> = trace.failures().map(|step| &*step.rule.id).collect();
    assert_eq!(failed, ["forward.client_name", "forward.scope", "forward.tls_client_auth_subject_dn"]);
    for fact in ["metadata.scope", "client.client_id", "operation"] {
        let found = problems(&format!("[forward.replaced]\nscope = '{fact}'\n"));
        assert!(found[0].starts_with("p.toml:6: `") && found[0].contains("is not known here"), "{found:?}");
    }
}
