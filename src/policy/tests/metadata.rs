//! Every member of client metadata, through the base policy: what travels, and what refuses which values.

use super::*;
use crate::model::metadata::MEMBERS;
use crate::policy::packs::pack;

/// JSON type of a member.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Type {
    Text,
    /// Which may also come as `name#language`.
    Localised,
    Texts,
    Boolean,
    Integer,
    Object,
    /// Which never travels, whatever it is.
    Issued,
}

impl Type {
    fn wrong(self) -> Vec<Value> {
        match self {
            Self::Text | Self::Localised => vec![json!(7), json!(true), json!(["a"]), json!({})],
            Self::Texts => vec![json!("a"), json!(7), json!({}), json!(["a", 1]), json!([null])],
            Self::Boolean => vec![json!("true"), json!(1), json!([true])],
            Self::Integer => vec![json!("1"), json!(-1), json!(1.5), json!(true)],
            Self::Object => vec![json!("{}"), json!([]), json!(1)],
            Self::Issued => vec![],
        }
    }
}

/// A member, what has to stand beside it, good values, and bad ones with what refuses them.
struct Row {
    name: &'static str,
    kind: Type,
    beside: Value,
    good: Value,
    bad: Vec<(&'static str, Value)>,
}

fn row(name: &'static str, kind: Type, good: Value, bad: &[(&'static str, Value)]) -> Row {
    Row { name, kind, beside: json!({}), good, bad: bad.to_vec() }
}

impl Row {
    fn beside(self, beside: Value) -> Self {
        Self { beside, ..self }
    }
}

fn base() -> Policy {
    compiled(&[("rfc7591.toml", pack("rfc7591").unwrap())], json!({})).unwrap()
}

fn with(members: &[&Value]) -> Value {
    let mut request = object(json!({
        "redirect_uris": ["https://client.example/cb"],
        "token_endpoint_auth_method": "private_key_jwt",
        "jwks_uri": "https://client.example/jwks",
    }));
    for members in members {
        request.extend(object((*members).clone()));
    }
    request.retain(|_, value| !value.is_null());
    Value::Object(request)
}

const TYPES: &str = "metadata.types";

/// Values that an address of the web for the identity server must not be.
fn no_endpoints() -> Vec<(&'static str, Value)> {
    let bad = [
        "",
        "https:",
        "https:///x",
        "//client.example/",
        "/x",
        "client.example",
        "http://client.example/",
        "HTTPS://client.example/",
        "https://u@client.example/",
        "https://a b/",
        "https:\\\\client.example",
        "https://localhost/",
        "https://127.0.0.1/",
        "https://2130706433/",
        "https://10.0.0.1/",
        "https://169.254.169.254/latest",
        "https://[::1]/",
        "https://[::ffff:10.0.0.1]/",
        "https://db.internal/",
        "javascript:alert(1)",
        "file:///etc/passwd",
        "urn:x:y",
    ];
    bad.into_iter().map(|text| (TYPES, json!(text))).collect()
}

/// Values that an address for people must not be.
fn no_pages() -> Vec<(&'static str, Value)> {
    let bad = [
        "",
        "/logo",
        "javascript:alert(1)",
        "JaVaScRiPt:alert(1)",
        "data:text/html,x",
        "https://10.0.0.1/",
        "http://localhost/",
        "https://a b/",
        "ftp://client.example/",
        "https:",
    ];
    bad.into_iter().map(|text| (TYPES, json!(text))).collect()
}

fn endpoint(name: &'static str) -> Row {
    row(name, Type::Text, json!(["https://client.example/x?y=1", "https://client.example:8443"]), &no_endpoints())
}

fn page(name: &'static str) -> Row {
    row(name, Type::Localised, json!(["https://client.example/x.png", "http://client.example/#top"]), &no_pages())
}

fn boolean(name: &'static str) -> Row {
    row(name, Type::Boolean, json!([true, false]), &[])
}

fn texts(name: &'static str) -> Row {
    row(name, Type::Texts, json!([["a"], ["a", "b c"], []]), &[(TYPES, json!([""])), (TYPES, json!(["a\u{1}"]))])
}

fn text(name: &'static str) -> Row {
    row(name, Type::Text, json!(["a", "A b-1.0"]), &[(TYPES, json!("a\nb")), (TYPES, json!("\u{0}"))])
}

fn title(name: &'static str) -> Row {
    Row { kind: Type::Localised, ..text(name) }
}

fn issued(name: &'static str) -> Row {
    row(name, Type::Issued, json!(["x", 0]), &[])
}

const ALGORITHMS: &str = "client.algorithms";

