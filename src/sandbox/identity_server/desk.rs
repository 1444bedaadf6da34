//! The identity server's work: one function per endpoint, and the clients in memory.
//!
//! RFC 7591 §3.2.1, RFC 7592 §2, RFC 8414, RFC 8705 §3, RFC 9440 §2.2.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, header};
use serde_json::{Map, Value, json};
use tokio::sync::watch;

use super::{Behaviour, Manners};
use crate::model::digest::Digest;
use crate::model::time::Clock;
use crate::sandbox::wire::{self, Answer};

#[derive(Debug)]
pub(super) struct Desk {
    clock: Arc<dyn Clock>,
    clients: Mutex<BTreeMap<String, Map<String, Value>>>,
    pub(super) requests: Mutex<Vec<Request<Bytes>>>,
    /// How many `requests` there are.
    pub(super) arrived: watch::Sender<usize>,
    pub(super) behaviour: watch::Sender<Behaviour>,
    pub(super) manners: Mutex<Manners>,
}

impl Answer for Desk {
    async fn answer(&self, request: Request<Bytes>) -> Option<Response<Bytes>> {
        lock(&self.requests).push(request.clone());
        self.arrived.send_modify(|arrived| *arrived += 1);
        let behaviour = *self.behaviour.subscribe().wait_for(|now| *now != Behaviour::Hold).await.ok()?;
        match behaviour {
            Behaviour::Work | Behaviour::Hold => Some(self.work(&request)),
            Behaviour::Fail => {
                Some(wire::plain(StatusCode::INTERNAL_SERVER_ERROR, "text/html", "<h1>Internal Server Error</h1>"))
            }
            Behaviour::Refuse => Some(refusal(
                StatusCode::BAD_REQUEST,
                "invalid_client_metadata",
                "jwks or jwks_uri is mandatory for this client",
            )),
            Behaviour::Cut => None,
            Behaviour::AnswerWithHugeHeader => {
                let mut answer = self.work(&request);
                let huge = HeaderValue::try_from("x".repeat(128 * 1024)).ok()?;
                answer.headers_mut().insert("x-huge", huge);
                Some(answer)
            }
        }
    }
}

impl Desk {
    pub(super) fn new(clock: Arc<dyn Clock>) -> Self {
        Self {
            clock,
            clients: Mutex::default(),
            requests: Mutex::default(),
            arrived: watch::Sender::default(),
            behaviour: watch::Sender::default(),
            manners: Mutex::default(),
        }
    }

    fn work(&self, request: &Request<Bytes>) -> Response<Bytes> {
        let path = request.uri().path();
        let client = path.strip_prefix(REGISTRATION).and_then(|rest| rest.strip_prefix('/'));
        match (request.method(), client) {
            (&Method::POST, None) if path == REGISTRATION => self.register(request),
            (method, Some(client)) => self.manage(method, client, request),
            (&Method::GET, None) if path == DISCOVERY => discovery(&base(request.headers())),
            (&Method::POST, None) if path == "/token" => token(request.headers()),
            (_, None) if path == "/echo" => echo(request),
            _ => wire::plain(StatusCode::NOT_FOUND, "text/plain", "Not Found"),
        }
    }

    fn register(&self, request: &Request<Bytes>) -> Response<Bytes> {
        let headers = request.headers();
        // A certificate is for the proxy's policy to ask for.
        if !headers.contains_key(DECISION) {
            return refusal(StatusCode::BAD_REQUEST, "invalid_request", "did not come through the proxy");
        }
        let mut client = match metadata(request) {
            Ok(client) => client,
            Err(why) => return refusal(StatusCode::BAD_REQUEST, "invalid_request", why),
        };
        let (Some(client_id), Some(access_token)) = (secret(), secret()) else {
            return refusal(StatusCode::INTERNAL_SERVER_ERROR, "server_error", "no random bytes");
        };
        let uri = format!("{}{REGISTRATION}/{client_id}", base(headers));
        client.insert("client_id".to_owned(), client_id.as_str().into());
        client.insert("client_id_issued_at".to_owned(), self.clock.now().unix_seconds().into());
        let manners = *lock(&self.manners);
        client.retain(|name, _| !manners.forgets.contains(&name.as_str()));
        client.insert(ACCESS_TOKEN.to_owned(), access_token.into());
        if let Some(seconds) = manners.expires_in {
            client.insert("registration_access_token_expires_in".to_owned(), seconds.into());
        }
        client.insert("registration_client_uri".to_owned(), uri.into());
        lock(&self.clients).insert(client_id, client.clone());
        let mut answer = wire::json(StatusCode::CREATED, &Value::Object(client));
        answer.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        // What a proxy should keep to itself.
        answer.headers_mut().insert(header::SET_COOKIE, HeaderValue::from_static("sandbox=1"));
        answer
    }

    /// RFC 7592 §2. A deleted or unknown client is 401. As some servers do, it destroys a token that is used on
    /// another client.
    fn manage(&self, method: &Method, client_id: &str, request: &Request<Bytes>) -> Response<Bytes> {
        let mut clients = lock(&self.clients);
        let presented = request.headers().get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        let presented = presented.and_then(|value| value.strip_prefix("Bearer "));
        let unknown = refusal(StatusCode::UNAUTHORIZED, "invalid_token", "invalid token provided");
        let Some(presented) = presented else { return unknown };
        let is_its = |client: &Map<String, Value>| client.get(ACCESS_TOKEN).and_then(Value::as_str) == Some(presented);
        let Some(client) = clients.get_mut(client_id).filter(|client| is_its(client)) else {
            for other in clients.values_mut().filter(|client| is_its(client)) {
                other.remove(ACCESS_TOKEN);
            }
            return unknown;
        };
        match *method {
            Method::GET => wire::json(StatusCode::OK, &Value::Object(client.clone())),
            Method::PUT => match metadata(request) {
                Ok(changed) => self.update(client, changed),
                Err(why) => refusal(StatusCode::BAD_REQUEST, "invalid_request", why),
            },
            Method::DELETE => {
                clients.remove(client_id);
                wire::plain(StatusCode::NO_CONTENT, "application/json", "")
            }
            _ => wire::plain(StatusCode::NOT_FOUND, "text/plain", "Not Found"),
        }
    }

