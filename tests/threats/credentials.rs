//! What is shown to the identity server instead of a caller's token: ours, and nobody else ever sees it.

use bytes::Bytes;
use dcrgate::sandbox::third_party::registration;
use dcrgate::sandbox::token_issuer::{TokenIssuer, with_tokens};
use dcrgate::store::{Filter, Reader};
use http::Response;
use serde_json::json;

use crate::asked::{Asked, Told};
use crate::gate::{Gate, world};
use crate::target::{Target, refused};

/// The proxy, which shows this credential, the issuer of callers' tokens, and the token endpoint.
struct Desk {
    target: Target,
    issuer: TokenIssuer,
    tokens: Asked,
}

impl Desk {
    async fn open(credential: impl FnOnce(&Asked) -> String) -> Self {
        Self::told(granted("ours-1"), credential).await
    }

    async fn told(answer: Told, credential: impl FnOnce(&Asked) -> String) -> Self {
        let tokens = Asked::answering(answer).await;
        let section = format!("\n[credentials.idp]\n{}\n", credential(&tokens));
        let shown = "token_to_upstream = \"idp\"\n";
        let (home, world) = world(|text| with_tokens(&text, "optional", shown) + &section).await;
        std::fs::write(world.path("iat.secret"), "ours-fixed\n").expect("a secret");
        let issuer = TokenIssuer::publish(&world.directory).expect("an issuer");
        Self { target: Target::of(Gate::over(home, world).await), issuer, tokens }
    }

    /// With tokens by client credentials.
    async fn client() -> Self {
        Self::client_told(granted("ours-1")).await
    }

    async fn client_told(answer: Told) -> Self {
        Self::told(answer, |tokens| {
            format!(
                "client_credentials = {{ url = \"{}\", client_id = \"gate\", client_secret = {{ file = \"iat.secret\" }}, \
                 scope = \"dcr\", timeout = \"300ms\" }}",
                tokens.url()
            )
        })
        .await
    }

    /// A software's first registration, with a token of its own.
    async fn registers(&self) -> Response<Bytes> {
        let token =
            self.issuer.sign(self.issuer.token(self.target.gate.world.now()).expect("a token")).expect("signed");
        let mut request = registration(serde_json::to_vec(&self.target.request()).expect("JSON"));
        request.headers_mut().insert("authorization", format!("Bearer {token}").parse().expect("a header"));
        self.target.send(request).await
    }

    /// What the identity server was shown, registration by registration.
    fn shown(&self) -> Vec<String> {
        let requests = self.target.gate.world.identity_server.requests();
        let shown = requests.iter().map(|request| {
            let mut values = request.headers().get_all("authorization").iter();
            let value = values.next().map_or("", |value| value.to_str().expect("text"));
            assert!(values.next().is_none(), "one header");
            value.to_owned()
        });
        shown.collect()
    }
}

fn granted(token: &str) -> Told {
    Told::Json(json!({ "access_token": token, "token_type": "Bearer", "expires_in": 3600 }).to_string())
}

#[tokio::test(flavor = "multi_thread")]
async fn t14_a_fixed_credential_replaces_the_callers_token() {
    let desk = Desk::open(|_| "secret = { file = \"iat.secret\" }".to_owned()).await;
    let answer = desk.registers().await;
    assert_eq!(answer.status(), 201, "{:?}", answer.body());
    assert_eq!(desk.shown(), ["Bearer ours-fixed"]);
    let told = format!("{:?}{}", answer.headers(), String::from_utf8_lossy(answer.body()));
    assert!(!told.contains("ours-fixed"), "{told}");
    let ledger = Reader::open(&desk.target.gate.database()).expect("a ledger");
    let decisions = ledger.decisions(&Filter { outcome: None, since: None, limit: 10 }).expect("decisions");
    let entries = decisions.into_iter().flat_map(|decision| [decision.opened, decision.ended]).flatten();
    let ledger: String = entries.map(|entry| String::from_utf8_lossy(&entry.body).into_owned()).collect();
    assert!(!ledger.contains("ours-fixed") && !ledger.is_empty(), "{ledger}");
    assert_eq!(desk.tokens.requests().len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn t14_whoever_shows_no_token_travels_under_our_credential_too() {
    let desk = Desk::open(|_| "secret = { file = \"iat.secret\" }".to_owned()).await;
    assert_eq!(desk.target.submit(&desk.target.request()).await.status(), 201);
    assert_eq!(desk.shown(), ["Bearer ours-fixed"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn t14_a_credential_of_our_own_client_is_fetched_ahead_and_once() {
    let desk = Desk::client().await;
    desk.tokens.arrived(1).await;
    let asked = desk.tokens.requests().remove(0);
    assert!(asked.to_lowercase().contains("authorization: basic z2f0ztpvdxjzlwzpegvk\r\n"), "gate:ours-fixed: {asked}");
    assert!(asked.ends_with("\r\n\r\ngrant_type=client_credentials&scope=dcr"), "{asked}");
    assert_eq!(desk.registers().await.status(), 201);
    assert_eq!((desk.shown(), desk.tokens.requests().len()), (vec!["Bearer ours-1".to_owned()], 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn t14_a_credential_that_is_refused_there_is_not_tried_twice_and_is_another_the_next_time() {
    let tap = Asked::answering(Told::Raw(plain("401 Unauthorized", "{\"error\":\"invalid_token\"}"))).await;
    let tokens = Asked::answering(granted("ours-1")).await;
    let section = format!(
        "\n[credentials.idp]\nclient_credentials = {{ url = \"{}\", client_id = \"gate\", client_secret = {{ file = \"iat.secret\" }} }}\n",
        tokens.url()
    );
    let route = "kind = \"registration\"\n";
    let (home, world) = world(|text| {
        let text = crate::gate::before(tap.address(), &text);
        text.replacen(route, &format!("{route}token_to_upstream = \"idp\"\n"), 1) + &section
    })
    .await;
    std::fs::write(world.path("iat.secret"), "ours-fixed\n").expect("a secret");
    let target = Target::of(Gate::over(home, world).await);
    tokens.arrived(1).await;
    let answer = target.submit(&target.request()).await;
    refused("our credential was refused", &answer, 502, "server_error");
    assert_eq!(tap.requests().len(), 1, "nothing is sent twice");
    tokens.set(granted("ours-2"));
    tap.set(Told::Raw(plain("201 Created", "{\"client_id\":\"made\"}")));
    // Nothing was registered, so that the slot is free; its statement was used up, and a new one comes.
    assert_eq!(target.submit(&target.request()).await.status(), 201);
    let shown = |request: &str| request.to_lowercase().contains("authorization: bearer ours-2\r\n");
    let requests = tap.requests();
    assert_eq!((requests.len(), shown(&requests[0]), shown(&requests[1])), (2, false, true));
    assert_eq!(tokens.requests().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn t14_without_a_credential_nothing_is_sent() {
    for (name, told) in [
        ("garbage", Told::Json("{\"access_token\":".to_owned())),
        ("a refusal", Told::Raw(plain("400 Bad Request", "{\"error\":\"invalid_client\"}"))),
        ("silence", Told::Silence),
    ] {
        let desk = Desk::client_told(told).await;
        let request = desk.target.request();
        let answer = desk.target.submit(&request).await;
        refused(name, &answer, 503, "temporarily_unavailable");
        assert!(answer.headers().contains_key("retry-after"), "{name}");
        assert_eq!(desk.target.reached(), 0, "{name}");
    }
}

fn plain(status: &str, body: &str) -> String {
    let length = body.len();
    format!(
        "HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}"
    )
}
