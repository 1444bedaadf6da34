//! Members of client metadata that exclude each other or need each other.

use super::*;
use crate::policy::packs::pack;

/// What refuses, as `id field`, where the base policy is laid under this text.
fn refused(text: &str, members: Value) -> Vec<String> {
    let text = format!("{HEAD}extends = 'rfc7591.toml'\n{text}");
    let policy = compiled(&[("p.toml", &text), ("rfc7591.toml", pack("rfc7591").unwrap())], json!({})).unwrap();
    let mut request = object(json!({ "redirect_uris": ["https://client.example/cb"] }));
    request.extend(object(members));
    let (trace, _, _) = told(&policy, Value::Object(request), |facts| facts);
    let step =
        |step: &crate::model::trace::Step| format!("{} {}", step.rule.id, step.rule.field.as_deref().unwrap_or(""));
    trace.failures().map(step).collect()
}

const JWKS: &str = "https://client.example/jwks";

#[test]
fn keys_come_from_one_place() {
    let keys = || json!({ "keys": [{ "kty": "EC", "crv": "P-256", "x": "AQ", "y": "AQ" }] });
    let request = |members: Value| {
        let mut request = object(json!({ "token_endpoint_auth_method": "private_key_jwt" }));
        request.extend(object(members));
        Value::Object(request)
    };
    for one in [json!({ "jwks": keys() }), json!({ "jwks_uri": JWKS }), json!({ "signed_jwks_uri": JWKS })] {
        assert_eq!(refused("", request(one)), [""; 0]);
    }
    assert_eq!(refused("", request(json!({}))), ["client.authentication token_endpoint_auth_method"]);
    assert_eq!(
        refused("", request(json!({ "jwks": { "keys": [] } }))),
        ["client.authentication token_endpoint_auth_method"]
    );
    assert_eq!(refused("", request(json!({ "jwks": keys(), "jwks_uri": JWKS }))), ["keys.source jwks"]);
    for (other, value) in [("jwks", keys()), ("jwks_uri", json!(JWKS))] {
        assert_eq!(
            refused("", request(json!({ other: value, "signed_jwks_uri": JWKS }))),
            ["keys.source signed_jwks_uri"]
        );
    }
}

#[test]
fn keys_of_the_statement_are_not_named_a_second_time() {
    let text = format!(
        "{HEAD}claims = ['jwks']\n[checks.statement.signature]\nalgorithms = ['PS256']\n[checks.keys.source]\nclaim = 'jwks'\n[forward.from_statement]\njwks_uri = 'jwks'\n"
    );
    let policy = compiled(&[("p.toml", &text)], json!({})).unwrap();
    let steps = |request: Value, claims: Value| -> Vec<String> {
        let claims = statement(claims);
        let (trace, _, _) = told(&policy, request, |facts| Facts { statement: Some(&claims), ..facts });
        trace.failures().map(|step| step.rule.message.to_string()).collect()
    };
    assert_eq!(steps(json!({}), json!({ "jwks": JWKS })), [""; 0]);
    let elsewhere = "the keys are those that the software statement names, and signed_jwks_uri names others";
    assert_eq!(steps(json!({ "signed_jwks_uri": JWKS }), json!({})), [elsewhere]);
    let both = "jwks, jwks_uri and signed_jwks_uri exclude each other";
    assert_eq!(steps(json!({ "signed_jwks_uri": JWKS }), json!({ "jwks": JWKS })), [both, elsewhere]);
}

#[test]
fn names_of_the_certificate_belong_to_one_method() {
    let subjects = [
        ("tls_client_auth_subject_dn", "CN=client.example"),
        ("tls_client_auth_san_dns", "client.example"),
        ("tls_client_auth_san_uri", "https://client.example/"),
        ("tls_client_auth_san_ip", "192.0.2.1"),
        ("tls_client_auth_san_email", "a@client.example"),
    ];
    for (name, value) in subjects {
        let tls = |method: &str| json!({ "token_endpoint_auth_method": method, name: value, "jwks_uri": JWKS });
        assert_eq!(refused("", tls("tls_client_auth")), [""; 0]);
        for method in ["private_key_jwt", "client_secret_basic", "none", "self_signed_tls_client_auth"] {
            assert_eq!(refused("", tls(method)), [format!("client.authentication {name}")], "{method}");
            assert_eq!(refused("[checks.client.authentication]\nunused = 'accept'", tls(method)), [""; 0]);
        }
        assert_eq!(
            refused("", json!({ name: value })),
            [format!("client.authentication {name}")],
            "the default method"
        );
    }
    let method = "client.authentication token_endpoint_auth_method";
    assert_eq!(refused("", json!({ "token_endpoint_auth_method": "tls_client_auth" })), [method]);
    let two = json!({ "token_endpoint_auth_method": "tls_client_auth", "tls_client_auth_san_dns": "a.example", "tls_client_auth_san_ip": "192.0.2.1" });
    assert_eq!(refused("", two), [method]);
}

