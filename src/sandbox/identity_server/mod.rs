//! A small identity server behind the proxy: registration (RFC 7591), management
//! (RFC 7592), discovery (RFC 8414), a token endpoint and an echo.
//!
//! It answers as `oidc-provider` does, believes the proxy's headers, and
//! remembers every request as it came, so that a test can say what the proxy
//! sent. It judges nothing: whatever reaches `/reg` through the proxy is taken.

mod desk;

use std::net::SocketAddr;
use std::sync::{Arc, PoisonError};

use bytes::Bytes;
use http::{Method, Request};
use serde_json::Value;

pub use self::desk::forwarded_certificate;

use self::desk::Desk;
use super::SandboxError;
use super::participant::Software;
use super::wire::Serving;
use crate::model::time::Clock;

/// A running identity server.
#[derive(Debug)]
pub struct IdentityServer {
    desk: Arc<Desk>,
    serving: Serving,
}

impl IdentityServer {
    /// Starts it on a free port of 127.0.0.1, without TLS.
    ///
    /// # Errors
    /// [`SandboxError::Socket`].
    pub async fn start(clock: Arc<dyn Clock>) -> Result<Self, SandboxError> {
        let desk = Arc::new(Desk::new(clock));
        let serving = Serving::start(None, Arc::clone(&desk)).await?;
        Ok(Self { desk, serving })
    }

    /// Where it listens.
    pub const fn address(&self) -> SocketAddr {
        self.serving.address()
    }

    /// Every request so far, in the order of arrival.
    pub fn requests(&self) -> Vec<Request<Bytes>> {
        self.desk.requests.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Waits until so many requests have arrived since the start, answered or not.
    pub async fn arrived(&self, requests: usize) {
        let mut arrived = self.desk.arrived.subscribe();
        // Never an error: the sender lives as long as this value.
        let _reached = arrived.wait_for(|arrived| *arrived >= requests).await;
    }

    /// The registrations (`POST /reg`) among them that name a redirect URI of this software.
    pub fn registrations_of(&self, software: &Software) -> Vec<Request<Bytes>> {
        let redirect_uris = software.redirect_uris();
        let names_it = |request: &Request<Bytes>| {
            let body: Value = serde_json::from_slice(request.body()).unwrap_or_default();
            let mut named = body.get("redirect_uris").and_then(Value::as_array).into_iter().flatten();
            named.any(|uri| redirect_uris.iter().any(|known| uri == known))
        };
        let is_registration =
            |request: &Request<Bytes>| request.method() == Method::POST && request.uri().path() == desk::REGISTRATION;
        self.requests().into_iter().filter(is_registration).filter(names_it).collect()
    }

    /// Changes how it manages clients from now on.
    pub fn manners(&self, manners: Manners) {
        *self.desk.manners.lock().unwrap_or_else(PoisonError::into_inner) = manners;
    }

    /// Changes what it does with requests from now on, also with those that it holds.
    pub fn behave(&self, behaviour: Behaviour) {
        self.desk.behaviour.send_replace(behaviour);
    }
}

/// How the identity server manages clients; servers differ.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Manners {
    /// Gives a new registration access token with every update (RFC 7592 §3).
    pub rotates: bool,
    /// Members that it neither keeps nor tells.
    pub forgets: &'static [&'static str],
    /// Registration access tokens are said to expire after so many seconds.
    pub expires_in: Option<u64>,
}

/// What the identity server does with requests. All are recorded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Behaviour {
    /// Does its work.
    #[default]
    Work,
    /// Answers 500 with an HTML page.
    Fail,
    /// Answers 400 with an error of RFC 7591 §3.2.2.
    Refuse,
    /// Keeps requests waiting until it is told otherwise.
    Hold,
    /// Closes the connection without an answer.
    Cut,
    /// Does its work and adds a header of 128 KB.
    AnswerWithHugeHeader,
}

#[cfg(test)]
mod tests {
    use http::StatusCode;
    use serde_json::json;

