//! TLS: which authority a client's certificate chain belongs to, and the
//! server's side of the handshake.
//!
//! The handshake proves possession of a key ([`server_config()`]); trust is
//! judged apart from it ([`Authorities::judge`]), because resumed sessions skip
//! the verifier, because a refusal deserves an answer and a record rather than
//! an alert, and because authorities, revocation lists and time change while a
//! connection lives. Reading files and fetching lists is not done here.

mod authority;
mod judge;
mod path;
mod pem;
mod possession;
mod revocation;
mod server_certificates;
mod server_config;

#[cfg(test)]
mod fixtures;
#[cfg(test)]
mod handshake_tests;
#[cfg(test)]
mod judge_tests;
#[cfg(test)]
mod revocation_tests;

pub use authority::{Authority, AuthorityError, AuthoritySource, CertificateFault, CompleteChain, SharedAnchor};
pub use judge::Authorities;
pub use pem::{PemError, read_certificates, read_crls, read_key};
pub use possession::{RefusedInHandshake, refused_in_handshake};
pub use revocation::{ListFault, RevocationMode, RevocationRule};
pub use server_certificates::{ServerCertificateError, ServerCertificates};
pub use server_config::{ClientAuth, Resumption, server_config};
