//! Pages of other origins (WHATWG Fetch §3.2): listed ones may ask and read, refusals included; others never.

use http::{Request, Response};

use crate::gate::{self, Gate};
use crate::server::{Server, ask, values};

const PORTAL: &str = "https://portal.example";
const EVIL: &str = "https://evil.example";

/// `/register` and `/keys` know the portal, `/open` everyone, `/token` nobody.
async fn bank() -> (Gate, Server) {
    let server = Server::start().await;
    let upstream = server.address;
    let gate = Gate::with(|text| {
        let cors = format!("cors = {{ origins = [\"http://localhost:3000\", \"{PORTAL}\"], max_age = \"5m\" }}\n");
        let register = "to = \"/reg\"\n";
        assert!(text.contains(register));
        let proxy = |path: &str, cors: &str| {
            format!("\n[[routes]]\npath = \"{path}\"\nkind = \"proxy\"\nupstream = \"identity-server\"\n{cors}")
        };
        let open = proxy("/open", "cors = { origins = [\"*\"] }\n");
        let management = "\n[[routes]]\npath = \"/register\"\nkind = \"management\"\nclient_id = \"query\"\n\
                          upstream = \"identity-server\"\nto = \"/reg/{client_id}\"\n";
        let open = format!("{open}{management}{cors}");
        gate::before(upstream, &text).replace(register, &format!("{register}{cors}")) + &proxy("/keys", &cors) + &open
    })
    .await;
    (gate, server)
}

fn preflight(path: &str, origin: &str, method: &str) -> http::request::Builder {
    let request = Request::options(path).header("origin", origin).header("access-control-request-method", method);
    request.header("access-control-request-headers", "authorization,content-type,x-fapi-auth-date,x-own")
}

fn allowed(answer: &Response<bytes::Bytes>) -> Vec<&str> {
    values(answer.headers(), "access-control-allow-origin")
}

#[tokio::test(flavor = "multi_thread")]
async fn preflights_are_answered_here() {
    let (gate, server) = bank().await;
    for (path, methods) in [("/register", "POST"), ("/keys", "GET, HEAD, POST, PUT, PATCH, DELETE")] {
        let answer = ask(&gate, preflight(path, PORTAL, "POST")).await;
        assert_eq!((answer.status().as_u16(), allowed(&answer)), (204, vec![PORTAL]), "{path}");
        for (name, value) in [
            ("access-control-allow-methods", methods),
            ("access-control-allow-headers", "Authorization, Content-Type, DPoP, x-fapi-auth-date"),
            ("access-control-max-age", "300"),
            ("vary", "Origin"),
        ] {
            assert_eq!(values(answer.headers(), name), [value], "{path}");
        }
        assert!(answer.body().is_empty() && !answer.headers().contains_key("access-control-allow-credentials"));
        let stranger = ask(&gate, preflight(path, EVIL, "POST")).await;
        assert_eq!(values(stranger.headers(), "vary"), ["Origin"]);
        let said = |name: &&http::HeaderName| name.as_str().starts_with("access-control-");
        assert_eq!(stranger.headers().keys().find(said), None, "{path}");
    }
    assert_eq!(server.requests().len(), 0, "the identity server was not asked");
    ask(&gate, preflight("/token", PORTAL, "POST")).await;
    assert_eq!(server.requests().len(), 1, "without `cors` it is the identity server's matter");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_preflight_is_about_the_route_that_its_method_takes() {
    let (gate, _server) = bank().await;
    for (method, methods) in [("POST", "POST"), ("PUT", "GET, PUT, DELETE"), ("DELETE", "GET, PUT, DELETE")] {
        let answer = ask(&gate, preflight("/register?client_id=a", PORTAL, method)).await;
        assert_eq!(answer.status(), 204);
        assert_eq!(values(answer.headers(), "access-control-allow-methods"), [methods], "{method}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_reads_why_it_was_refused() {
    let (gate, _server) = bank().await;
    let exposed = "DCR-Decision-Id, DPoP-Nonce, Retry-After, WWW-Authenticate, x-fapi-interaction-id";
    for (method, status) in [("POST", 401), ("PATCH", 405), ("OPTIONS", 405)] {
        let request = || Request::builder().method(method).uri("/register").header("content-type", "application/json");
        let answer = ask(&gate, request().header("origin", PORTAL)).await;
        assert_eq!((answer.status().as_u16(), allowed(&answer)), (status, vec![PORTAL]), "{method}");
        assert_eq!(values(answer.headers(), "access-control-expose-headers"), [exposed]);
        assert!(answer.headers().contains_key("dcr-decision-id"));
        let stranger = ask(&gate, request().header("origin", EVIL)).await;
        assert_eq!((stranger.status().as_u16(), allowed(&stranger)), (status, vec![]), "{method}");
        assert_eq!(values(stranger.headers(), "vary"), ["Origin"], "a cache keeps them apart");
        let plain = ask(&gate, request()).await;
        assert_eq!((allowed(&plain), values(plain.headers(), "vary")), (vec![], vec!["Origin"]));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_identity_server_says_of_origins_is_replaced_or_left() {
    let (gate, server) = bank().await;
    server.say(
        200,
        &[
            ("access-control-allow-origin", EVIL),
            ("access-control-allow-credentials", "true"),
            ("access-control-expose-headers", "set-cookie"),
            ("vary", "Accept-Encoding, Origin"),
        ],
        "{}",
    );
    let from = async |path: &str, origin: &str| ask(&gate, Request::get(path).header("origin", origin)).await;
    let said = |answer: &Response<bytes::Bytes>| {
        let count = answer.headers().keys().filter(|name| name.as_str().starts_with("access-control-")).count();
        (count, allowed(answer).into_iter().map(str::to_owned).collect::<Vec<_>>())
    };
    assert_eq!(said(&from("/keys", EVIL).await), (0, vec![]));
    let portal = from("/keys", PORTAL).await;
    assert_eq!(said(&portal), (2, vec![PORTAL.to_owned()]));
    assert_eq!(values(portal.headers(), "vary"), ["Accept-Encoding, Origin"]);
    assert_eq!(said(&from("/open", EVIL).await), (2, vec!["*".to_owned()]));
    assert_eq!(said(&from("/token", EVIL).await), (3, vec![EVIL.to_owned()]), "untouched without `cors`");
}