fn signature(name: &'static str) -> Row {
    let bad = ["", "rs256", "RS255", "A256GCM", "RSA-OAEP", "PS256 "].map(|bad| (ALGORITHMS, json!(bad)));
    row(name, Type::Text, json!(["RS256", "PS256", "ES256", "EdDSA"]), &bad)
}

/// A signature that may not be left away; `by` is what refuses it.
fn signed(name: &'static str, by: &'static str) -> Row {
    let mut row = signature(name);
    row.bad.push((by, json!("none")));
    row
}

fn management(name: &'static str) -> Row {
    let bad = ["", "none", "RS256", "A256GCM", "rsa-oaep"].map(|bad| (ALGORITHMS, json!(bad)));
    row(name, Type::Text, json!(["RSA-OAEP", "RSA-OAEP-256", "ECDH-ES", "ECDH-ES+A256KW", "dir"]), &bad)
}

fn encryption(name: &'static str) -> Row {
    let bad = ["", "none", "RSA-OAEP", "A256CTR", "a256gcm"].map(|bad| (ALGORITHMS, json!(bad)));
    let alg = name.replace("_enc", "_alg").replace("_algrypted", "_encrypted").replace("_algryption", "_encryption");
    row(name, Type::Text, json!(["A128CBC-HS256", "A256GCM"]), &bad).beside(json!({ alg: "RSA-OAEP" }))
}

/// `tls_client_auth` by this name of the certificate.
fn subject(name: &'static str, good: Value, bad: &[&str], by: &'static str) -> Row {
    let bad: Vec<_> = bad.iter().map(|bad| (by, json!(bad))).collect();
    row(name, Type::Text, good, &bad).beside(json!({ "token_endpoint_auth_method": "tls_client_auth" }))
}

