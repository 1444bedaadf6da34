//! The real identity server that other tests rely on: it starts, answers under the issuer it
//! was given, and ends with its test.

#![cfg(test)]

#[path = "support/programs.rs"]
mod programs;

use std::io::{self, Write as _};
use std::net::{SocketAddr, TcpStream};

use programs::{IdentityServer, or_skip};

#[test]
fn answers_under_its_issuer_and_ends_with_its_test() {
    let settings = r#"{"issuer": "https://bank.example", "initialAccessToken": true}"#;
    let server = or_skip!(IdentityServer::start(settings, None));
    let address = server.address();

    let discovery = exchange(address, "GET /.well-known/openid-configuration HTTP/1.1", "").unwrap();
    assert!(discovery.starts_with("HTTP/1.1 200 "), "{discovery}");
    assert!(discovery.contains(r#""issuer":"https://bank.example""#), "{discovery}");
    assert!(discovery.contains(r#""registration_endpoint":"https://mtls.bank.example/reg""#), "{discovery}");

    let metadata = r#"{"redirect_uris": ["https://tpp.example/cb"], "jwks_uri": "https://tpp.example/jwks"}"#;
    let refused = exchange(address, "POST /reg HTTP/1.1", metadata).unwrap();
    assert!(refused.starts_with("HTTP/1.1 401 "), "{refused}");
    let token = server.initial_access_token().expect("an initial access token was asked for");
    let registered =
        exchange(address, &format!("POST /reg HTTP/1.1\r\nAuthorization: Bearer {token}"), metadata).unwrap();
    assert!(registered.starts_with("HTTP/1.1 201 "), "{registered}");

    drop(server);
    assert!(TcpStream::connect(address).is_err(), "the server outlived its value");
}

fn exchange(address: SocketAddr, head: &str, body: &str) -> io::Result<String> {
    let mut stream = TcpStream::connect(address)?;
    write!(
        stream,
        "{head}\r\nHost: bank.internal\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: mtls.bank.example\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    )?;
    io::read_to_string(stream)
}
