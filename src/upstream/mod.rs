//! Floor 3: the identity server, as dcrgate sees it.
//!
//! Two ways lead out, and each takes only what may leave: [`Upstream::send`]
//! takes a [`GatedRequest`], which is made from a pass of the ledger
//! (`store::Opened`), and [`Upstream::forward`] takes a [`PublicTarget`], which
//! only a route that is public by configuration hands out;
//! [`Upstream::document`] asks for such a one on our own behalf. Sending an unjudged
//! registration does not compile. Nothing is retried once bytes were sent.

mod body;
mod connect;
mod connector;
mod document;
mod forward;
mod gated;
pub mod profile;
mod turns;

pub use body::{Body, BodyError};
pub use connect::{ConnectError, Upstream, UpstreamSettings};
pub use forward::{PublicRoute, PublicTarget};
pub use gated::{GatedRequest, Reply, SendError, Sent};
