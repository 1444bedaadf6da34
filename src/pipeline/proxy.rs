//! Routes of kind `proxy`: strip, add the verified headers, stream both ways.
//!
//! The edge path. It does not spawn, buffer, make ids, open spans, or touch
//! store and ledger.

use http::header::HOST;
use http::{Request, Response};
use hyper::body::Incoming;

use super::answer::{Correlation, Refusal};
use super::connection::Connection;
use super::routes::{Host, ProxyRoute};
use super::snapshot::Snapshot;
use crate::headers::{cookie, hop, strip_inbound};
use crate::tls::ClientAuth;
use crate::upstream::Body;

/// Passes a request through.
pub async fn pass(
    snapshot: &Snapshot,
    route: &ProxyRoute,
    host: &Host,
    connection: &Connection,
    request: Request<Incoming>,
    correlation: impl Fn() -> Correlation,
) -> Response<Body> {
    let (mut parts, body) = request.into_parts();
    let Some(target) = parts.uri.path_and_query().cloned().and_then(|target| route.public.admit(target)) else {
        return Refusal::NotFound.answer(correlation());
    };
    let now = snapshot.clock.now();
    // The handshake judged once; a reload, time or a resumed session may have made it untrue.
    if connection.client_auth == ClientAuth::Require && !connection.is_trusted(snapshot, now) {
        return Refusal::Distrusted.answer(correlation());
    }
    strip_inbound(&mut parts.headers);
    parts.headers.remove(HOST);
    cookie::join(&mut parts.headers);
    match connection.verified_headers(snapshot, now, route.upstream.dialect) {
        Ok(Some(verified)) => verified.write(&mut parts.headers),
        Ok(None) => {}
        Err(_) => return Refusal::CertificateTooLarge.answer(correlation()),
    }
    host.public_base.write(connection.remote, &mut parts.headers);
    match route.upstream.forward(target, parts, body, snapshot.body_idle).await {
        Ok(mut response) => {
            hop::strip(response.headers_mut());
            response
        }
        Err(error) => {
            tracing::warn!(upstream = &*route.upstream.name, %error, "proxied request failed");
            Refusal::Upstream(&error).answer(correlation())
        }
    }
}