/// Regimes' table of members, in its order, and what the field uses besides.
#[rustfmt::skip]
fn table() -> Vec<Row> {
    let digest = Digest::of(b"request object").base64url();
    let fragment = |fragment: &str| (TYPES, json!([format!("https://client.example/r#{fragment}")]));
    let mut request_uris: Vec<_> = no_endpoints().into_iter().map(|(by, bad)| (by, json!([bad]))).collect();
    request_uris.extend(["", "x", "top", &"A".repeat(42), &"0".repeat(64), &format!("{digest}=")].map(fragment));
    vec![
        row("redirect_uris", Type::Texts, json!([["https://client.example/cb"], ["https://client.example/cb?x=1"]]), &[
            ("redirects.form", json!(["https://client.example/cb#x"])), ("redirects.form", json!([])),
            ("redirects.form", json!(["https://client.example/cb", "/cb"])), ("redirects.form", json!(["https://localhost/cb"])),
            ("redirects.form", json!([""])), ("redirects.form", json!(["https://client.example/cb", "https://client.example/cb"])),
        ]),
        row("token_endpoint_auth_method", Type::Text, json!([
            "none", "client_secret_post", "client_secret_basic", "client_secret_jwt", "private_key_jwt",
        ]), &["", "RS256", "PRIVATE_KEY_JWT", "private_key_jwt ", "tls_client_auth"].map(|bad| ("client.authentication", json!(bad)))),
        row("grant_types", Type::Texts, json!([["authorization_code"], ["authorization_code", "refresh_token"]]), &[
            ("client.grants", json!(["implicit"])), ("client.grants", json!(["authorization_code", "implicit"])), (TYPES, json!([""])),
        ]),
        row("response_types", Type::Texts, json!([["code"]]), &[
            ("client.grants", json!(["id_token"])), ("client.grants", json!(["code id_token"])), ("client.grants", json!(["code code"])), (TYPES, json!([""])),
        ]),
        title("client_name"),
        page("client_uri"), page("logo_uri"), page("tos_uri"), page("policy_uri"),
        row("scope", Type::Text, json!(["openid", "openid a:b/c"]), &["", " a", "a  b", "\"a\"", "a\\b", "\u{e3}"].map(|bad| ("scope.form", json!(bad)))),
        row("contacts", Type::Texts, json!([["ops@client.example"], ["ops@client.example", "+351 1"]]), &[(TYPES, json!([""])), (TYPES, json!(["a\r\nBcc: b"]))]),
        row("jwks_uri", Type::Text, json!(["https://client.example/jwks"]), &[
            (TYPES, json!("")), (TYPES, json!("javascript:alert(1)")), ("keys.source", json!("http://client.example/jwks")),
            ("keys.source", json!("https://169.254.169.254/jwks")), ("keys.source", json!("https://localhost/jwks")),
        ]),
        row("jwks", Type::Object, json!([{ "keys": [{ "kty": "EC", "crv": "P-256", "x": "AQ", "y": "AQ" }] }]), &[
            (TYPES, json!({})), (TYPES, json!({ "keys": {} })), (TYPES, json!({ "keys": ["x"] })), (TYPES, json!({ "keys": [{ "kid": "1" }] })),
            ("client.authentication", json!({ "keys": [] })), ("keys.source", json!({ "keys": [{ "kty": "EC", "d": "AQ" }] })),
        ]).beside(json!({ "jwks_uri": null })),
        text("software_id"), text("software_version"),
        row("software_statement", Type::Text, json!(["eyJhbGciOiJQUzI1NiJ9.e30.AQ-_"]), &["", "a", "a.b", "a.b.", ".b.c", "a.b.c.d", "a.b.c=", "a. b.c"].map(|bad| (TYPES, json!(bad)))),
        issued("client_id"), issued("client_secret"), issued("client_id_issued_at"), issued("client_secret_expires_at"),
        issued("registration_access_token"), issued("registration_client_uri"),
        row("application_type", Type::Text, json!(["web", "native"]), &["", "WEB", "spa"].map(|bad| (TYPES, json!(bad)))),
        endpoint("sector_identifier_uri"),
        row("subject_type", Type::Text, json!(["pairwise", "public"]), &["", "Public", "private"].map(|bad| (TYPES, json!(bad)))),
        signature("id_token_signed_response_alg"), management("id_token_encrypted_response_alg"), encryption("id_token_encrypted_response_enc"),
        signature("userinfo_signed_response_alg"), management("userinfo_encrypted_response_alg"), encryption("userinfo_encrypted_response_enc"),
        signature("request_object_signing_alg"), management("request_object_encryption_alg"), encryption("request_object_encryption_enc"),
        signed("token_endpoint_auth_signing_alg", "rfc7591.signed-assertions"),
        row("default_max_age", Type::Integer, json!([0, 1, 31_536_000]), &[]),
        boolean("require_auth_time"),
        texts("default_acr_values"),
        endpoint("initiate_login_uri"),
        row("request_uris", Type::Texts, json!([[], ["https://client.example/r"], [format!("https://client.example/r#{digest}")]]), &request_uris),
        row("claims_redirect_uris", Type::Texts, json!([["https://client.example/claims?x=1"], ["com.example.app:/claims"]]), &[
            (TYPES, json!(["https://client.example/claims#x"])), (TYPES, json!(["/claims"])), (TYPES, json!(["javascript:alert(1)"])), (TYPES, json!([""])),
        ]),
        signature("nfv_token_signed_response_alg"), management("nfv_token_encrypted_response_alg"), encryption("nfv_token_encrypted_response_enc"),
        boolean("tls_client_certificate_bound_access_tokens"),
        subject("tls_client_auth_subject_dn", json!(["CN=client.example,O=Example,C=PT", "2.5.4.97=#0c0141"]), &["", ".*", "/CN=client.example", "client.example"], "client.authentication"),
        subject("tls_client_auth_san_dns", json!(["client.example"]), &["", "*.client.example", "https://client.example/", "a b", "client.example."], TYPES),
        subject("tls_client_auth_san_uri", json!(["https://client.example/", "urn:example:client", "spiffe://client.example/a"]), &["", "/a", "client.example", "javascript:alert(1)"], TYPES),
        subject("tls_client_auth_san_ip", json!(["192.0.2.1", "2001:db8::1"]), &["", "192.0.2.01", "3221225985", "192.0.2.1/24", "2001:DB8::1", "2001:db8:0::1", "[::1]"], TYPES),
        subject("tls_client_auth_san_email", json!(["ops@client.example"]), &["", "ops", "ops@", "@client.example", "A <ops@client.example>"], TYPES),
        boolean("require_signed_request_object"), boolean("require_pushed_authorization_requests"),
        signature("introspection_signed_response_alg"), management("introspection_encrypted_response_alg"), encryption("introspection_encrypted_response_enc"),
        row("frontchannel_logout_uri", Type::Text, json!(["https://client.example/logout"]), &[
            (TYPES, json!("")), (TYPES, json!("/logout")), ("rfc7591.front-channel-logout", json!("https://other.example/logout")),
            ("rfc7591.front-channel-logout", json!("http://client.example/logout")), ("rfc7591.front-channel-logout", json!("https://client.example:8443/logout")),
        ]),
        boolean("frontchannel_logout_session_required"),
        {
            let mut row = endpoint("backchannel_logout_uri");
            row.bad.push(("rfc7591.back-channel-logout", json!("https://client.example/logout#x")));
            row
        },
        boolean("backchannel_logout_session_required"),
        row("post_logout_redirect_uris", Type::Texts, json!([["https://client.example/bye#x"], ["com.example.app:/bye"], []]), &[
            (TYPES, json!(["/bye"])), (TYPES, json!(["javascript:alert(1)"])), (TYPES, json!(["data:text/html,x"])), (TYPES, json!([""])),
        ]),
        texts("authorization_details_types"),
        boolean("dpop_bound_access_tokens"),
        row("client_registration_types", Type::Texts, json!([["automatic"], ["explicit", "automatic"]]), &[(TYPES, json!(["manual"])), (TYPES, json!(["Explicit"])), (TYPES, json!([""]))]),
        endpoint("signed_jwks_uri").beside(json!({ "jwks_uri": null })),
        title("organization_name"), title("description"), page("information_uri"), page("organization_uri"), texts("keywords"),
        boolean("use_mtls_endpoint_aliases"),
        row("encrypted_response_enc_values_supported", Type::Texts, json!([["A128GCM"], ["A128GCM", "A256CBC-HS512"]]), &[
            (TYPES, json!([])), (TYPES, json!(["RSA-OAEP"])), (TYPES, json!(["A128GCM", ""])),
        ]),
        row("vp_formats_supported", Type::Object, json!([{ "dc+sd-jwt": {} }]), &[]),

        // Outside the registry.
        signed("authorization_signed_response_alg", ALGORITHMS), management("authorization_encrypted_response_alg"), encryption("authorization_encrypted_response_enc"),
        row("backchannel_token_delivery_mode", Type::Text, json!(["poll", "ping", "push"]), &["", "pull", "POLL"].map(|bad| (TYPES, json!(bad))))
            .beside(json!({ "backchannel_client_notification_endpoint": "https://client.example/notify" })),
        endpoint("backchannel_client_notification_endpoint"),
        {
            let mut row = signed("backchannel_authentication_request_signing_alg", ALGORITHMS);
            row.bad.push((ALGORITHMS, json!("HS256")));
            row
        },
        boolean("backchannel_user_code_parameter"), boolean("backchannel_user_code_parameter_supported"),
        texts("webhook_uris"),
        endpoint("revocation_uri"), endpoint("recipient_base_uri"),
        texts("response_modes"),
        text("tls_client_auth_dn"),
        boolean("require_pushed_authorization_request"),
    ]
}

