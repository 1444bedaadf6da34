//! From a request to its route: what can be read in two ways is refused here.

use std::net::SocketAddr;
use std::sync::Arc;

use http::header::{HOST, UPGRADE};
use http::{HeaderMap, Method, Request, Response, StatusCode};
use hyper::body::Incoming;

use super::Shared;
use crate::headers::cors::Asked;
use crate::model::path;
use crate::pipeline::answer::{Correlation, INTERACTION_ID, Refusal};
use crate::pipeline::connection::Connection;
use crate::pipeline::routes::{Host, Route, RouteKind};
use crate::pipeline::snapshot::Snapshot;
use crate::pipeline::{discovery, management, proxy, registration};
use crate::tls::RefusedInHandshake;
use crate::upstream::Body;

/// Answers one request. Never fails: every outcome is a response.
pub(super) async fn dispatch(
    shared: &Shared,
    connection: &Arc<Connection>,
    request: Request<Incoming>,
) -> Response<Body> {
    let snapshot = shared.snapshot.load_full();
    let refuse = |refusal: Refusal<'_>| refusal.answer(correlation(request.headers()));
    if request.method() == Method::CONNECT || request.headers().contains_key(UPGRADE) {
        return refuse(Refusal::NotImplemented);
    }
    let Some(host) = host_of(&request) else {
        return closing(refuse(Refusal::Ambiguous));
    };
    let Some(known) = snapshot.routes.host(&host).cloned() else { return refuse(Refusal::NotFound) };
    // A host that says nothing wants what its listener does, whatever host the handshake was made for.
    let of_listener = || shared.plans.load().get(&*connection.listener).map(|plan| plan.tls.client_auth);
    if known.client_auth.or_else(of_listener).is_some_and(|wanted| wanted != connection.client_auth) {
        return refuse(Refusal::Misdirected);
    }
    let path = request.uri().path();
    let asked = Asked::of(request.method(), request.headers());
    // A preflight is about the route that the request after it will take.
    let method = asked.preflight_for().unwrap_or(request.method());
    let found = snapshot.routes.find(&connection.listener, &host, path, method).cloned();
    if !found.as_ref().map_or_else(|| path::check(path).is_ok(), |route| route.is_plain(path)) {
        return refuse(Refusal::Path);
    }
    let Some(route) = found else { return refuse(Refusal::NotFound) };
    let Some(cors) = &route.cors else { return serve(&snapshot, &route, &known, connection, request).await };
    if asked.preflight_for().is_some() {
        let mut response = Response::new(Body::Empty);
        *response.status_mut() = StatusCode::NO_CONTENT;
        *response.headers_mut() = cors.preflight(&asked, route.kind.methods());
        return response;
    }
    let mut response = serve(&snapshot, &route, &known, connection, request).await;
    cors.write(&asked, response.headers_mut());
    response
}

async fn serve(
    snapshot: &Arc<Snapshot>,
    route: &Arc<Route>,
    host: &Arc<Host>,
    connection: &Arc<Connection>,
    request: Request<Incoming>,
) -> Response<Body> {
    match &route.kind {
        RouteKind::Proxy(target) => {
            let headers_for_correlation = request.headers().get(INTERACTION_ID).cloned();
            proxy::pass(snapshot, target, host, connection, request, || Correlation {
                decision: None,
                interaction: interaction(headers_for_correlation.as_ref()),
            })
            .await
        }
        RouteKind::Registration(_) => {
            registration::register(snapshot, route, host, connection, request, correlation).await
        }
        RouteKind::Discovery(target) => {
            discovery::tell(snapshot, target, host, connection, &request, correlation(request.headers())).await
        }
        RouteKind::Management(_) => management::manage(snapshot, route, host, connection, request, correlation).await,
        RouteKind::Deny => Refusal::NotFound.answer(correlation(request.headers())),
    }
}

/// Records a handshake that was cut because no authority trusts the certificate.
pub(super) async fn record_cut(shared: &Shared, remote: SocketAddr, listener: &Arc<str>, refused: &RefusedInHandshake) {
    let snapshot = shared.snapshot.load_full();
    registration::record_cut(&snapshot, remote, listener, refused).await;
}

fn correlation(headers: &HeaderMap) -> Correlation {
    Correlation { decision: None, interaction: interaction(headers.get(INTERACTION_ID)) }
}

/// The client's interaction id if it is a UUID in the usual form, else a new one. Never arbitrary text.
fn interaction(sent: Option<&http::HeaderValue>) -> uuid::Uuid {
    sent.and_then(|value| value.to_str().ok())
        .filter(|text| text.len() == 36)
        .and_then(|text| uuid::Uuid::try_parse(text).ok())
        .unwrap_or_else(registration::new_interaction)
}

/// The host that a request is for, in lower case without a port. `:authority`,
/// `Host` and the absolute form have to agree (RFC 9110 §7.2, RFC 9112 §3.2.2).
fn host_of(request: &Request<Incoming>) -> Option<String> {
    let mut named = request.headers().get_all(HOST).iter();
    let header = named.next();
    if named.next().is_some() {
        return None;
    }
    let header = header.map(|value| value.to_str().unwrap_or("\0"));
    let authority = request.uri().authority().map(http::uri::Authority::as_str);
    let text = match (authority, header) {
        (Some(authority), Some(header)) if !authority.eq_ignore_ascii_case(header) => return None,
        (Some(authority), _) => authority,
        (None, Some(header)) => header,
        (None, None) => return None,
    };
    let authority: http::uri::Authority = text.parse().ok()?;
    let plain = !authority.as_str().contains('@') && !authority.host().is_empty();
    plain.then(|| authority.host().trim_end_matches('.').to_ascii_lowercase())
}

/// After a message that can be read in two ways nothing more is read from the connection. (Of framing hyper
/// itself leaves no doubt: it refuses what is malformed, and closes after a message with both length and chunks.)
fn closing(mut response: Response<Body>) -> Response<Body> {
    response.headers_mut().insert(http::header::CONNECTION, http::HeaderValue::from_static("close"));
    response
}
