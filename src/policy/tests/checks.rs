//! Settings of checks: what they let pass, what they refuse, and what does not compile.

use super::*;
use crate::model::binding::Binding;
use crate::model::certificate::{Certificate, PublicKeyFacts, QualifiedStatements};
use crate::model::evidence::Known;
use crate::model::id::{AuthorityName, DecisionId};
use crate::model::key::KeySet;
use crate::model::name::DistinguishedName;
use crate::model::peer::Peer;

const SIGNED: &str = "[checks.statement.signature]\nalgorithms = ['PS256']\n";

/// What is judged; every part may be left out.
struct World {
    operation: Operation,
    request: Value,
    claims: Option<Value>,
    subject: Option<&'static str>,
    client: Option<&'static str>,
}

impl Default for World {
    fn default() -> Self {
        Self { operation: Operation::Register, request: json!({}), claims: None, subject: None, client: None }
    }
}

impl World {
    /// Judges; gives the trace and what else came of it.
    fn judge(self, policy: &Policy) -> (Trace, Judged) {
        let statement = self.claims.map(statement);
        let peer = self.subject.map(peer);
        let authority = AuthorityName::new("a");
        let client = self.client.map(binding);
        let (trace, _, judged) = told(policy, self.request, |facts| Facts {
            operation: self.operation,
            statement: statement.as_ref(),
            peer: peer.as_ref().map(|peer| (peer, &authority)),
            client: client.as_ref(),
            ..facts
        });
        (trace, judged)
    }

    /// The messages of everything that refuses.
    fn messages(self, policy: &Policy) -> Vec<String> {
        self.judge(policy).0.failures().map(|step| step.rule.message.to_string()).collect()
    }
}

fn peer(subject: &str) -> Peer {
    let digest = Digest::of(subject.as_bytes());
    let certificate = Certificate {
        subject: DistinguishedName::parse(subject).unwrap(),
        issuer: DistinguishedName::parse("CN=Authority").unwrap(),
        serial: "01".to_owned(),
        thumbprint: digest,
        not_before: NOW,
        not_after: NOW,
        dns_names: Vec::new(),
        uris: Vec::new(),
        emails: Vec::new(),
        key_usage: None,
        extended_key_usage: None,
        is_authority: false,
        statements: Ok(QualifiedStatements::default()),
        key: PublicKeyFacts::Rsa { bits: 2048 },
        key_thumbprint: digest,
    };
    Peer::new(Vec::new(), digest, certificate)
}

fn binding(client_id: &str) -> Binding {
    Binding {
        upstream: "u".to_owned(),
        client_id: client_id.to_owned(),
        authority: None,
        organisation: None,
        software: None,
        policy: "p".to_owned(),
        certificate: None,
        certificate_expires: None,
        subject: None,
        token_fingerprint: None,
        token_expires: None,
        sealed_token: None,
        metadata: serde_json::Map::new(),
        template: None,
        decision: DecisionId::new(NOW, [0; 10]),
        registered: NOW,
        updated: None,
    }
}

