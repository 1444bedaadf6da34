//! Floor 2: bounded outbound HTTP, for everything that is not the proxy path, and whom dcrgate trusts as a client
//! on either.
//!
//! A [`Fetcher`] asks for one JSON document and takes it or leaves it: https, one answer, so many
//! bytes, so much time. It never follows a redirect, reads proxy variables of the
//! environment, sends credentials, or, for a URL that a stranger could choose,
//! connects to an address inside the house. An [`Endpoint`] posts a form to a URL that the operator
//! configured, with credentials of our own, within the same bounds. What an answer means is for others.

mod endpoint;
mod fetch;
mod resolver;
mod tls;

pub use endpoint::{ClientAuthentication, Endpoint, EndpointSettings};
pub use fetch::{FetchError, FetchSettings, Fetcher, UrlTrust, with_causes};
pub use tls::{certified_key, client_config};

#[cfg(test)]
pub(crate) mod directory;
