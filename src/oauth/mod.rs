//! Floor 3: dcrgate as a client of an authorization server.
//!
//! [`Introspection`] asks whose a token is (RFC 7662). It speaks through the
//! bounded endpoints of `net` and reads what comes back as strictly as a request;
//! what it cannot read is an outage of the other side, never a caller's fault.

mod introspection;

pub use introspection::{Introspection, NotTold};