#[test]
fn what_looks_at_a_statement_needs_one_that_is_verified() {
    for (part, text) in [
        ("`statement.present`", "[checks.statement.present]\n"),
        ("`statement.issuer`", "[checks.statement.issuer]\nallow = ['i']\n"),
        ("`statement.single-use`", "[checks.statement.single-use]\n"),
        ("`certificate.software`", "[checks.certificate.software]\nattribute = 'uid'\n"),
        ("`certificate.software`", "[checks.certificate.software]\nattribute = 'uid'\nmode = 'shadow'\n"),
        ("`redirects.statement`", "[checks.redirects.statement]\nclaim = 'uris'\n"),
        ("`registration.owner`", "[checks.registration.owner]\nsoftware = 'software_id'\n"),
        ("`registration.duplicates`", "[checks.registration.duplicates]\n"),
        ("`keys.encryption`", "[checks.keys.encryption]\nclaim = 'uri'\nfetch_hosts = ['h']\n"),
        ("`keys.source`", "[checks.keys.source]\nclaim = 'uri'\n"),
        ("`[forward.from_statement]`", "[forward.from_statement]\nclient_name = 'name'\n"),
        ("`organisation` of `[subject]`", "[subject]\norganisation = 'org_id'\n"),
        ("`organisation_name` of `[subject]`", "[subject]\norganisation_name = 'org_name'\n"),
        ("`software` of `[subject]`", "[subject]\nsoftware = 'software_id'\n"),
    ] {
        let [problem] = &problems(text)[..] else { panic!("{text}: {:?}", problems(text)) };
        assert!(problem.ends_with(&format!(": {part} needs `[checks.statement.signature]`")), "{problem}");
        assert!(problem.starts_with("p.toml:5"), "{problem}");
        assert_eq!(problems(&format!("{SIGNED}{text}")), [""; 0], "{text}");
    }
    for text in [
        "[checks.keys.source]\nby_value = 'refuse'\n",
        "[subject]\nroles = 'params.roles'\n[params]\nroles = ['r']\n",
        "[checks.registration.duplicates]\nmode = 'off'\n",
    ] {
        assert_eq!(problems(text), [""; 0], "{text}");
    }
    let two = problems("[checks.registration.owner]\n[checks.registration.duplicates]\n");
    assert_eq!(two.len(), 2, "each is told: {two:?}");
}

#[test]
fn an_inner_address_of_keys_passes_for_no_lack_of_a_statement() {
    let policy = policy(&format!(
        "{SIGNED}[checks.statement.present]\nrequired = false\n[checks.keys.source]\nclaim = 'uri'\nwithout_statement = 'skip'\n"
    ));
    let with = |uri: &str, claims: Option<Value>| {
        World { request: json!({ "jwks_uri": uri }), claims, ..World::default() }.messages(&policy)
    };
    const METADATA_SERVICE: &str = "https://169.254.169.254/";
    assert_eq!(with(METADATA_SERVICE, None), ["jwks_uri points to a local or private host"]);
    assert_eq!(with("https://client.example/jwks", None), [""; 0]);
    assert_eq!(
        with(METADATA_SERVICE, Some(json!({ "uri": "https://client.example/jwks" }))),
        ["jwks_uri is not the address in the software statement"]
    );
    assert_eq!(with(METADATA_SERVICE, Some(json!({ "uri": METADATA_SERVICE }))), [""; 0], "the directory vouches");
}

#[test]
fn a_statement_is_forgotten_only_where_its_time_refuses_it() {
    let expires = |text: &str, claims: Value| {
        let policy = policy(&format!("{text}\n{SIGNED}[checks.statement.single-use]\n"));
        let (_, judged) = World { claims: Some(claims), ..World::default() }.judge(&policy);
        let [claim] = &judged.claims[..] else { panic!("{:?}", judged.claims) };
        claim.expires.map(|at| at.unix_seconds() - NOW.unix_seconds())
    };
    let exp = || json!({ "iat": NOW.unix_seconds(), "exp": NOW.unix_seconds() + 60, "jti": "j" });
    let age = |rest: &str| format!("[checks.statement.age]\nmax_age = '5m'\n{rest}");
    let validity = |rest: &str| format!("[checks.statement.validity]\n{rest}");

    assert_eq!(expires("", exp()), None, "nothing refuses it");
    assert_eq!(expires(&validity("mode = 'shadow'"), exp()), None);
    assert_eq!(expires(&validity("mode = 'off'"), exp()), None);
    assert_eq!(expires(&validity("on = ['update']"), exp()), None, "a registration is not judged by it");
    assert_eq!(expires(&validity(""), exp()), Some(60 + 10 + 1));
    assert_eq!(expires(&validity("skew = '1m'\n"), exp()), Some(60 + 60 + 1));
    assert_eq!(expires(&validity(""), json!({ "iat": NOW.unix_seconds(), "jti": "j" })), None);

    assert_eq!(expires(&age(""), exp()), Some(300 + 10 + 1));
    assert_eq!(expires(&age("on = ['update']"), exp()), None);
    assert_eq!(expires(&age("mode = 'shadow'"), exp()), None);
    assert_eq!(expires(&(age("mode = 'shadow'\n") + &validity("")), exp()), Some(300 + 10 + 1), "no shorter than any");
    assert_eq!(expires(&(age("mode = 'shadow'\n") + &validity("")), json!({ "iat": 1, "jti": "j" })), None);
}