#[test]
fn the_table_is_whole() {
    let mut names: Vec<&str> = table().iter().map(|row| row.name).collect();
    names.sort_unstable();
    assert_eq!(names, MEMBERS.iter().map(|member| member.name).collect::<Vec<_>>());
}

#[test]
fn good_values_travel_as_they_are() {
    let policy = base();
    for row in table() {
        for good in row.good.as_array().unwrap() {
            let request = with(&[&row.beside, &json!({ row.name: good })]);
            let (trace, metadata, _) = told(&policy, request, |facts| facts);
            let failed: Vec<&str> = trace.failures().map(|step| &*step.rule.message).collect();
            assert_eq!(failed, [""; 0], "{} = {good}", row.name);
            // A statement travels where it was verified; the base verifies none.
            let travels = row.kind != Type::Issued && row.name != "software_statement";
            assert_eq!(metadata.get(row.name), travels.then_some(good), "{}", row.name);
        }
    }
}

#[test]
fn bad_values_are_refused_by_what_is_there_for_them() {
    let policy = base();
    for row in table() {
        let wrong = row.kind.wrong().into_iter().map(|bad| (TYPES, bad));
        for (by, bad) in row.bad.iter().cloned().chain(wrong) {
            let request = with(&[&row.beside, &json!({ row.name: bad })]);
            let (trace, _, _) = told(&policy, request, |facts| facts);
            let failed: Vec<&str> = trace.failures().map(|step| &*step.rule.id).collect();
            assert!(failed.contains(&by), "{} = {bad}: {failed:?}, not {by}", row.name);
        }
    }
}

#[test]
fn members_for_people_alone_come_in_languages() {
    let policy = base();
    for row in table() {
        let good = &row.good[0];
        for (tag, well_formed) in [("pt-BR", true), ("zh-Hant", true), ("pt_BR", false), ("", false), ("a", false)] {
            let name = format!("{}#{tag}", row.name);
            let (_, metadata, _) = told(&policy, with(&[&json!({ &name: good })]), |facts| facts);
            assert_eq!(metadata.contains_key(&name), well_formed && row.kind == Type::Localised, "{name}");
        }
    }
}
