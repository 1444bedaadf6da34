//! T11, T12, T13: forged, stale, replayed and borrowed software statements.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use dcrgate::sandbox::statement::{KeyUse, Signature, SigningKey};
use dcrgate::sandbox::third_party::Protocol;
use dcrgate::sandbox::third_party::registration;
use serde_json::{Value, json};

use crate::target::{Attacker, Target, refused};

/// CVE-2018-0114 (embedded key), CVE-2015-9235 and CVE-2016-10555 (HS256 with the public key), RFC 8725 §2.1.
#[tokio::test(flavor = "multi_thread")]
async fn t11_forged_statements_are_refused_and_cause_no_fetch() {
    let target = Target::new().await;
    let world = &target.gate.world;
    let signer = world.directory.signer();
    let own = SigningKey::generate(signer.key_id()).expect("a key");
    let draft = || world.statement(&target.attacker.software);
    let signed = |draft: dcrgate::sandbox::statement::Draft, key: &SigningKey| {
        draft.sign(key, Signature::Ps256).expect("a token")
    };
    let good = signed(draft(), signer);
    let parts: Vec<&str> = good.split('.').collect();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a socket");
    listener.set_nonblocking(true).expect("nonblocking");
    let trap = format!("https://{}/keys", listener.local_addr().expect("an address"));
    let header = |value: Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let hmac = {
        let key = signer.public_jwk(KeyUse::Signature).to_string();
        let input = format!("{}.{}", header(json!({ "alg": "HS256", "kid": signer.key_id() })), parts[1]);
        let tag = aws_lc_rs::hmac::sign(
            &aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, key.as_bytes()),
            input.as_bytes(),
        );
        format!("{input}.{}", URL_SAFE_NO_PAD.encode(tag))
    };
    let before = (world.directory.fetches("/openbanking.jwks"), target.reached());
    for (name, token) in [
        ("none", draft().sign(signer, Signature::Unsigned).expect("a token")),
        ("none with a signature", format!("{}.{}.{}", header(json!({"alg":"none"})), parts[1], parts[2])),
        ("None", format!("{}.{}.", header(json!({"alg":"None"})), parts[1])),
        ("HS256 with the public key", hmac),
        ("RS256", draft().sign(signer, Signature::Rs256).expect("a token")),
        ("another key under the same kid", signed(draft(), &own)),
        ("an embedded key", signed(draft().header("jwk", own.public_jwk(KeyUse::Signature)), &own)),
        ("jku", signed(draft().header("jku", trap.as_str()), &own)),
        ("x5u", signed(draft().header("x5u", trap.as_str()), &own)),
        ("x5c", signed(draft().header("x5c", json!(["AAAA"])), &own)),
        ("jku with a good signature", signed(draft().header("jku", trap.as_str()), signer)),
        ("kid traversal", signed(draft().header("kid", "../../../etc/passwd"), &own)),
        ("kid as a URL", signed(draft().header("kid", trap.as_str()), &own)),
        ("kid as a number", signed(draft().header("kid", 1), signer)),
        ("crit", signed(draft().header("crit", json!(["exp"])), signer)),
        ("b64", signed(draft().header("b64", false), signer)),
        ("another typ", signed(draft().header("typ", "at+jwt"), signer)),
        ("a changed claim", format!("{}.{}.{}", parts[0], URL_SAFE_NO_PAD.encode(b"{\"iss\":\"evil\"}"), parts[2])),
        ("five parts", format!("{good}.AAAA.AAAA")),
        ("two parts", format!("{}.{}", parts[0], parts[1])),
        ("padding", format!("{good}=")),
        ("white space", format!(" {good}")),
        ("a line feed", good.replacen('.', "\n.", 1)),
        ("bits that mean nothing", format!("{}{}", good.strip_suffix(|_| true).expect("letters"), flipped(&good))),
        (
            "JSON form",
            json!({ "payload": parts[1], "signatures": [{ "protected": parts[0], "signature": parts[2] }] })
                .to_string(),
        ),
        ("nothing", String::new()),
        ("17 KB", "a".repeat(17 * 1024)),
    ] {
        refused(name, &target.submit(&target.around(&token)).await, 400, "invalid_software_statement");
    }
    for value in [json!(null), json!(1), json!([good]), json!({ "a": good })] {
        let mut request = target.request();
        request.insert("software_statement".to_owned(), value.clone());
        let answer = target.submit(&request).await;
        assert_eq!(answer.status(), 400, "{value}");
    }
    assert_eq!(target.reached(), before.1);
    assert!(world.directory.fetches("/openbanking.jwks") <= before.0 + 2, "unknown kids cause at most one more fetch");
    assert!(listener.accept().is_err(), "nothing that a token names is fetched");
}

/// The last letter with its unused bits set: another text for the same signature.
fn flipped(token: &str) -> char {
    const ALPHABET: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let last = token.chars().last().and_then(|letter| ALPHABET.find(letter)).expect("base64url");
    ALPHABET.chars().nth(last | 1).expect("a letter")
}