#[test]
fn in_a_policy_that_is_a_shadow_only_what_is_enforced_lets_a_statement_be_forgotten() {
    let expires = |age: &str| {
        let text = format!(
            "mode = 'shadow'\n{SIGNED}[checks.statement.age]\nmax_age = '5m'\n{age}[checks.statement.single-use]\nmode = 'enforce'\n"
        );
        let claims = Some(json!({ "iat": NOW.unix_seconds(), "jti": "j" }));
        let (_, judged) = World { claims, ..World::default() }.judge(&policy(&text));
        judged.claims[0].expires
    };
    assert_eq!(expires(""), None);
    assert_eq!(expires("mode = 'enforce'\n"), Some(NOW.plus(Duration::from_secs(311))));
}

#[test]
fn a_comparison_with_a_statement_that_is_not_there_refuses() {
    const OPTIONAL: &str = "[checks.statement.present]\nrequired = false\n";
    for (operation, check, settings) in [
        (Operation::Register, "certificate.software", "attribute = 'uid'\n"),
        (Operation::Register, "redirects.statement", "claim = 'uris'\n"),
        (Operation::Register, "registration.duplicates", ""),
        (Operation::Update, "registration.owner", "software = 'software_id'\n"),
        (Operation::Register, "keys.source", "claim = 'uri'\n"),
    ] {
        let text = format!("{SIGNED}{OPTIONAL}[checks.{check}]\n{settings}");
        let failed = |text: &str| {
            let request = json!({ "redirect_uris": ["https://a.example/"], "jwks_uri": "https://a.example/jwks" });
            let world = World { operation, request, subject: Some("UID=s"), client: Some("c"), ..World::default() };
            let (trace, _) = world.judge(&policy(text));
            trace.failures().map(|step| format!("{} {}", step.rule.id, step.rule.error)).collect::<Vec<_>>()
        };
        assert_eq!(failed(&text), [format!("{check} invalid_software_statement")]);
        assert_eq!(failed(&format!("{text}without_statement = 'skip'\n")), [""; 0], "{check}");
    }
}

#[test]
fn what_has_nothing_to_be_compared_passes_without_a_statement() {
    let text = format!("{SIGNED}[checks.redirects.statement]\nclaim = 'uris'\n[checks.keys.source]\nclaim = 'uri'\n");
    assert_eq!(World::default().messages(&policy(&text)), [""; 0]);
}

#[test]
fn a_check_that_is_off_may_keep_its_settings_and_no_others() {
    let text = |settings: &str| format!("[checks.registration.quota]\nmode = 'off'\nper = 'nobody'\n{settings}");
    assert_eq!(problems(&text("limit = 'many'\nhint = 'h'\n")), [""; 0]);
    assert_eq!(problems(&text("limits = 3\n")), ["p.toml:8: unknown key `limits` (did you mean `limit`?)"]);
}

fn refusals(policy: &Policy, request: Value) -> Vec<String> {
    let (trace, ..) = told(policy, request, |facts| facts);
    trace
        .failures()
        .map(|step| format!("{}: {}", step.rule.field.as_deref().unwrap_or("-"), step.rule.message))
        .collect()
}