    use super::*;
    use crate::model::digest::Digest;
    use crate::model::time::{FixedClock, Timestamp};
    use crate::sandbox::{Organisation, wire};

    const NOW: Timestamp = Timestamp::from_unix_seconds(1_795_435_200);

    async fn server() -> IdentityServer {
        IdentityServer::start(Arc::new(FixedClock(NOW))).await.unwrap()
    }

    /// As the proxy sends it.
    fn forwarded(method: &str, path: &str, body: &str) -> Request<Bytes> {
        Request::builder()
            .method(method)
            .uri(path)
            .header("content-type", "application/json")
            .header("x-forwarded-proto", "https")
            .header("x-forwarded-host", "bank.example")
            .header("client-cert", ":AQID:")
            .header("dcr-decision-id", "01JDCX3M9V7Q0T8E4K2N5R6S1A")
            .body(Bytes::from(body.to_owned()))
            .unwrap()
    }

    async fn ask(server: &IdentityServer, request: Request<Bytes>) -> (StatusCode, Value) {
        let answer = wire::exchange(server.address(), request).await.unwrap();
        (answer.status(), serde_json::from_slice(answer.body()).unwrap_or_default())
    }

    fn software() -> Software {
        Software::named("budget", &Organisation::named("Exemplo Servicos Ltda."))
    }

    #[tokio::test]
    async fn registers_what_came_through_the_proxy() {
        let server = server().await;
        let body = json!({ "redirect_uris": software().redirect_uris() });
        let (status, client) = ask(&server, forwarded("POST", "/reg", &body.to_string())).await;
        assert_eq!((status, &client["redirect_uris"]), (StatusCode::CREATED, &body["redirect_uris"]));
        assert_eq!(client["client_id_issued_at"], 1_795_435_200);
        let id = client["client_id"].as_str().unwrap();
        assert_eq!(client["registration_client_uri"], format!("https://bank.example/reg/{id}"));
        let [seen] = &server.registrations_of(&software())[..] else { panic!() };
        assert_eq!(forwarded_certificate(seen.headers()), Some(vec![1, 2, 3]));
    }

    #[tokio::test]
    async fn refuses_what_did_not_come_through_the_proxy_or_is_not_json() {
        let server = server().await;
        for missing in ["dcr-decision-id", "content-type"] {
            let mut request = forwarded("POST", "/reg", "{}");
            request.headers_mut().remove(missing);
            assert_eq!(ask(&server, request).await.0, StatusCode::BAD_REQUEST, "{missing}");
        }
        let (status, told) = ask(&server, forwarded("POST", "/reg", "[]")).await;
        assert_eq!((status, &told["error"]), (StatusCode::BAD_REQUEST, &json!("invalid_request")));
    }

