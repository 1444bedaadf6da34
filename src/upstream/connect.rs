//! One identity server: its address, its connections and their limits.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use http::uri::{Authority, Scheme};
use hyper_util::client::legacy::Client;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use url::Url;

use super::body::Body;
use super::connector::Connector;
use super::profile::Profile;
use super::turns::Turns;
use crate::headers::verified::Dialect;

/// A gated request uses a connection idle for less than this: shorter than any
/// server's keep-alive, so that it does not meet a connection that the other
/// side is closing and end as "result unknown".
const GATED_IDLE: Duration = Duration::from_secs(2);

/// Header sections of answers larger than this are an error (hyper's default is about 400 KB).
const MAX_ANSWER_HEADERS: usize = 64 * 1024;

/// What is configured of an identity server.
#[derive(Debug)]
pub struct UpstreamSettings {
    /// The `[upstreams.NAME]`.
    pub name: String,
    /// `http` or `https`, host and port; no path.
    pub url: Url,
    /// What kind of server it is.
    pub profile: &'static Profile,
    /// Which certificate headers it wants.
    pub dialect: Dialect,
    /// Whether its answers are made those of RFC 7591.
    pub normalise: bool,
    /// How many gated requests it takes at once; `None`: as many as come.
    pub max_concurrent: Option<usize>,
    /// TLS towards it.
    pub tls: rustls::ClientConfig,
    /// Limit for a connection, TLS included.
    pub connect_timeout: Duration,
    /// Limit from the last byte of a request until the whole answer of a gated one, or the head of a proxied one.
    pub answer_timeout: Duration,
    /// How long an idle connection is kept for proxied requests.
    pub idle_timeout: Duration,
    /// How many idle connections are kept for proxied requests.
    pub max_idle: usize,
}

/// The URL cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("an upstream URL is `http` or `https`, a host and perhaps a port")]
pub struct ConnectError;

/// One identity server.
pub struct Upstream {
    /// The `[upstreams.NAME]`.
    pub name: Arc<str>,
    /// What kind of server it is.
    pub profile: &'static Profile,
    /// Which certificate headers it wants.
    pub dialect: Dialect,
    /// Whether its answers are made those of RFC 7591.
    pub normalise: bool,
    pub(super) turns: Option<Turns>,
    pub(super) scheme: Scheme,
    pub(super) authority: Authority,
    pub(super) answer_timeout: Duration,
    pub(super) proxied: Client<Connector, Body>,
    pub(super) gated: Client<Connector, Body>,
}

impl Upstream {
    /// Prepares both pools; connects to nothing yet.
    ///
    /// # Errors
    /// [`ConnectError`] for a URL with another scheme or without a host.
    pub fn new(settings: UpstreamSettings) -> Result<Self, ConnectError> {
        let scheme = match settings.url.scheme() {
            "http" => Scheme::HTTP,
            "https" => Scheme::HTTPS,
            _ => return Err(ConnectError),
        };
        let host = settings.url.host_str().ok_or(ConnectError)?;
        let authority = settings.url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"));
        let connector = Connector::new(settings.tls, settings.connect_timeout);
        let mut builder = Client::builder(TokioExecutor::new());
        builder.pool_timer(TokioTimer::new()).timer(TokioTimer::new()).http1_max_buf_size(MAX_ANSWER_HEADERS);
        Ok(Self {
            name: settings.name.into(),
            profile: settings.profile,
            dialect: settings.dialect,
            normalise: settings.normalise,
            turns: settings.max_concurrent.map(|at_once| Turns::new(at_once, settings.profile.pause)),
            scheme,
            authority: authority.parse().map_err(|_| ConnectError)?,
            answer_timeout: settings.answer_timeout,
            proxied: builder
                .pool_max_idle_per_host(settings.max_idle)
                .pool_idle_timeout(settings.idle_timeout)
                .build(connector.clone()),
            gated: builder
                // Who needs a pause closes idle connections within it, and a request that meets that ends as unknown.
                .pool_max_idle_per_host(if settings.profile.pause.is_zero() { settings.max_idle } else { 0 })
                .pool_idle_timeout(GATED_IDLE)
                .retry_canceled_requests(false)
                .build(connector),
        })
    }
}

impl fmt::Debug for Upstream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Upstream").field("name", &self.name).field("authority", &self.authority).finish_non_exhaustive()
    }
}