#[test]
fn assertions_belong_to_methods_that_send_them() {
    let request = |method: &str| json!({ "token_endpoint_auth_method": method, "token_endpoint_auth_signing_alg": "ES256", "jwks_uri": JWKS });
    for method in ["private_key_jwt", "client_secret_jwt"] {
        assert_eq!(refused("", request(method)), [""; 0], "{method}");
    }
    for method in ["none", "client_secret_basic", "client_secret_post", "self_signed_tls_client_auth"] {
        let field = "client.authentication token_endpoint_auth_signing_alg";
        assert_eq!(refused("", request(method)), [field], "{method}");
        assert_eq!(refused("[checks.client.authentication]\nunused = 'accept'", request(method)), [""; 0]);
    }
    assert_eq!(
        refused(
            "[checks.client.authentication]\nmethods = ['attest_jwt']",
            json!({ "token_endpoint_auth_method": "attest_jwt" })
        ),
        [""; 0]
    );
}

#[test]
fn keys_of_self_signed_certificates_come_with_them() {
    let request =
        |key: Value| json!({ "token_endpoint_auth_method": "self_signed_tls_client_auth", "jwks": { "keys": [key] } });
    assert_eq!(refused("", request(json!({ "kty": "EC", "x5c": ["AQ"] }))), [""; 0]);
    assert_eq!(refused("", request(json!({ "kty": "EC" }))), ["client.authentication jwks"]);
}

#[test]
fn notified_clients_say_where() {
    let at = "https://client.example/notify";
    for mode in ["ping", "push"] {
        let alone = json!({ "backchannel_token_delivery_mode": mode });
        assert_eq!(refused("", alone), ["client.grants backchannel_client_notification_endpoint"]);
        let both = json!({ "backchannel_token_delivery_mode": mode, "backchannel_client_notification_endpoint": at });
        assert_eq!(refused("", both), [""; 0]);
    }
    assert_eq!(refused("", json!({ "backchannel_token_delivery_mode": "poll" })), [""; 0]);
}

#[test]
fn content_encryption_needs_key_management() {
    for stem in [
        "id_token_encrypted_response",
        "userinfo_encrypted_response",
        "request_object_encryption",
        "introspection_encrypted_response",
        "authorization_encrypted_response",
        "nfv_token_encrypted_response",
    ] {
        let (alg, enc) = (format!("{stem}_alg"), format!("{stem}_enc"));
        assert_eq!(refused("", json!({ &enc: "A256GCM" })), [format!("client.algorithms {enc}")]);
        assert_eq!(refused("", json!({ &enc: "A256GCM", &alg: null })), [format!("client.algorithms {enc}")]);
        assert_eq!(refused("", json!({ &enc: "A256GCM", &alg: "RSA-OAEP" })), [""; 0]);
        assert_eq!(refused("", json!({ &alg: "RSA-OAEP" })), [""; 0]);
    }
    let wallet = json!({ "encrypted_response_enc_values_supported": ["A256GCM", "A128GCM"] });
    let allowed = "[checks.client.algorithms]\ncontent_encryption = ['A256GCM']";
    assert_eq!(refused(allowed, wallet), ["client.algorithms encrypted_response_enc_values_supported"]);
}

#[test]
fn id_tokens_that_pass_a_browser_are_signed() {
    let request = |responses: Value, grants: Value| json!({ "id_token_signed_response_alg": "none", "response_types": responses, "grant_types": grants });
    let both = json!(["authorization_code", "implicit"]);
    assert_eq!(refused("", json!({ "id_token_signed_response_alg": "none" })), [""; 0]);
    assert_eq!(refused("", request(json!(["code"]), json!(["authorization_code"]))), [""; 0]);
    assert_eq!(refused("", request(json!(["code token"]), both.clone())), [""; 0]);
    for responses in [json!(["code id_token"]), json!(["code", "code id_token token"])] {
        assert_eq!(refused("", request(responses, both.clone())), ["client.algorithms id_token_signed_response_alg"]);
    }
    assert_eq!(
        refused("", request(json!(["id_token"]), json!(["implicit"]))),
        ["client.algorithms id_token_signed_response_alg"]
    );
}

/// A policy that leaves out `implicit` beside the hybrid flow says so where members are computed: a check judges
/// and changes nothing.
#[test]
fn implicit_can_be_left_out_of_a_hybrid_client() {
    let text = format!(
        "{HEAD}[checks.client.grants]\nhybrid_implicit = 'tolerate'\n[forward.replaced]\ngrant_types = \"has(request.grant_types) ? request.grant_types.filter(g, g != 'implicit') : []\"\n"
    );
    let policy = compiled(&[("p.toml", &text)], json!({})).unwrap();
    let request =
        |response: &str| json!({ "grant_types": ["authorization_code", "implicit"], "response_types": [response] });
    let (trace, metadata, _) = told(&policy, request("code id_token"), |facts| facts);
    assert_eq!(trace.failures().count(), 0);
    assert_eq!(metadata["grant_types"], json!(["authorization_code"]));
    // What has no code in it needs implicit, and is refused rather than registered without.
    let (trace, _, _) = told(&policy, request("id_token"), |facts| facts);
    assert_eq!(trace.failures().map(|step| &*step.rule.id).collect::<Vec<_>>(), ["client.grants"]);
}
