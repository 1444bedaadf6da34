//! What the outside sees of an identity server: its metadata, its answers to pages of other origins, and its answers to
//! registrations as RFC 7591 has them.
//!
//! Behind the proxy stands a server of this test that says exactly what a case needs.

#![cfg(test)]

#[path = "public_routes/cors.rs"]
mod cors;
#[path = "public_routes/discovery.rs"]
mod discovery;
#[path = "support/gate.rs"]
mod gate;
#[path = "public_routes/normalised.rs"]
mod normalised;
#[path = "public_routes/server.rs"]
mod server;
