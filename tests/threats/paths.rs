//! T4 and T5: ways around the one door, by path and by method.

use bytes::Bytes;
use dcrgate::sandbox::third_party::registration;
use http::header::HeaderName;
use http::{Method, Request};

use crate::target::{Target, refused};

/// CVE-2008-2938 among them: dots and letters in overlong UTF-8.
#[tokio::test(flavor = "multi_thread")]
async fn t4_no_spelling_of_a_path_reaches_the_registration_endpoint() {
    let target = Target::new().await;
    let body = serde_json::to_string(&target.request()).expect("JSON");
    let head = |path: &str| {
        format!(
            "POST {path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
            body.len()
        )
    };
    for path in [
        "/reg",
        "/reg/",
        "/REG",
        "/%72eg",
        "/reg%2f",
        "/reg?x",
        "/reg;x",
        "//reg",
        "/./reg",
        "/x/../reg",
        "/%2e/reg",
        "/x/%2e%2e/reg",
        "/.well-known/../reg",
        "/.well-known/%2e%2e/reg",
        "/.well-known/..%2freg",
        "/.well-known/..;/reg",
        "/.well-known/..\\reg",
        "/.well-known/%252e%252e/reg",
        "/.well-known//reg",
        "/echo/../reg",
        "/token/../reg",
        "/\\reg",
        "/reg%00",
        "/%2572eg",
        "/.well-known/.%2e/reg",
        "/register/../reg",
        "/register;/reg",
        "/register%2f..%2freg",
        "https://localhost/reg",
        "https://localhost/.well-known/../reg",
        "*",
        "reg",
        "/reg#/echo",
        "/.well-known/x#/../reg",
        "/.well-known/x/../../reg#",
        "https://localhost:443/reg",
        "https://localhost/.well-known/%2e%2e/reg",
        "/.well-known/..%255creg",
        "/.well-known/%c0%ae%c0%ae/reg",
        "/.well-known/%e0%80%ae%e0%80%ae/reg",
        "/.well-known/x/..%c0%af../reg",
        "/%c1%b2eg",
        "/.well-known/%u002e%u002e/reg",
        "/.well-known/\u{ff0e}\u{ff0e}/reg",
        "/register/..;/reg",
        "/register%3f/../reg",
    ] {
        let request = format!("{}{body}", head(path));
        let answer = target.attacker.client.exchange(target.gate.address, request.as_bytes()).await.expect("an answer");
        let answer = String::from_utf8_lossy(&answer).into_owned();
        assert!(answer.starts_with("HTTP/1.1 4") || path.starts_with("/.well-known/x#"), "{path}: {answer}");
    }
    // A fragment is never part of a target (RFC 9112 §3.2); without it this one is a path of its own.
    let requests = target.gate.world.identity_server.requests();
    let reached: Vec<String> = requests.iter().map(|request| request.uri().to_string()).collect();
    assert_eq!(reached, ["/.well-known/x"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn t4_spellings_of_the_door_itself_get_every_check_and_a_constant_path() {
    let target = Target::new().await;
    let unsigned = target.around("eyJhbGciOiJub25lIn0.e30.");
    let body = Bytes::from(serde_json::to_vec(&unsigned).expect("JSON"));
    let absolute = format!("https://localhost:{}/register", target.gate.address.port());
    for path in ["/register", "/register/", "/register?to=/reg", &absolute] {
        let mut request = registration(body.clone());
        *request.uri_mut() = path.parse().expect("a path");
        refused(path, &target.send(request).await, 400, "invalid_software_statement");
    }
    // What is below it is a registered client, and has no such method (RFC 7592 §2).
    for (path, status) in [("/REGISTER", 404), ("/%72egister", 404), ("/register%20", 404), ("/register/x", 405)] {
        let mut request = registration(body.clone());
        *request.uri_mut() = path.parse().expect("a path");
        refused(path, &target.send(request).await, status, "invalid_request");
    }
    assert_eq!(target.reached(), 0);
    let mut request = registration(serde_json::to_vec(&target.request()).expect("JSON"));
    *request.uri_mut() = "/register/?redirect=/admin".parse().expect("a path");
    assert_eq!(target.send(request).await.status(), 201);
    let requests = target.gate.world.identity_server.requests();
    assert_eq!(requests.last().expect("a request").uri().to_string(), "/reg");
}

#[tokio::test(flavor = "multi_thread")]
async fn t5_method_confusion() {
    let target = Target::new().await;
    let body = Bytes::from(serde_json::to_vec(&target.request()).expect("JSON"));
    for method in ["GET", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS", "TRACE", "post", "Post", "REGISTER"] {
        let mut request = registration(body.clone());
        *request.method_mut() = Method::from_bytes(method.as_bytes()).expect("a method");
        request.headers_mut().insert("x-http-method-override", "POST".parse().expect("a value"));
        let answer = target.send(request).await;
        assert_eq!(answer.status(), 405, "{method}");
        assert_eq!(answer.headers()["allow"], "POST", "{method}");
    }
    assert_eq!(target.reached(), 0);
    let mut request = registration(body);
    for name in ["x-http-method-override", "x-http-method", "x-method-override", "x_http_method_override"] {
        request.headers_mut().insert(name, "DELETE".parse().expect("a value"));
    }
    assert_eq!(target.send(request).await.status(), 201);
    let requests = target.gate.world.identity_server.requests();
    let sent = requests.last().expect("a request");
    assert_eq!(sent.method(), Method::POST);
    assert!(sent.headers().keys().all(|name| !name.as_str().contains("method")));
    // Where a method is the identity server's business, what would override it stays here all the same.
    for path in ["/echo", "/echo?_method=DELETE"] {
        let mut request = Request::get(path).body(Bytes::new()).expect("a request");
        for name in ["x-http-method-override", "X-HTTP-Method", "x-method-override", "x_method_override"] {
            request
                .headers_mut()
                .insert(HeaderName::from_bytes(name.as_bytes()).expect("a name"), "PUT".parse().expect("a value"));
        }
        assert_eq!(target.send(request).await.status(), 200);
        let requests = target.gate.world.identity_server.requests();
        let sent = requests.last().expect("a request");
        assert_eq!((sent.method(), sent.uri().to_string().as_str()), (&Method::GET, path));
        assert!(sent.headers().keys().all(|name| !name.as_str().contains("method")), "{:?}", sent.headers());
    }
    let mut hidden = target.request();
    hidden.insert("_method".to_owned(), "DELETE".into());
    let mut request = registration(serde_json::to_vec(&hidden).expect("JSON"));
    *request.uri_mut() = "/register?_method=DELETE".parse().expect("a path");
    assert_eq!(
        target.send(request).await.status(),
        400,
        "the software is registered already: it is a POST and no DELETE"
    );
    let upgrade = Request::get("/echo").header("connection", "upgrade").header("upgrade", "websocket");
    refused("an upgrade", &target.send(upgrade.body(Bytes::new()).expect("a request")).await, 501, "invalid_request");
}
