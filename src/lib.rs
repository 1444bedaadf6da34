//! dcrgate: a reverse proxy in front of an OAuth/OIDC identity server. It
//! terminates mutual TLS, judges client certificates, verifies software
//! statements and the rules of a regime, and forwards Dynamic Client
//! Registration (RFC 7591) with verified headers. What it refuses it explains to
//! the caller and records for the auditor.

pub mod audit;
pub mod bindings;
pub mod checks;
pub mod config;
pub mod headers;
pub mod jose;
pub mod model;
pub mod net;
pub mod pipeline;
pub mod policy;
pub mod sandbox;
pub mod server;
pub mod store;
pub mod tls;
pub mod upstream;