    #[tokio::test]
    async fn manages_with_the_registration_access_token() {
        let server = server().await;
        let (_, client) = ask(&server, forwarded("POST", "/reg", r#"{"client_name":"old"}"#)).await;
        let path = format!("/reg/{}", client["client_id"].as_str().unwrap());
        let bearer = format!("Bearer {}", client["registration_access_token"].as_str().unwrap());
        let with_token = |method: &str, body: &str| {
            let mut request = forwarded(method, &path, body);
            request.headers_mut().insert("authorization", bearer.parse().unwrap());
            request
        };
        assert_eq!(ask(&server, forwarded("GET", &path, "")).await.0, StatusCode::UNAUTHORIZED);
        assert_eq!(ask(&server, with_token("GET", "")).await, (StatusCode::OK, client.clone()));
        let update = json!({"client_name": "new", "client_id": client["client_id"]}).to_string();
        let (status, changed) = ask(&server, with_token("PUT", &update)).await;
        assert_eq!((status, &changed["client_name"]), (StatusCode::OK, &json!("new")));
        assert_eq!(changed["registration_access_token"], client["registration_access_token"]);
        for refused in [r#"{"client_name":"x"}"#, r#"{"registration_access_token":"x"}"#] {
            assert_eq!(ask(&server, with_token("PUT", refused)).await.0, StatusCode::BAD_REQUEST);
        }
        server.manners(Manners { rotates: true, ..Manners::default() });
        let (_, rotated) = ask(&server, with_token("PUT", &update)).await;
        assert_ne!(rotated["registration_access_token"], client["registration_access_token"]);
        assert_eq!(ask(&server, with_token("GET", "")).await.0, StatusCode::UNAUTHORIZED);
        let bearer = format!("Bearer {}", rotated["registration_access_token"].as_str().unwrap());
        let with_token = |method: &str, path: &str| {
            let mut request = forwarded(method, path, "");
            request.headers_mut().insert("authorization", bearer.parse().unwrap());
            request
        };
        assert_eq!(ask(&server, with_token("DELETE", &path)).await.0, StatusCode::NO_CONTENT);
        assert_eq!(ask(&server, with_token("GET", &path)).await.0, StatusCode::UNAUTHORIZED);
    }

    #[tokio::test]
    async fn a_token_on_another_client_is_lost_to_its_owner() {
        let server = server().await;
        let (_, own) = ask(&server, forwarded("POST", "/reg", "{}")).await;
        let bearer = format!("Bearer {}", own["registration_access_token"].as_str().unwrap());
        let own = format!("/reg/{}", own["client_id"].as_str().unwrap());
        for (path, status) in [(own.as_str(), 200), ("/reg/another", 401), (own.as_str(), 401)] {
            let mut request = forwarded("GET", path, "");
            request.headers_mut().insert("authorization", bearer.parse().unwrap());
            assert_eq!(ask(&server, request).await.0, status);
        }
    }

    #[tokio::test]
    async fn discovery_echo_and_token_believe_the_headers() {
        let server = server().await;
        let (_, document) = ask(&server, forwarded("GET", "/.well-known/openid-configuration", "")).await;
        assert_eq!(document["registration_endpoint"], "https://bank.example/reg");
        let (_, told) = ask(&server, forwarded("POST", "/echo?a=b", "123")).await;
        assert_eq!((&told["target"], &told["bytes"]), (&json!("/echo?a=b"), &json!(3)));
        assert_eq!(told["headers"]["client-cert"], json!([":AQID:"]));
        let (_, token) = ask(&server, forwarded("POST", "/token", "")).await;
        assert_eq!(token["cnf"]["x5t#S256"], Digest::of(&[1, 2, 3]).base64url());
        let mut twice = forwarded("POST", "/token", "");
        twice.headers_mut().append("client-cert", ":BBBB:".parse().unwrap());
        assert_eq!(ask(&server, twice).await.0, StatusCode::UNAUTHORIZED);
    }

    #[tokio::test]
    async fn misbehaves_when_told() {
        let server = server().await;
        let post = || forwarded("POST", "/reg", "{}");
        server.behave(Behaviour::Fail);
        assert_eq!(ask(&server, post()).await, (StatusCode::INTERNAL_SERVER_ERROR, Value::Null));
        server.behave(Behaviour::Refuse);
        assert_eq!(ask(&server, post()).await.1["error"], "invalid_client_metadata");
        server.behave(Behaviour::Cut);
        assert!(wire::exchange(server.address(), post()).await.is_none());
        server.behave(Behaviour::AnswerWithHugeHeader);
        assert!(
            wire::exchange(server.address(), post())
                .await
                .is_none_or(|answer| answer.headers()["x-huge"].len() > 100_000)
        );
        server.behave(Behaviour::Hold);
        let held = tokio::spawn(wire::exchange(server.address(), post()));
        while server.requests().len() < 5 {
            tokio::task::yield_now().await;
        }
        server.behave(Behaviour::Work);
        assert_eq!(held.await.unwrap().unwrap().status(), StatusCode::CREATED);
    }
}
