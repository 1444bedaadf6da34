//! The edge path: requests of routes that are public by configuration, streamed both ways.

use std::time::Duration;

use http::uri::PathAndQuery;
use http::{Request, Response, Uri};
use hyper::body::Incoming;

use super::body::Body;
use super::connect::Upstream;
use super::gated::{SendError, Sent};
use crate::model::route_path::ReservedPaths;

/// A route that is public by configuration, and what it must not reach all the same.
#[derive(Debug)]
pub struct PublicRoute {
    reserved: ReservedPaths,
}

/// A path at the identity server that a public route may reach. Made by [`PublicRoute::admit`] only.
#[derive(Debug)]
pub struct PublicTarget(PathAndQuery);

impl PublicRoute {
    /// `reserved` are all gated paths of the upstream, whichever route gates them.
    pub const fn new(reserved: ReservedPaths) -> Self {
        Self { reserved }
    }

    /// Whether a path without its query may be asked for.
    pub fn admits(&self, path: &str) -> bool {
        !self.reserved.reaches(path)
    }

    /// The target, unless it is a gated path. `target` passed `model::path::check`.
    pub fn admit(&self, target: PathAndQuery) -> Option<PublicTarget> {
        self.admits(target.path()).then_some(PublicTarget(target))
    }
}

impl PublicTarget {
    pub(super) fn into_inner(self) -> PathAndQuery {
        self.0
    }
}

impl Upstream {
    /// Sends a proxied request and gives the head of the answer; both bodies stream, and neither may pause for longer
    /// than `idle`.
    ///
    /// The limit for an answer is counted from the last byte of the request that the identity server took: an upload
    /// that moves takes the time that it takes.
    ///
    /// # Errors
    /// [`SendError`]; the connector alone retries, and only what was never written.
    pub async fn forward(
        &self,
        target: PublicTarget,
        request: http::request::Parts,
        body: Incoming,
        idle: Duration,
    ) -> Result<Response<Body>, SendError> {
        let mut body = Body::streamed(body, idle);
        let progress = body.progress();
        let mut outgoing = Request::new(body);
        *outgoing.method_mut() = request.method;
        *outgoing.headers_mut() = request.headers;
        *outgoing.uri_mut() = self.uri(target.0).ok_or(SendError::address())?;
        let answered = self.proxied.request(outgoing);
        let answer = match progress {
            None => tokio::time::timeout(self.answer_timeout, answered).await.ok(),
            Some(progress) => tokio::select! {
                answer = answered => Some(answer),
                () = progress.stalls(self.answer_timeout) => None,
            },
        };
        match answer {
            Some(Ok(response)) => Ok(response.map(|body| Body::streamed(body, idle))),
            Some(Err(error)) => Err(SendError::from_client(&error)),
            None => Err(SendError::TimedOut { sent: Sent::Perhaps }),
        }
    }

    pub(super) fn uri(&self, target: PathAndQuery) -> Option<Uri> {
        let mut parts = http::uri::Parts::default();
        parts.scheme = Some(self.scheme.clone());
        parts.authority = Some(self.authority.clone());
        parts.path_and_query = Some(target);
        Uri::from_parts(parts).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_public_route_cannot_reach_a_gated_path() {
        let mut reserved = ReservedPaths::default();
        reserved.add(crate::model::route_path::PathPattern::parse("/reg").unwrap());
        let route = PublicRoute::new(reserved);
        for path in ["/reg", "/Reg/x", "/%72eg?a=b"] {
            assert!(route.admit(path.parse().unwrap()).is_none(), "{path}");
        }
        assert!(route.admit("/token?x=/reg".parse().unwrap()).is_some());
    }
}