#[test]
fn addresses_are_on_accepted_ports_and_hosts() {
    let on = |settings: &str| policy(&format!("[checks.metadata.addresses]\n{settings}"));
    let request = |uri: &str| json!({ "logo_uri": uri, "redirect_uris": ["https://app.example/cb"] });
    let ports = on("ports = [443, 8443]\n");
    let port = "logo_uri: this member has an address on a port that is not accepted";
    for (uri, expected) in [
        ("https://a.example/", vec![]),
        ("https://a.example:8443/", vec![]),
        ("https://a.example:444/", vec![port]),
        ("http://a.example/", vec![port]),
    ] {
        assert_eq!(refusals(&ports, request(uri)), expected, "{uri}");
    }
    let hosts = on("hosts = ['A.example']\nmembers = ['logo_uri', 'request_uris']\n");
    let host = |name: &str| format!("{name}: this member has an address on a host that is not accepted");
    for uri in ["https://a.example/", "https://A.EXAMPLE/", "https://cdn.a.example/x"] {
        assert_eq!(refusals(&hosts, request(uri)), [""; 0], "{uri}");
    }
    for uri in ["https://b.example/", "https://evila.example/", "https://a.example.evil/"] {
        assert_eq!(refusals(&hosts, request(uri)), [host("logo_uri")], "{uri}");
    }
    let list =
        json!({ "request_uris": ["https://a.example/1", "https://b.example/2"], "logo_uri#de": "https://c.example/" });
    assert_eq!(refusals(&hosts, list), [host("logo_uri"), host("request_uris")]);
    let site = on("same_site_as_redirects = true\n");
    let elsewhere = "logo_uri: this member has an address on another host than the redirect addresses";
    assert_eq!(refusals(&site, request("https://app.example/logo")), [""; 0]);
    assert_eq!(refusals(&site, request("https://cdn.app.example/logo")), [""; 0]);
    assert_eq!(refusals(&site, request("https://example/logo")), [elsewhere]);
    assert_eq!(refusals(&site, json!({ "logo_uri": "https://app.example/" })), [elsewhere]);
    assert_eq!(
        problems("[checks.metadata.addresses]\nmembers = ['logo_url', 'scope']\nports = [0]\n"),
        [
            "p.toml:6: `logo_url` is not a member that holds addresses (did you mean `logo_uri`?)",
            "p.toml:6: `scope` is not a member that holds addresses",
            "p.toml:7: `ports` has to be a list of numbers from 1 to 65535",
        ]
    );
}

