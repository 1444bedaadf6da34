//! Everything one request is judged by: one immutable value, read once per request.
//!
//! A reload builds a whole new snapshot and swaps it; a request that began
//! under the old one ends under it, so no decision mixes two policies, and its
//! record names the configuration that it was made under.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::task::TaskTracker;

use super::routes::Routes;
use super::tally::Tallies;
use crate::audit::Ledger;
use crate::bindings::Keeping;
use crate::jose::{KeySets, SoftwareKeys};
use crate::model::digest::Digest;
use crate::model::time::Clock;
use crate::net::Fetcher;
use crate::oauth::Credential;
use crate::store::Sealer;
use crate::tls::Authorities;

/// Everything one request is judged by.
#[derive(Debug)]
pub struct Snapshot {
    /// Counts snapshots; what was judged under another one is judged anew.
    pub generation: u64,
    /// SHA-256 over the texts of all configuration files, in every record.
    pub configuration: Digest,
    /// Whom client certificates may come from.
    pub authorities: Arc<Authorities>,
    /// Where requests go.
    pub routes: Routes,
    /// Key sets of directories.
    pub key_sets: Arc<KeySets>,
    /// Key sets of registering software, fetched from verified statements.
    pub software_keys: Arc<SoftwareKeys>,
    /// What else verified requests and statements name is fetched by.
    pub fetcher: Arc<Fetcher>,
    /// What we show to identity servers.
    pub credentials: Vec<Arc<Credential>>,
    /// The ledger; it outlives snapshots. `None` where no route is gated.
    pub recording: Option<Arc<Recording>>,
    /// The time, read once per decision.
    pub clock: Arc<dyn Clock>,
    /// Limits of gated requests.
    pub limits: GatedLimits,
    /// Longest gap within a proxied body.
    pub body_idle: Duration,
    /// Gated requests run in counted tasks: a client that hangs up cannot leave
    /// a registration half told, and a drain waits for them.
    pub tasks: TaskTracker,
}

impl Snapshot {
    /// Keeps fresh what is fetched ahead, until this value is dropped.
    pub fn start(&self) {
        self.key_sets.start();
        self.credentials.iter().for_each(|credential| credential.start());
    }
}

/// Where decisions are recorded and counted, and answers sealed.
#[derive(Debug)]
pub struct Recording {
    /// The ledger.
    pub ledger: Ledger,
    /// Seals answers, and keys the fingerprints of tokens.
    pub sealer: Sealer,
    /// Whether registration access tokens are kept, sealed, beside their fingerprints.
    pub seals_tokens: bool,
    /// What policies judged; like the ledger it outlives snapshots.
    pub tallies: Arc<Tallies>,
}

impl Recording {
    /// How registration access tokens are kept.
    pub const fn keeping(&self) -> Keeping<'_> {
        Keeping { sealer: &self.sealer, sealed: self.seals_tokens }
    }
}

/// Limits of gated requests.
#[derive(Debug, Clone, Copy)]
pub struct GatedLimits {
    /// Limit for the whole body to arrive.
    pub body_timeout: Duration,
    /// How long an answer is kept for a repeated request.
    pub answer_window: Duration,
}
