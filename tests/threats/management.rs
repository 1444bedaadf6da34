//! T17: abuse of RFC 7592. Whoever is not the owner is refused here, and the owner loses nothing by it.

use bytes::Bytes;
use dcrgate::sandbox::identity_server::{Behaviour, Manners};
use dcrgate::sandbox::third_party::{Protocol, management};
use http::{Method, Request, Response};
use serde_json::{Map, Value, json};

use crate::target::{Attacker, Target, refused, rule};

/// A registered client and its owner.
pub(crate) struct Owner {
    pub(crate) party: Attacker,
    pub(crate) client_id: String,
    pub(crate) token: String,
    pub(crate) path: String,
}

impl Owner {
    pub(crate) async fn registered(target: &Target, name: &str) -> Self {
        let party = Attacker::new(&target.gate.world, name);
        let request = target.gate.world.request(&party.software).expect("a request");
        let body = serde_json::to_vec(&request).expect("JSON");
        let answer = party.client.register(target.gate.address, body).await.expect("an answer");
        assert_eq!(answer.status(), 201, "{:?}", answer.body());
        let told = members(&answer);
        let text = |name: &str| told[name].as_str().expect("text").to_owned();
        let (_, path) = text("registration_client_uri")
            .split_once("https://localhost")
            .map(|(_, path)| ((), path.to_owned()))
            .expect("our host");
        Self { party, client_id: text("client_id"), token: text("registration_access_token"), path }
    }

    pub(crate) async fn send(&self, target: &Target, request: Request<Bytes>) -> Response<Bytes> {
        self.party.client.send(target.gate.address, Protocol::Http1, request).await.expect("an answer")
    }

    pub(crate) async fn read(&self, target: &Target) -> Response<Bytes> {
        self.send(target, management(Method::GET, &self.path, &self.token, "")).await
    }

    pub(crate) async fn delete(&self, target: &Target) -> Response<Bytes> {
        self.send(target, management(Method::DELETE, &self.path, &self.token, "")).await
    }

    /// A good update, with a new statement.
    pub(crate) fn update(&self, target: &Target) -> Map<String, Value> {
        target.gate.world.request(&self.party.software).expect("a request")
    }

    pub(crate) async fn put(&self, target: &Target, body: &Map<String, Value>) -> Response<Bytes> {
        let body = serde_json::to_vec(body).expect("JSON");
        self.send(target, management(Method::PUT, &self.path, &self.token, body)).await
    }
}

pub(crate) fn members(answer: &Response<Bytes>) -> Value {
    serde_json::from_slice(answer.body()).expect("JSON")
}

/// Asserts the refusal that everybody gets who is not the owner.
fn not_the_owner(target: &Target, name: &str, answer: &Response<Bytes>) {
    refused(name, answer, 401, "invalid_token");
    assert_eq!(rule(answer), "client.owned", "{name}");
    assert_eq!(members(answer)["error_description"], "the registration access token is not valid for this client");
    assert!(answer.headers().contains_key("www-authenticate"), "{name}");
    target.recorded(name, answer);
}

#[tokio::test(flavor = "multi_thread")]
async fn t17_the_owner_reads_updates_and_deletes() {
    let target = Target::new().await;
    let owner = Owner::registered(&target, "owner").await;
    let answer = owner.read(&target).await;
    assert_eq!(answer.status(), 200, "{:?}", answer.body());
    let read = members(&answer);
    assert_eq!(read["client_id"], owner.client_id.as_str());
    assert_eq!(read["registration_access_token"], owner.token.as_str());
    assert_eq!(read["registration_client_uri"], format!("https://localhost/register/{}", owner.client_id));

    // The whole answer sent back with a new statement, as OpenID's suite for Brazil does.
    let mut echo = read.as_object().expect("members").clone();
    echo.extend(owner.update(&target));
    echo.insert("scope".to_owned(), json!("openid accounts"));
    let answer = owner.put(&target, &echo).await;
    assert_eq!(answer.status(), 200, "{:?}", answer.body());
    assert_eq!(members(&answer)["scope"], "openid accounts");
    let forwarded = target.forwarded();
    assert_eq!(forwarded["client_id"], owner.client_id.as_str());
    for issued in
        ["registration_access_token", "registration_client_uri", "client_id_issued_at", "client_secret_expires_at"]
    {
        assert!(!forwarded.contains_key(issued), "{issued}");
    }
    assert_eq!(members(&owner.read(&target).await)["scope"], "openid accounts");

    let answer = owner.delete(&target).await;
    assert_eq!((answer.status().as_u16(), answer.body().len()), (204, 0));
    let reached = target.reached();
    not_the_owner(&target, "a deleted client", &owner.read(&target).await);
    assert_eq!(target.reached(), reached);
    // The slot of the software is free.
    let again = serde_json::to_vec(&owner.update(&target)).expect("JSON");
    assert_eq!(owner.party.client.register(target.gate.address, again).await.expect("an answer").status(), 201);
}

