//! Identity servers of other makers behind dcrgate, each with its habits: what
//! registers at them, and what a caller sees of it.
//!
//! The base policy judges, mutual TLS says who asks. `oidc-provider`, which most
//! other tests have as their upstream, is in `oidc_provider.rs`.

#![cfg(test)]

#[path = "support/bank.rs"]
mod bank;
#[path = "support/gate.rs"]
mod gate;
#[path = "support/programs.rs"]
mod programs;

#[path = "upstreams/django_oauth_toolkit.rs"]
mod django_oauth_toolkit;
#[path = "upstreams/glewlwyd.rs"]
mod glewlwyd;
#[path = "upstreams/keycloak.rs"]
mod keycloak;
#[path = "upstreams/lemonldap_ng.rs"]
mod lemonldap_ng;
