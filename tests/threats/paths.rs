//! T4 and T5: ways around the one door, by path and by method.

use bytes::Bytes;
use dcrgate::sandbox::third_party::registration;
use http::{Method, Request};

use crate::target::{Target, refused};

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
    ] {
        let request = format!("{}{body}", head(path));
        let answer = target.attacker.client.exchange(target.gate.address, request.as_bytes()).await.expect("an answer");
        let answer = String::from_utf8_lossy(&answer).into_owned();
        assert!(answer.starts_with("HTTP/1.1 4"), "{path}: {answer}");
    }
    assert_eq!(target.reached(), 0);
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
    for path in ["/REGISTER", "/register/x", "/%72egister", "/register%20"] {
        let mut request = registration(body.clone());
        *request.uri_mut() = path.parse().expect("a path");
        refused(path, &target.send(request).await, 404, "invalid_request");
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
    let upgrade = Request::get("/echo").header("connection", "upgrade").header("upgrade", "websocket");
    refused("an upgrade", &target.send(upgrade.body(Bytes::new()).expect("a request")).await, 501, "invalid_request");
}
