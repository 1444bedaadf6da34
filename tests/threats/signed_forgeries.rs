//! T11, T12, T13, R4 for signed requests: forged, replayed and borrowed ones, and keys that are away.

use dcrgate::sandbox::directory::Behaviour;
use dcrgate::sandbox::statement::{Draft, KeyUse, Signature, SigningKey};
use dcrgate::sandbox::third_party::{Protocol, signed_registration};
use dcrgate::sandbox::{KeyKind, Software};
use serde_json::{Value, json};

use crate::signed::{claims, claims_of, description, post, record, rules, signed, target};
use crate::target::{Attacker, refused, rule};

/// CVE-2018-0114, CVE-2015-9235, CVE-2016-10555: a request never brings its key, names its URL or chooses its algorithm.
#[tokio::test(flavor = "multi_thread")]
async fn t11_forged_requests_are_refused_and_cause_no_fetch() {
    let target = target().await;
    let world = &target.gate.world;
    let key = world.directory.software_key();
    let own = SigningKey::generate(key.key_id()).expect("a key");
    let own_ec = SigningKey::generate_ec("software-ec").expect("a key");
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a socket");
    listener.set_nonblocking(true).expect("nonblocking");
    let trap = format!("https://{}/keys", listener.local_addr().expect("an address"));
    let draft = || Draft::request(claims(&target));
    let by = |draft: Draft, key: &SigningKey| draft.sign(key, Signature::Ps256).expect("a token");
    let good = by(draft(), key);
    let parts: Vec<&str> = good.split('.').collect();
    let other = by(draft().claim("scope", "openid"), key);
    let path = target.attacker.software.keys_path();
    for (name, token) in [
        ("none", draft().sign(key, Signature::Unsigned).expect("a token")),
        ("HS256 with the public key", draft().sign(key, Signature::Hs256).expect("a token")),
        ("RS256", draft().sign(key, Signature::Rs256).expect("a token")),
        ("PS384", draft().sign(key, Signature::Ps384).expect("a token")),
        ("RS256 that says PS256", draft().header("alg", "PS256").sign(key, Signature::Rs256).expect("a token")),
        ("another key under the same kid", by(draft(), &own)),
        ("another curve key", draft().sign(&own_ec, Signature::Es256).expect("a token")),
        ("the directory's key", by(draft(), world.directory.signer())),
        ("the encryption key", by(draft().header("kid", "software-enc"), key)),
        ("an unknown kid", by(draft().header("kid", "unknown"), key)),
        ("kid as a URL", by(draft().header("kid", trap.as_str()), &own)),
        ("an embedded key", by(draft().header("jwk", own.public_jwk(KeyUse::Signature)), &own)),
        ("the published key, embedded", by(draft().header("jwk", key.public_jwk(KeyUse::Signature)), key)),
        ("x5c", by(draft().header("x5c", json!(["AAAA"])), key)),
        ("jku", by(draft().header("jku", trap.as_str()), &own)),
        ("x5u", by(draft().header("x5u", trap.as_str()), key)),
        ("crit", by(draft().header("crit", json!(["exp"])), key)),
        ("b64", by(draft().header("b64", false), key)),
        ("another typ", by(draft().header("typ", "at+jwt"), key)),
        ("JOSE as typ", by(draft().header("typ", "JOSE"), key)),
        ("the payload of another", format!("{}.{}.{}", parts[0], other.split('.').nth(1).expect("it"), parts[2])),
        ("no signature", format!("{}.{}.", parts[0], parts[1])),
    ] {
        let answer = post(&target, token).await;
        refused(name, &answer, 400, "invalid_client_metadata");
        assert_eq!(rules(&answer), ["request.signature"], "{name}");
        let record = record(&target, &answer);
        assert!(record["request"].get("signed").is_none(), "{name}: nothing was verified");
        assert_eq!(record["subject"]["software"], Value::Null, "{name}");
    }
    assert_eq!(target.reached(), 0);
    assert_eq!(world.directory.fetches(&path), 1, "unknown key ids cause no fetch of a set that is new");
    assert!(listener.accept().is_err(), "nothing that a token names is fetched");
    assert_eq!(post(&target, good).await.status(), 201, "and a refusal uses nothing up");
}

