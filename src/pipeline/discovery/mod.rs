//! Routes of kind `discovery` (OpenID Connect Discovery §4, RFC 8414 §3): the identity server's metadata, as clients
//! are to see it.
//!
//! The document is asked for on our own behalf, kept for a short while, and
//! rewritten: addresses are ours, registration is the gated one, methods and
//! algorithms are those that policies admit. What is inside is not told.

use std::sync::Arc;
use std::time::Duration;

use http::header::{CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE, ETAG, IF_NONE_MATCH};
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode};
use hyper::body::Incoming;

use super::answer::{Correlation, Refusal};
use super::connection::Connection;
use super::routes::{Host, Routes};
use super::snapshot::Snapshot;
use crate::upstream::{Body, PublicRoute, Upstream};

mod addresses;
mod documents;
mod rewrite;

pub use documents::{Documents, Unobtainable};

use addresses::Outside;

/// A route of kind `discovery`.
#[derive(Debug)]
pub struct DiscoveryRoute {
    /// Who has the document.
    pub upstream: Arc<Upstream>,
    /// Where.
    pub to: PathAndQuery,
    /// What it must not reach.
    pub public: PublicRoute,
    /// How long a document is kept, here and by caches.
    pub max_age: Duration,
    /// How long the last good document serves while the identity server gives none.
    pub max_stale: Duration,
    /// The host whose addresses stand in `mtls_endpoint_aliases`.
    pub mtls_host: Option<Box<str>>,
    /// The path of the registration route that is named where the identity server names none.
    pub registration: Option<Box<str>>,
    /// What is known.
    pub documents: Documents,
}

/// Answers a request for metadata.
pub async fn tell(
    snapshot: &Snapshot,
    route: &DiscoveryRoute,
    host: &Host,
    connection: &Connection,
    request: &Request<Incoming>,
    correlation: Correlation,
) -> Response<Body> {
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        return Refusal::Method { allow: "GET, HEAD" }.answer(correlation);
    }
    let outside = Outside { routes: &snapshot.routes, listener: &connection.listener, host };
    let page = match route.documents.page(route, &outside, &snapshot.clock).await {
        Ok(page) => page,
        Err(fault) => return Refusal::Metadata(fault).answer(correlation),
    };
    let mut response = Response::new(Body::Empty);
    let headers = response.headers_mut();
    headers.insert(ETAG, page.etag.clone());
    if let Ok(value) = HeaderValue::try_from(format!("public, max-age={}", page.fresh_for.as_secs())) {
        headers.insert(CACHE_CONTROL, value);
    }
    if is_known(request.headers(), &page.etag) {
        *response.status_mut() = StatusCode::NOT_MODIFIED;
        return response;
    }
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(CONTENT_LENGTH, HeaderValue::from(page.bytes.len()));
    if *request.method() == Method::GET {
        *response.body_mut() = Body::from(page.bytes);
    }
    response
}

/// Whether the client has this version (RFC 9110 §13.1.2: the comparison is weak).
fn is_known(headers: &HeaderMap, etag: &HeaderValue) -> bool {
    let tags = headers.get_all(IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    tags.flat_map(|value| value.split(',')).map(str::trim).any(|tag| {
        let strong = tag.strip_prefix("W/").unwrap_or(tag);
        tag == "*" || strong.as_bytes() == etag.as_bytes()
    })
}

impl Routes {
    fn discoveries(&self) -> impl Iterator<Item = &DiscoveryRoute> {
        self.all().filter_map(|route| route.discovery())
    }

    /// Takes over what an older configuration knew of the same documents: a reload while the identity server is down
    /// loses nothing.
    pub fn adopt_documents(&self, older: &Self) {
        for route in self.discoveries() {
            let same = |other: &&DiscoveryRoute| other.to == route.to && other.upstream.is_same_server(&route.upstream);
            older.discoveries().filter(same).for_each(|other| route.documents.adopt(&other.documents));
        }
    }
}
