//! What is known of a connection: where it comes from, its TLS, its client certificate.

use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};

use arc_swap::ArcSwapOption;

use super::snapshot::Snapshot;
use crate::headers::rfc9440::TooLarge;
use crate::headers::verified::{Dialect, VerifiedHeaders};
use crate::model::peer::{Judgement, Peer};
use crate::model::time::Timestamp;
use crate::tls::ClientAuth;

/// One connection of a client.
#[derive(Debug)]
pub struct Connection {
    /// The other end.
    pub remote: SocketAddr,
    /// The `[listeners.NAME]` that accepted it.
    pub listener: Arc<str>,
    /// What the handshake asked of the client.
    pub client_auth: ClientAuth,
    /// Version, cipher suite and server name, for the record.
    pub tls: TlsFacts,
    /// The certificate whose key the client proved to hold.
    pub peer: Presented,
    judged: ArcSwapOption<Judged>,
}

/// Version, cipher suite and server name of a handshake, in the words of their registries.
#[derive(Debug, Clone)]
pub struct TlsFacts {
    /// `1.2` or `1.3`.
    pub version: &'static str,
    /// Such as `TLS13_AES_128_GCM_SHA256`.
    pub cipher: &'static str,
    /// Server name indication.
    pub server_name: Option<Box<str>>,
}

/// The client's certificate.
#[derive(Debug, Clone)]
pub enum Presented {
    /// None was asked for, or the client had none.
    Nothing,
    /// One whose key the client holds.
    Certificate(Arc<Peer>),
    /// One that cannot be read; the record says so, and nothing trusts it.
    Unreadable,
}

/// A judgement and the header bytes made from it, kept on the connection.
#[derive(Debug)]
struct Judged {
    /// The snapshot whose authorities judged: after a reload the chain is judged anew.
    generation: u64,
    judgement: Arc<Judgement>,
    headers: OnceLock<Prepared>,
}

/// Header bytes for identity servers of one dialect; `None` when no authority trusts the certificate.
#[derive(Debug)]
struct Prepared {
    dialect: Dialect,
    headers: Result<Option<Arc<VerifiedHeaders>>, TooLarge>,
}

impl Connection {
    /// A connection as accepted.
    pub fn new(
        remote: SocketAddr,
        listener: Arc<str>,
        client_auth: ClientAuth,
        tls: TlsFacts,
        peer: Presented,
    ) -> Self {
        Self { remote, listener, client_auth, tls, peer, judged: ArcSwapOption::empty() }
    }

    /// The certificate and what the authorities of this snapshot say of it at this time.
    pub fn judgement(&self, snapshot: &Snapshot, now: Timestamp) -> Option<(Arc<Peer>, Arc<Judgement>)> {
        let Presented::Certificate(peer) = &self.peer else { return None };
        Some((Arc::clone(peer), Arc::clone(&self.judged(peer, snapshot, now).judgement)))
    }

    /// Whether an authority of this snapshot trusts the certificate at this time.
    pub fn is_trusted(&self, snapshot: &Snapshot, now: Timestamp) -> bool {
        let Presented::Certificate(peer) = &self.peer else { return false };
        self.judged(peer, snapshot, now).judgement.trusted().is_some()
    }

    /// The presented certificate, trusted or not.
    pub fn peer(&self) -> Option<&Peer> {
        if let Presented::Certificate(peer) = &self.peer { Some(peer) } else { None }
    }

    /// The headers of the verified certificate for an identity server of this
    /// dialect; `None` when no authority trusts it.
    ///
    /// # Errors
    /// [`TooLarge`] when they would not fit.
    pub fn verified_headers(
        &self,
        snapshot: &Snapshot,
        now: Timestamp,
        dialect: Dialect,
    ) -> Result<Option<Arc<VerifiedHeaders>>, TooLarge> {
        let Presented::Certificate(peer) = &self.peer else { return Ok(None) };
        let judged = self.judged(peer, snapshot, now);
        let make = || {
            judged
                .judgement
                .trusted()
                .map(|trusted| VerifiedHeaders::new(peer, trusted, dialect).map(Arc::new))
                .transpose()
        };
        let prepared = judged.headers.get_or_init(|| Prepared { dialect, headers: make() });
        if prepared.dialect == dialect { prepared.headers.clone() } else { make() }
    }

    fn judged(&self, peer: &Arc<Peer>, snapshot: &Snapshot, now: Timestamp) -> Arc<Judged> {
        let held = self.judged.load();
        let holds = |judged: &&Arc<Judged>| judged.generation == snapshot.generation && judged.judgement.holds(now);
        if let Some(judged) = held.as_ref().filter(holds) {
            return Arc::clone(judged);
        }
        let judged = Arc::new(Judged {
            generation: snapshot.generation,
            judgement: snapshot.authorities.judge(peer, now),
            headers: OnceLock::new(),
        });
        self.judged.store(Some(Arc::clone(&judged)));
        judged
    }
}