    /// RFC 7592 §2.2: the members take the place of all before.
    fn update(&self, client: &mut Map<String, Value>, mut changed: Map<String, Value>) -> Response<Bytes> {
        let issued =
            ["registration_access_token", "registration_client_uri", "client_secret_expires_at", "client_id_issued_at"];
        if let Some(member) = issued.iter().find(|member| changed.contains_key(**member)) {
            let why = format!("request MUST NOT include the {member} field");
            return refusal(StatusCode::BAD_REQUEST, "invalid_request", &why);
        }
        if changed.get("client_id") != client.get("client_id") {
            let why = "provided client_id does not match the authenticated client's one";
            return refusal(StatusCode::BAD_REQUEST, "invalid_request", why);
        }
        let manners = *lock(&self.manners);
        changed.retain(|name, _| !manners.forgets.contains(&name.as_str()));
        for kept in ["client_id_issued_at", ACCESS_TOKEN, "registration_client_uri"] {
            if let Some(value) = client.remove(kept) {
                changed.insert(kept.to_owned(), value);
            }
        }
        if manners.rotates
            && let Some(token) = secret()
        {
            changed.insert(ACCESS_TOKEN.to_owned(), token.into());
        }
        *client = changed;
        wire::json(StatusCode::OK, &Value::Object(client.clone()))
    }
}

fn metadata(request: &Request<Bytes>) -> Result<Map<String, Value>, &'static str> {
    let media_type = request.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    if !media_type.is_some_and(|media_type| media_type.starts_with("application/json")) {
        return Err("only application/json content-type bodies are supported");
    }
    serde_json::from_slice(request.body()).map_err(|_| "failed to parse the request body")
}

fn discovery(base: &str) -> Response<Bytes> {
    let endpoint = |path: &str| format!("{base}{path}");
    let document = json!({
        "issuer": base,
        "authorization_endpoint": endpoint("/auth"),
        "token_endpoint": endpoint("/token"),
        "registration_endpoint": endpoint(REGISTRATION),
        "jwks_uri": endpoint("/jwks"),
        "response_types_supported": ["code id_token"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["PS256"],
        "token_endpoint_auth_methods_supported": ["private_key_jwt", "tls_client_auth"],
        "tls_client_certificate_bound_access_tokens": true,
    });
    wire::json(StatusCode::OK, &document)
}

/// Client credentials bound to the certificate (RFC 8705 §3).
fn token(headers: &HeaderMap) -> Response<Bytes> {
    let Some(certificate) = forwarded_certificate(headers) else {
        return refusal(StatusCode::UNAUTHORIZED, "invalid_client", "client authentication failed");
    };
    let thumbprint = Digest::of(&certificate).base64url();
    let access_token = secret().unwrap_or_default();
    let answer = json!({
        "access_token": access_token, "token_type": "Bearer", "expires_in": 600, "cnf": { "x5t#S256": thumbprint },
    });
    wire::json(StatusCode::OK, &answer)
}

/// The request as it arrived: each header with all its values.
fn echo(request: &Request<Bytes>) -> Response<Bytes> {
    let headers = request.headers();
    let values = |name| headers.get_all(name).iter().map(|value| String::from_utf8_lossy(value.as_bytes())).collect();
    let named: BTreeMap<_, Vec<_>> = headers.keys().map(|name| (name.as_str(), values(name))).collect();
    let told = json!({
        "method": request.method().as_str(),
        "target": request.uri().to_string(),
        "headers": named,
        "bytes": request.body().len(),
    });
    wire::json(StatusCode::OK, &told)
}

/// DER of the one `Client-Cert` of RFC 9440 §2.2; nothing when there is none, several, or it is malformed.
pub fn forwarded_certificate(headers: &HeaderMap) -> Option<Vec<u8>> {
    let mut values = headers.get_all(CERTIFICATE).iter();
    let (Some(value), None) = (values.next(), values.next()) else { return None };
    STANDARD.decode(value.to_str().ok()?.strip_prefix(':')?.strip_suffix(':')?).ok()
}

/// What the outside calls this server, as the proxy says.
fn base(headers: &HeaderMap) -> String {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let host = text("x-forwarded-host").or_else(|| text("host")).unwrap_or("localhost");
    format!("{}://{host}", text("x-forwarded-proto").unwrap_or("http"))
}

fn refusal(status: StatusCode, error: &str, description: &str) -> Response<Bytes> {
    wire::json(status, &json!({ "error": error, "error_description": description }))
}

/// 128 random bits in letters that a URL takes.
fn secret() -> Option<String> {
    let mut bytes = [0; 16];
    aws_lc_rs::rand::fill(&mut bytes).ok()?;
    Some(URL_SAFE_NO_PAD.encode(bytes))
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// RFC 7592 §3.
const ACCESS_TOKEN: &str = "registration_access_token";
/// Where clients are registered.
pub(super) const REGISTRATION: &str = "/reg";
/// Where the server describes itself.
const DISCOVERY: &str = "/.well-known/openid-configuration";
/// RFC 9440 §2.2.
const CERTIFICATE: &str = "client-cert";
/// Which decision of the proxy let a registration through.
const DECISION: &str = "dcr-decision-id";
