//! Floor 3: dcrgate as a client of an authorization server.
//!
//! [`Introspection`] asks whose a token is (RFC 7662), [`Credential`] is what dcrgate shows of its own. Both speak through the
//! bounded endpoints of `net` and read what comes back as strictly as a request;
//! what they cannot read is an outage of the other side, never a caller's fault.

mod credential;
mod introspection;

pub use credential::{Credential, NoCredential};
pub use introspection::{Introspection, NotTold};
