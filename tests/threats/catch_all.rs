//! T4 where it hurts: a proxy route for everything, which must not be a second door to the registration endpoint.

use bytes::Bytes;
use dcrgate::sandbox::third_party::Protocol;
use http::{Request, Uri};

use crate::target::{Target, refused};

/// A route that passes everything on, as a gateway that grew over the years has it.
const EVERYTHING: &str = "\n[[routes]]\npath = \"/*\"\nkind = \"proxy\"\nupstream = \"identity-server\"\n";

/// What some server or other reads as `/reg`, or as something below it.
const SPELLINGS: &[&str] = &[
    "/reg",
    "/reg/",
    "/reg/a-client",
    "/reg?x=1",
    "/reg?",
    "/REG",
    "/Reg/a-client",
    "/%72eg",
    "/r%65g",
    "/%72%65%67",
    "/%52eg",
    "/reg%2f",
    "/reg%2Fa-client",
    "/reg%5ca-client",
    "/reg;x",
    "/reg;jsessionid=1/a-client",
    "/;/reg",
    "/;x=y/reg",
    "//reg",
    "///reg",
    "/reg//a-client",
    "/./reg",
    "/././reg",
    "/reg/.",
    "/reg/./a-client",
    "/x/../reg",
    "/x/..;/reg",
    "/%2e/reg",
    "/.%2freg",
    "/x/%2e%2e/reg",
    "/x/.%2e/reg",
    "/x/%2e./reg",
    "/x/%2E%2E/reg",
    "/x/%2e%2e%2freg",
    "/x/..%2freg",
    "/x/..%5creg",
    "/x%2f..%2freg",
    "/x/..\\reg",
    "/\\reg",
    "\\reg",
    "/%5creg",
    "/reg%00",
    "/reg%00.html",
    "/%00reg",
    "/reg%0a",
    "/reg%0d%0ax:y",
    "/reg%09",
    "/%2572eg",
    "/%252e%252e/reg",
    "/x/%252e%252e/reg",
    "/x/%252e%252e%252freg",
    "/%25%37%32eg",
    "/%25252e/reg",
    "/%u0072eg",
    "/%",
    "/%7",
    "/reg%",
    "/r\u{e9}g",
    "/register/../reg",
    "/register/%2e%2e/reg",
    "/register%2f..%2freg",
    "/.well-known/../reg",
    "/.well-known/%2e%2e/reg",
    "/.well-known//reg",
    "/echo/..;/reg",
    "https://localhost/reg",
    "https://localhost/./reg",
    "https://localhost//reg",
    "https://localhost/%72eg",
    "http://localhost/reg",
    "HTTPS://LOCALHOST/REG",
    "ftp://localhost/reg",
    "https://evil.example/reg",
    "https://localhost@evil.example/reg",
    "https://evil.example@localhost/reg",
    "https:///reg",
    "https:/reg",
    "reg",
    "*",
    "?/reg",
];

#[tokio::test(flavor = "multi_thread")]
async fn t4_a_route_for_everything_is_no_second_door() {
    let target = Target::with(|text| text + EVERYTHING).await;
    let body = serde_json::to_string(&target.request()).expect("JSON");
    for method in ["POST", "GET", "PUT", "DELETE", "reg", "post"] {
        for path in SPELLINGS {
            let length = body.len();
            let answer = target
                .throw(format!(
                    "{method} {path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n\
                     authorization: Bearer x\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}"
                ))
                .await;
            assert!(answer.starts_with("HTTP/1.1 4"), "{method} {path}: {answer}");
            assert_eq!(answer.matches("HTTP/1.1 ").count(), 1, "{method} {path}: {answer}");
        }
    }
    for path in SPELLINGS.iter().filter(|path| path.starts_with('/')) {
        let Ok(uri) = path.parse::<Uri>() else { continue };
        let request = Request::post(uri).header("content-type", "application/json");
        let request = request.body(Bytes::from(body.clone())).expect("a request");
        let answer = target.attacker.client.send(target.gate.address, Protocol::Http2, request).await;
        let answer = answer.expect("an answer");
        assert!(answer.status().is_client_error(), "HTTP/2 {path}: {}", answer.status());
    }
    assert_eq!(target.reached(), 0);
}

/// The refusals above are about `/reg` and not about the route: what only looks alike is passed on, as it was written.
#[tokio::test(flavor = "multi_thread")]
async fn t4_a_route_for_everything_passes_the_rest_unchanged() {
    let target = Target::with(|text| text + EVERYTHING).await;
    for path in [
        "/region",
        "/reg-x/y",
        "/x/reg",
        "/auth?next=/reg",
        "/auth?next=/../reg&x=%2e%2e%2freg",
        "/a%20b",
        "/a%3Fb",
        "/a+b",
        "/a=b,c",
        "/_reg",
        "/regis",
        "/.well-known/x",
    ] {
        let request = Request::get(path).body(Bytes::new()).expect("a request");
        target.send(request).await;
        let requests = target.gate.world.identity_server.requests();
        let sent = requests.last().unwrap_or_else(|| panic!("{path} did not arrive"));
        assert_eq!(sent.uri().to_string(), path);
    }
    // The gate itself stays the gate.
    let before = target.reached();
    let mut request = target.request();
    request.remove("software_statement");
    refused("the gate", &target.submit(&request).await, 400, "invalid_software_statement");
    assert_eq!(target.reached(), before);
}
