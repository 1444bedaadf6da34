//! Floor 5: sockets in front, configuration behind, requests through the pipeline.
//!
//! [`Server::start`] binds and builds everything, [`Server::run`] serves until
//! the shutdown future resolves and then drains: it stops accepting, lets
//! requests in progress finish (GOAWAY, `Connection: close`), waits for gated
//! tasks and for the store, and gives up after the deadline. Listener addresses,
//! clock and shutdown are given, so tests bind port 0 and drop a future.

mod accept;
mod addresses;
mod connection;
mod dispatch;
mod lifetime;
mod listener;
mod reload;
mod socket;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use addresses::Addresses;
use arc_swap::ArcSwap;
use hyper_util::server::graceful::GracefulShutdown;
use tokio::sync::Semaphore;
use tokio_util::task::TaskTracker;

use crate::config::{Assembled, ListenerPlan, LoadError, Loaded, RecordingError, Settings, assemble, open_recording};
use crate::model::document::{Faults, Problem};
use crate::model::time::Clock;
use crate::pipeline::snapshot::{Recording, Snapshot};
use crate::pipeline::tally::Tallies;

/// What every connection shares. A reload replaces the contents, never the value.
#[derive(Debug)]
struct Shared {
    snapshot: ArcSwap<Snapshot>,
    /// By listener, in configuration order.
    plans: ArcSwap<BTreeMap<String, Arc<ListenerPlan>>>,
    /// Permits for connections of all listeners together.
    connections: Arc<Semaphore>,
    /// Open connections by address, where that is limited.
    addresses: Option<Arc<Addresses>>,
    /// Turns for handshakes: a flood of them must not starve the connections that stand.
    handshakes: Semaphore,
    tasks: TaskTracker,
}

/// A server whose sockets are bound.
#[derive(Debug)]
pub struct Server {
    configuration: PathBuf,
    shared: Arc<Shared>,
    listeners: Vec<listener::Bound>,
    recording: Option<Arc<Recording>>,
    clock: Arc<dyn Clock>,
    drain: std::time::Duration,
}

/// Why a server cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The configuration file cannot be read.
    #[error(transparent)]
    Unreadable(LoadError),
    /// The configuration cannot be used.
    #[error("the configuration cannot be used")]
    Configuration(Vec<Problem>),
    /// An address cannot be bound.
    #[error("listener `{listener}` cannot bind {address}")]
    Bind {
        /// The `[listeners.NAME]`.
        listener: String,
        /// Its address.
        address: SocketAddr,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// Store or sealing key cannot be had.
    #[error(transparent)]
    Recording(#[from] RecordingError),
}

impl Server {
    /// Reads the configuration, opens the store and binds every listener.
    ///
    /// # Errors
    /// 1. [`StartError::Configuration`] with every fault.
    /// 2. [`StartError::Recording`], also when another process has the database.
    /// 3. [`StartError::Bind`].
    pub async fn start(configuration: &Path, clock: Arc<dyn Clock>) -> Result<Self, StartError> {
        let Loaded { settings, warnings } = Settings::load(configuration)?;
        let recording = open_recording(&settings, &clock)?;
        let tasks = TaskTracker::new();
        let faults = Faults::new();
        let assembled = assemble(&settings, recording.clone(), &clock, &tasks, &faults);
        let problems = faults.into_problems();
        let Some(Assembled { snapshot, plans }) = assembled else { return Err(StartError::Configuration(problems)) };
        for warning in warnings.iter().chain(&problems) {
            tracing::warn!("{warning}");
        }
        snapshot.start();
        let limits = &settings.limits;
        let shared = Arc::new(Shared {
            snapshot: ArcSwap::from_pointee(snapshot),
            connections: Arc::new(Semaphore::new(limits.connections)),
            addresses: limits.connections_per_address.map(Addresses::new),
            handshakes: Semaphore::new(limits.handshakes),
            plans: ArcSwap::from_pointee(BTreeMap::new()),
            tasks,
        });
        let mut listeners = Vec::new();
        for (name, plan) in &plans {
            listeners.push(listener::bind(name, plan.address)?);
        }
        shared.plans.store(Arc::new(plans));
        Ok(Self { configuration: configuration.to_owned(), shared, listeners, recording, clock, drain: limits.drain })
    }

    /// The bound address of every listener.
    pub fn addresses(&self) -> BTreeMap<String, SocketAddr> {
        self.listeners.iter().map(|bound| (bound.name.to_string(), bound.address)).collect()
    }

    /// What policies judged so far, and go on to while it runs; `None` where no route is gated.
    pub fn tallies(&self) -> Option<Arc<Tallies>> {
        self.recording.as_ref().map(|recording| Arc::clone(&recording.tallies))
    }

    /// Serves until `shutdown`, then drains.
    pub async fn run(self, shutdown: impl Future<Output = ()>) {
        let stop = tokio_util::sync::CancellationToken::new();
        let drain = Arc::new(GracefulShutdown::new());
        let mut accepting = tokio::task::JoinSet::new();
        for bound in self.listeners {
            tracing::info!(listener = &*bound.name, address = %bound.address, "listening");
            accepting.spawn(accept::accept(bound, Arc::clone(&self.shared), stop.clone(), Arc::clone(&drain)));
        }
        let watching = tokio::spawn(reload::watch(
            self.configuration,
            Arc::clone(&self.shared),
            self.recording.clone(),
            self.clock,
        ));
        let telling = self.recording.as_ref().map(|recording| {
            let tallies = Arc::clone(&recording.tallies);
            tokio::spawn(async move { tallies.tell_hourly().await })
        });
        shutdown.await;
        tracing::info!("draining");
        stop.cancel();
        watching.abort();
        if let Some(telling) = telling {
            telling.abort();
        }
        while accepting.join_next().await.is_some() {}
        self.shared.tasks.close();
        let finished = async {
            // Each accept loop has dropped its share.
            if let Some(drain) = Arc::into_inner(drain) {
                drain.shutdown().await;
            }
            self.shared.tasks.wait().await;
        };
        if tokio::time::timeout(self.drain, finished).await.is_err() {
            tracing::warn!(deadline = ?self.drain, "connections cut at the end of the drain");
        }
        if let Some(recording) = self.recording {
            recording.tallies.tell();
            recording.ledger.shutdown(self.drain).await;
        }
    }
}

impl From<LoadError> for StartError {
    fn from(error: LoadError) -> Self {
        match error {
            LoadError::Invalid(problems) => Self::Configuration(problems),
            unreadable @ LoadError::Unreadable { .. } => Self::Unreadable(unreadable),
        }
    }
}