#[tokio::test(flavor = "multi_thread")]
async fn t17_anothers_token_is_refused_here_and_still_works_for_its_owner() {
    let target = Target::new().await;
    let victim = Owner::registered(&target, "victim").await;
    let attacker = Owner::registered(&target, "thief").await;
    let reached = target.reached();
    for method in [Method::GET, Method::PUT, Method::DELETE] {
        let update = serde_json::to_vec(&attacker.update(&target)).expect("JSON");
        // The victim's token on the attacker's client, on the victim's client, and the attacker's on the victim's.
        for (path, token) in
            [(&attacker.path, &victim.token), (&victim.path, &victim.token), (&victim.path, &attacker.token)]
        {
            let name = format!("{method} {path} with {token}");
            let answer = attacker.send(&target, management(method.clone(), path, token, update.clone())).await;
            not_the_owner(&target, &name, &answer);
        }
        for path in ["/register/nobody", "/register/..%2F", "/register/a%2Fb"] {
            let answer =
                attacker.send(&target, management(method.clone(), path, &attacker.token, update.clone())).await;
            assert!(matches!(answer.status().as_u16(), 400 | 401), "{path}");
        }
    }
    assert_eq!(target.reached(), reached, "the identity server heard nothing of it");
    assert_eq!(victim.read(&target).await.status(), 200);
    assert_eq!(attacker.read(&target).await.status(), 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn t17_anothers_certificate_or_none_is_refused() {
    let target = Target::new().await;
    let victim = Owner::registered(&target, "victim").await;
    let reached = target.reached();
    not_the_owner(
        &target,
        "another certificate",
        &target.send(management(Method::GET, &victim.path, &victim.token, "")).await,
    );
    let nobody = target.gate.world.third_party(None).expect("a client");
    let request = management(Method::DELETE, &victim.path, &victim.token, "");
    let answer = nobody.send(target.gate.address, Protocol::Http1, request).await.expect("an answer");
    refused("no certificate", &answer, 401, "invalid_client");
    assert_eq!(rule(&answer), "certificate.trusted");
    target.recorded("no certificate", &answer);
    assert_eq!(target.reached(), reached);
    assert_eq!(victim.read(&target).await.status(), 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn t17_a_token_that_is_missing_or_malformed_is_refused_here() {
    let target = Target::new().await;
    let owner = Owner::registered(&target, "owner").await;
    let reached = target.reached();
    for values in
        [vec![], vec!["Bearer"], vec!["Bearer "], vec!["Basic abc"], vec!["Bearer a b"], vec!["Bearer x", "Bearer y"]]
    {
        let mut request = management(Method::GET, &owner.path, "x", "");
        request.headers_mut().remove("authorization");
        for value in &values {
            request.headers_mut().append("authorization", value.parse().expect("a header"));
        }
        let answer = owner.send(&target, request).await;
        not_the_owner(&target, &format!("{values:?}"), &answer);
        let challenge = answer.headers()["www-authenticate"].to_str().expect("text");
        assert_eq!(challenge.contains("error="), !values.is_empty(), "{challenge}");
    }
    assert_eq!(target.reached(), reached);
}

#[tokio::test(flavor = "multi_thread")]
async fn t17_an_update_is_judged_like_a_registration() {
    let target = Target::new().await;
    let owner = Owner::registered(&target, "owner").await;
    let before = members(&owner.read(&target).await);
    let reached = target.reached();
    let good = owner.update(&target);
    let changed = |name: &str, value: Value| {
        let mut update = good.clone();
        update.insert(name.to_owned(), value);
        update
    };
    let mut without_statement = good.clone();
    without_statement.remove("software_statement");
    let other = target.gate.world.request(&target.attacker.software).expect("a request");
    for (name, update, error, broken) in [
        ("no statement", without_statement, "invalid_software_statement", "statement.present"),
        ("another's statement", other, "invalid_software_statement", ""),
        ("an evil redirect", changed("redirect_uris", json!(["https://evil.example/cb"])), "invalid_redirect_uri", ""),
        ("another client", changed("client_id", json!("another")), "invalid_client_metadata", "metadata.members"),
        ("keys by value", changed("jwks", json!({"keys": []})), "invalid_client_metadata", ""),
    ] {
        let answer = owner.put(&target, &update).await;
        refused(name, &answer, 400, error);
        if !broken.is_empty() {
            assert_eq!(rule(&answer), broken, "{name}");
        }
        target.recorded(name, &answer);
    }
    assert_eq!(target.reached(), reached);
    assert_eq!(members(&owner.read(&target).await), before, "nothing was changed");
}

#[tokio::test(flavor = "multi_thread")]
async fn t17_after_a_rotation_the_new_token_is_the_clients_and_a_lost_answer_comes_again() {
    let target = Target::new().await;
    target.gate.world.identity_server.manners(Manners { rotates: true, ..Manners::default() });
    let mut owner = Owner::registered(&target, "owner").await;
    let update = owner.update(&target);
    let first = owner.put(&target, &update).await;
    assert_eq!(first.status(), 200, "{:?}", first.body());
    let reached = target.reached();
    not_the_owner(&target, "the token before", &owner.read(&target).await);
    // Whoever lost the answer sends the same request again, and gets the same answer with the token.
    let again = owner.put(&target, &update).await;
    assert_eq!((again.status(), again.body()), (first.status(), first.body()));
    let other = owner.put(&target, &owner.update(&target)).await;
    not_the_owner(&target, "another request with the token before", &other);
    assert_eq!(target.reached(), reached, "nothing of it left");
    let next = members(&first)["registration_access_token"].as_str().expect("a token").to_owned();
    assert_ne!(next, owner.token);
    owner.token = next;
    assert_eq!(owner.read(&target).await.status(), 200);
    assert_eq!(owner.delete(&target).await.status(), 204);
}

#[tokio::test(flavor = "multi_thread")]
async fn t17_without_a_rotation_every_update_is_made() {
    let target = Target::new().await;
    let owner = Owner::registered(&target, "owner").await;
    let (mut one, mut two) = (owner.update(&target), owner.update(&target));
    one.insert("scope".to_owned(), json!("openid accounts"));
    two.insert("scope".to_owned(), json!("openid payments"));
    for (update, scope) in [(&one, "openid accounts"), (&two, "openid payments"), (&one, "openid accounts")] {
        assert_eq!(owner.put(&target, update).await.status(), 200);
        assert_eq!(members(&owner.read(&target).await)["scope"], scope);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn t17_what_the_identity_server_forgets_is_answered_all_the_same() {
    let target = Target::new().await;
    let forgets = &["software_statement", "scope", "software_id"];
    target.gate.world.identity_server.manners(Manners { forgets, ..Manners::default() });
    let owner = Owner::registered(&target, "owner").await;
    let update = owner.update(&target);
    let updated = owner.put(&target, &update).await;
    for answer in [updated, owner.read(&target).await] {
        let told = members(&answer);
        assert_eq!(told["software_statement"], update["software_statement"]);
        assert!(told["scope"].as_str().is_some_and(|scope| scope.contains("openid")), "{told}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn t17_paths_of_clients_are_read_in_one_way_only() {
    let target = Target::new().await;
    let owner = Owner::registered(&target, "owner").await;
    let reached = target.reached();
    for path in [
        "/register//{}",
        "/register/./{}",
        "/register/{}%00",
        "/register/{}/../x",
        "/register/%2e%2e",
        "/register/{};a=b",
    ] {
        let path = path.replace("{}", &owner.client_id);
        let answer = owner.send(&target, management(Method::GET, &path, &owner.token, "")).await;
        refused(&path, &answer, 400, "invalid_request");
    }
    let post = owner.send(&target, management(Method::POST, &owner.path, &owner.token, "{}")).await;
    refused("POST", &post, 405, "invalid_request");
    assert_eq!(post.headers()["allow"], "GET, PUT, DELETE");
    assert_eq!(target.reached(), reached);
    let slash = format!("{}/", owner.path);
    assert_eq!(owner.send(&target, management(Method::GET, &slash, &owner.token, "")).await.status(), 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn t17_the_client_may_be_named_in_the_query() {
    let target = Target::with(|text| {
        text.replace("path = \"/register/{client_id}\"\n", "path = \"/register\"\nclient_id = \"query\"\n")
    })
    .await;
    let owner = Owner::registered(&target, "owner").await;
    assert_eq!(owner.path, format!("/register?client_id={}", owner.client_id));
    assert_eq!(owner.read(&target).await.status(), 200);
    for path in ["/register", "/register?client_id=", "/register?client_id=a&client_id=b"] {
        let answer = owner.send(&target, management(Method::GET, path, &owner.token, "")).await;
        refused(path, &answer, 400, "invalid_request");
    }
    not_the_owner(
        &target,
        "another client",
        &owner.send(&target, management(Method::GET, "/register?client_id=x", &owner.token, "")).await,
    );
    assert_eq!(owner.put(&target, &owner.update(&target)).await.status(), 200);
    assert_eq!(owner.delete(&target).await.status(), 204);
}

#[tokio::test(flavor = "multi_thread")]
async fn t17_what_the_identity_server_says_is_told_in_our_words() {
    let target = Target::new().await;
    let owner = Owner::registered(&target, "owner").await;
    target.gate.world.identity_server.behave(Behaviour::Refuse);
    let answer = owner.put(&target, &owner.update(&target)).await;
    refused("a refused update", &answer, 400, "invalid_client_metadata");
    target.gate.world.identity_server.behave(Behaviour::Fail);
    let answer = owner.delete(&target).await;
    refused("a failed deletion", &answer, 502, "server_error");
    target.gate.world.identity_server.behave(Behaviour::Work);
    assert_eq!(owner.read(&target).await.status(), 200, "it is the owner's still");
}