/// The statement says whose key it has to be; what is wrong with it is told before what is wrong with the request.
#[tokio::test(flavor = "multi_thread")]
async fn t13_a_statement_of_another_software_gives_its_key_alone() {
    let target = target().await;
    let world = &target.gate.world;
    let victim = Attacker::new(world, "victim");
    let own = SigningKey::generate("victim-sig").expect("a key");
    world.directory.publish_keys(&victim.software.keys_path(), &[own.public_jwk(KeyUse::Signature)]);

    let stolen = signed(&target, claims_of(&target, &victim.software));
    let answer = post(&target, stolen).await;
    refused("signed by the thief", &answer, 400, "invalid_software_statement");
    assert_eq!(rules(&answer), ["certificate.software", "request.signature"]);

    // The thief's own statement beside what the victim signed.
    let claims = claims(&target);
    let by_victim = Draft::request(claims.clone()).sign(&own, Signature::Ps256).expect("a token");
    let answer = post(&target, by_victim).await;
    refused("signed by the victim", &answer, 400, "invalid_client_metadata");
    assert_eq!(rules(&answer), ["request.signature"]);

    let statement = world.statement(&target.attacker.software).claim("iat", world.now().unix_seconds() - 301);
    let statement = statement.sign(world.directory.signer(), Signature::Ps256).expect("a statement");
    let mut stale = claims.clone();
    stale.insert("software_statement".to_owned(), json!(statement));
    let token = Draft::request(stale).sign(&own, Signature::Ps256).expect("a token");
    let answer = post(&target, token).await;
    refused("a stale statement", &answer, 400, "invalid_software_statement");
    assert_eq!(rules(&answer), ["statement.age", "request.signature"]);

    let mut without = claims.clone();
    without.remove("software_statement");
    let answer = post(&target, signed(&target, without)).await;
    refused("no statement", &answer, 400, "invalid_software_statement");
    assert_eq!(rules(&answer), ["statement.present"]);

    let mut other = claims;
    other.insert("iss".to_owned(), json!(victim.software.id));
    let answer = post(&target, signed(&target, other)).await;
    refused("another iss", &answer, 400, "invalid_client_metadata");
    assert_eq!(rules(&answer), ["request.claims"]);
    assert_eq!(target.reached(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn t12_a_request_is_used_once_whatever_it_comes_in() {
    let target = target().await;
    let first = claims(&target);
    let token = signed(&target, first.clone());
    let answer = post(&target, token.clone()).await;
    assert_eq!(answer.status(), 201);
    let again = post(&target, token.clone()).await;
    assert_eq!((again.status(), again.body()), (answer.status(), answer.body()), "the same request, the same answer");
    // PS256 is randomised: the same claims in another token are another body.
    let resigned = signed(&target, first.clone());
    assert_ne!(resigned, token);
    let mut later = first.clone();
    later.insert("exp".to_owned(), json!(first["exp"].as_i64().expect("exp") + 1));
    for (name, token) in [("signed again", resigned), ("another exp", signed(&target, later))] {
        let answer = post(&target, token).await;
        refused(name, &answer, 400, "invalid_client_metadata");
        assert_eq!(
            (rule(&answer).as_str(), description(&answer).as_str()),
            ("request.claims", "jti of the signed request was used before"),
            "{name}"
        );
        target.recorded(name, &answer);
    }
    assert_eq!(target.reached(), 1);

    let shared = claims(&target);
    let requests = (0..16).map(|_| signed_registration(signed(&target, shared.clone()), "application/jwt"));
    let client = &target.attacker.client;
    let answers = client.send_at_once(target.gate.address, Protocol::Http2, requests.collect()).await;
    let admitted = answers.iter().filter(|answer| answer.as_ref().expect("an answer").status() == 201).count();
    assert_eq!((admitted, target.reached()), (1, 2));

    // A jti is its issuer's: another software may happen to choose the same.
    let other = Attacker::new(&target.gate.world, "other");
    let mut same = claims_of(&target, &other.software);
    same.insert("jti".to_owned(), first["jti"].clone());
    let request = signed_registration(signed(&target, same), "application/jwt");
    let answer = other.client.send(target.gate.address, Protocol::Http1, request).await.expect("an answer");
    assert_eq!(answer.status(), 201);
}

#[tokio::test(flavor = "multi_thread")]
async fn r4_keys_of_a_software_that_are_away_are_503_and_missing_ones_are_not() {
    let target = target().await;
    assert_eq!(post(&target, signed(&target, claims(&target))).await.status(), 201, "keys of statements are known");
    let unpublished = Software::named("unpublished", &target.gate.world.organisation);
    let away = Attacker::new(&target.gate.world, "away");
    let send = async |software: &Software| {
        let identity = target.gate.world.transport(software, KeyKind::Ecdsa).expect("a certificate");
        let client = target.gate.world.third_party(Some(&identity)).expect("a client");
        let request = signed_registration(signed(&target, claims_of(&target, software)), "application/jwt");
        client.send(target.gate.address, Protocol::Http1, request).await.expect("an answer")
    };
    let answer = send(&unpublished).await;
    refused("not published", &answer, 400, "invalid_client_metadata");
    assert_eq!(rules(&answer), ["request.signature"]);

    target.gate.world.directory.behave(Behaviour::Fail);
    let answer = send(&away.software).await;
    refused("an outage", &answer, 503, "temporarily_unavailable");
    assert_eq!(rules(&answer), ["request.keys"]);
    assert!(answer.headers().contains_key("retry-after"));
    assert_eq!(post(&target, signed(&target, claims(&target))).await.status(), 201, "known keys serve on");
    assert_eq!(target.reached(), 2);
}