#[test]
fn key_sets_are_public_strong_and_told_apart() {
    let modulus = |bytes: usize| "_".repeat(bytes * 4 / 3 - 1) + "8";
    let rsa = |kid: &str, bytes: usize| json!({ "kty": "RSA", "kid": kid, "e": "AQAB", "n": modulus(bytes) });
    let with = |mut key: Value, name: &str, value: &str| {
        key[name] = json!(value);
        key
    };
    let coordinate = "A".repeat(43);
    let ec = json!({ "kty": "EC", "kid": "e", "crv": "P-256", "x": coordinate, "y": coordinate });
    let set = policy("[checks.keys.set]\nmin_rsa_bits = 3072\nmax_keys = 3\nrequire = ['sig', 'enc']\n");
    let judge = |keys: Vec<Value>| refusals(&set, json!({ "jwks": { "keys": keys } }));
    let good = rsa("a", 384);
    assert_eq!(judge(vec![good.clone()]), [""; 0], "no use is every use");
    assert_eq!(judge(vec![with(good.clone(), "use", "sig"), with(rsa("a", 384), "use", "enc")]), [""; 0]);
    let weak = "jwks: the key set has an RSA key that is too short";
    let twice = "jwks: two keys of the set have the same kid, type and use";
    let malformed = "jwks: jwks is not a key set: an object with an array keys of keys that are whole";
    let cannot = "jwks: a key of the set names an algorithm that its type cannot do";
    for (keys, expected) in [
        (vec![], "jwks: the key set has no keys"),
        (vec![rsa("a", 384), rsa("b", 384), rsa("c", 384), rsa("d", 384)], "jwks: the key set has too many keys"),
        (vec![rsa("a", 381)], weak),
        (vec![rsa("a", 384), rsa("a", 384)], twice),
        (vec![with(good.clone(), "d", "AA")], "jwks: the key set holds a private or symmetric key"),
        (
            vec![good.clone(), with(ec.clone(), "crv", "P-192")],
            "jwks: the key set has a key on a curve that is not accepted",
        ),
        (vec![with(good.clone(), "alg", "ES256")], cannot),
        (vec![with(good.clone(), "alg", "HS256")], cannot),
        (vec![with(ec.clone(), "alg", "RSA-OAEP")], cannot),
        (vec![with(good.clone(), "use", "sig")], "jwks: the key set lacks a key for a use that is required"),
        (vec![json!(7)], malformed),
        (vec![json!({ "kty": "RSA", "n": "AA" })], malformed),
        (vec![with(good.clone(), "n", "*")], malformed),
        (vec![with(good.clone(), "kty", "")], malformed),
        (vec![good.clone(), with(ec.clone(), "x", "AA")], malformed),
        (vec![good.clone(), json!({ "kty": "EC", "kid": "e", "crv": "P-256", "x": coordinate })], malformed),
    ] {
        assert_eq!(judge(keys.clone()), [expected], "{keys:?}");
    }
    assert_eq!(refusals(&set, json!({ "jwks": { "keys": 1 } })), [malformed]);
    assert_eq!(refusals(&set, json!({})), [""; 0]);
    let fetched = |policy: &Policy, keys: &[Value]| {
        let keys = Known::Value(Arc::new(KeySet::of(keys)));
        let (trace, ..) = told(policy, json!({}), |facts| Facts { software_keys: Box::leak(Box::new(keys)), ..facts });
        let told = |step: &crate::model::trace::Step| {
            format!("{}: {}", step.rule.field.as_deref().unwrap_or_default(), step.rule.message)
        };
        trace.failures().map(told).collect::<Vec<_>>()
    };
    let plain = policy("[checks.keys.set]\n");
    let named_curve = |kind: &str, curve: &str, characters: usize| {
        let coordinate = "A".repeat(characters);
        json!({ "kty": kind, "crv": curve, "kid": curve, "use": "enc", "x": coordinate, "y": coordinate })
    };
    let others = [good.clone(), named_curve("EC", "P-521", 88), named_curve("OKP", "X25519", 43)];
    assert_eq!(fetched(&plain, &others), [""; 0]);
    assert_eq!(
        fetched(&plain, &[good.clone(), with(ec.clone(), "d", "AA")]),
        ["jwks_uri: the key set holds a private or symmetric key"]
    );
    assert_eq!(
        fetched(&plain, &[good.clone(), rsa("weak", 255)]),
        ["jwks_uri: the key set has an RSA key that is too short"]
    );
    assert_eq!(
        fetched(&plain, &[good.clone(), with(ec, "x", "AA")]),
        ["jwks_uri: what is at jwks_uri is not a key set: an object with an array keys of keys that are whole"]
    );
    let verified = "[checks.statement.signature]\nalgorithms = ['PS256']\n";
    let encrypting = policy(&format!("{verified}[checks.keys.encryption]\nclaim = 'uri'\nfetch_hosts = ['h']\n"));
    assert_eq!(fetched(&encrypting, &others), [""; 0], "a key that dcrgate cannot use is one to encrypt to");
    for useless in [with(rsa("e", 255), "use", "enc"), named_curve("EC", "P-192", 32)] {
        assert_eq!(
            fetched(&encrypting, &[good.clone(), useless]),
            ["jwks_uri: the key set of the software has no key for encryption"]
        );
    }
    let named = policy("[checks.keys.set]\nrequire_kid = true\n");
    let mut nameless = good;
    nameless.as_object_mut().unwrap().remove("kid");
    assert_eq!(refusals(&named, json!({ "jwks": { "keys": [nameless] } })), ["jwks: a key of the set has no kid"]);
    assert_eq!(
        problems("[checks.keys.set]\nrequire = ['all']\n"),
        ["p.toml:6: `require` does not know `all` (known uses: sig, enc)"]
    );
}
