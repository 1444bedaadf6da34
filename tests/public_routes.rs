//! What everyone may ask for: the identity server's metadata, and answers to pages of other origins.
//!
//! Behind the proxy stands a server of this test that says exactly what a case needs.

#![cfg(test)]

#[path = "public_routes/cors.rs"]
mod cors;
#[path = "public_routes/discovery.rs"]
mod discovery;
#[path = "support/gate.rs"]
mod gate;
#[path = "public_routes/server.rs"]
mod server;
