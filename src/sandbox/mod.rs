//! Floor 5: a throwaway world around the proxy, for `dcrgate demo` and the tests.
//!
//! Everything that Open Finance Brasil needs before a client can register, in
//! one process and on loopback: authorities, a directory that signs software
//! statements and publishes keys, third parties, a small identity server, and
//! the configuration that joins them. Reading order: [`participant`],
//! [`authority`], [`signing`], [`statement`], [`directory`], [`identity_server`],
//! [`third_party`], [`world`], [`scenario`].
//!
//! The home of `rcgen`. Never part of a serving proxy: nothing here is asked
//! for a decision, and every key made here is worth nothing elsewhere.

pub mod authority;
mod certificate;
pub mod clock;
pub mod configuration;
mod der;
pub mod directory;
pub mod egress;
pub mod home;
pub mod identity;
pub mod identity_server;
pub mod participant;
mod qualified;
pub mod regime;
mod resign;
pub mod scenario;
pub mod signing;
pub mod statement;
pub mod subject;
pub mod third_party;
pub mod token_issuer;
mod wire;
pub mod world;

pub use authority::Authority;
pub use directory::Directory;
pub use home::Home;
pub use identity::{Identity, KeyKind, Validity};
pub use identity_server::IdentityServer;
pub use participant::{Organisation, Software};
pub use third_party::ThirdParty;
pub use world::World;

use std::io;
use std::path::PathBuf;

use crate::model::name::InvalidName;

/// The sandbox could not be built or used. Never a refusal: those are answers.
#[derive(Debug, thiserror::Error)]
pub enum SandboxError {
    /// A certificate or a revocation list.
    #[error("a certificate could not be made: {0}")]
    Certificate(#[from] rcgen::Error),
    /// A key that signs or decrypts.
    #[error("a key could not be made or used")]
    Key,
    /// The subject of a certificate.
    #[error("a certificate's subject: {0}")]
    Subject(InvalidName),
    /// A policy whose cases were to be played.
    #[error("the policy cannot be played: {0}")]
    Policy(String),
    /// A file of the world.
    #[error("{} could not be written: {source}", path.display())]
    File {
        /// Which one.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The directory for a world that is to be kept.
    #[error("{} is not empty: give a new directory", .0.display())]
    NotEmpty(PathBuf),
    /// A socket, which is also how a handshake ends that the other side cut.
    #[error("the connection failed: {0}")]
    Socket(#[from] io::Error),
    /// TLS settings.
    #[error("TLS could not be set up: {0}")]
    Tls(#[from] rustls::Error),
    /// An exchange that ended without a complete answer.
    #[error("no complete answer: {0}")]
    Http(#[from] hyper::Error),
    /// A request that HTTP cannot express.
    #[error("the request cannot be expressed in HTTP: {0}")]
    Request(#[from] http::Error),
}

impl From<aws_lc_rs::error::Unspecified> for SandboxError {
    fn from(_: aws_lc_rs::error::Unspecified) -> Self {
        Self::Key
    }
}