#[tokio::test(flavor = "multi_thread")]
async fn t12_stale_future_and_malformed_times_are_refused() {
    let target = Target::new().await;
    let now = target.gate.world.now().unix_seconds();
    for (name, iat) in [
        ("six minutes old", json!(now - 360)),
        ("two minutes ahead", json!(now + 120)),
        ("a year ahead", json!(now + 31_536_000)),
        ("milliseconds", json!(now * 1000)),
        ("a string", json!(now.to_string())),
        ("a fraction", json!(now as f64 + 0.5)),
        ("zero", json!(0)),
        ("negative", json!(-1)),
        ("the largest number", json!(i64::MAX)),
        ("beyond it", json!(u64::MAX)),
        ("null", json!(null)),
        ("a list", json!([now])),
    ] {
        let request = target.stated(|draft| draft.claim("iat", iat));
        refused(name, &target.submit(&request).await, 400, "invalid_software_statement");
    }
    let without = target.stated(|draft| draft.without("iat"));
    refused("missing", &target.submit(&without).await, 400, "invalid_software_statement");
    let expired = target.stated(|draft| draft.claim("exp", now - 120));
    refused("expired", &target.submit(&expired).await, 400, "invalid_software_statement");
    // CVE-2026-25537: a claim of the wrong type must not count as absent.
    let strange = target.stated(|draft| draft.claim("exp", "never"));
    refused("exp is a string", &target.submit(&strange).await, 400, "invalid_software_statement");
    assert_eq!(target.reached(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn t12_a_statement_registers_once_however_often_it_is_sent() {
    let target = Target::new().await;
    let world = &target.gate.world;
    let request = target.request();
    // Sixteen different requests around one statement, all at once.
    let requests = (0..16).map(|number| {
        let mut request = request.clone();
        request.insert("default_max_age".to_owned(), json!(number));
        registration(serde_json::to_vec(&request).expect("JSON"))
    });
    let client = &target.attacker.client;
    let answers = client.send_at_once(target.gate.address, Protocol::Http1, requests.collect()).await;
    let statuses: Vec<u16> =
        answers.iter().map(|answer| answer.as_ref().expect("an answer").status().as_u16()).collect();
    assert_eq!(statuses.iter().filter(|status| **status == 201).count(), 1, "{statuses:?}");
    assert_eq!(statuses.iter().filter(|status| **status == 400).count(), 15, "{statuses:?}");
    assert_eq!(world.identity_server.registrations_of(&target.attacker.software).len(), 1);
    // Later, in a body of its own, and with other white space around the members.
    let mut again = request.clone();
    again.insert("default_max_age".to_owned(), json!(99));
    assert_eq!(target.submit(&again).await.status(), 400);
    assert_eq!(target.post(serde_json::to_vec_pretty(&request).expect("JSON")).await.status(), 400);
    assert_eq!(world.identity_server.registrations_of(&target.attacker.software).len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn t13_statements_of_somebody_else_are_refused() {
    let target = Target::new().await;
    let victim = Attacker::new(&target.gate.world, "victim");
    let statement = target.gate.world.statement(&victim.software);
    let statement = statement.sign(target.gate.world.directory.signer(), Signature::Ps256).expect("a statement");
    let stolen = target.gate.world.request_with(&victim.software, &statement);
    refused("another software", &target.submit(&stolen).await, 400, "invalid_software_statement");
    let own = &target.attacker.software;
    let issuer = dcrgate::sandbox::statement::ISSUER;
    for (name, claim, value) in [
        ("another organisation", "org_id", "00000000-0000-4000-8000-000000000000".to_owned()),
        ("an organisation by prefix", "org_id", own.organisation.id.get(..8).expect("a prefix").to_owned()),
        ("an organisation with a space", "org_id", format!("{} ", own.organisation.id)),
        ("a software in upper case", "software_id", own.id.to_uppercase()),
        ("a software with a space", "software_id", format!("{} ", own.id)),
        ("an issuer in upper case", "iss", issuer.to_uppercase()),
        ("an issuer with a space", "iss", format!("{issuer} ")),
        ("an issuer with a look-alike", "iss", issuer.replace('a', "\u{430}")),
        ("no issuer", "iss", String::new()),
        ("another environment", "software_environment", "production".to_owned()),
        ("an inactive organisation", "org_status", "Withdrawn".to_owned()),
    ] {
        let request = target.stated(|draft| draft.claim(claim, value));
        let answer = target.submit(&request).await;
        let unapproved = claim == "software_environment" || claim == "org_status";
        let error = if unapproved { "unapproved_software_statement" } else { "invalid_software_statement" };
        refused(name, &answer, 400, error);
    }
    let listed = target.stated(|draft| draft.claim("iss", json!([issuer])));
    refused("a list of issuers", &target.submit(&listed).await, 400, "invalid_software_statement");
    assert_eq!(target.reached(), 0);
}
