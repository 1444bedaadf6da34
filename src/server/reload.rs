//! Reload by SIGHUP and by changed content.
//!
//! The whole new state is built beside the old one and swapped in; a bad file
//! changes nothing and is logged with every fault. Content is compared by
//! digest, which also sees the symlink swaps of mounted volumes. Listener
//! addresses, store and worker count are taken at start only.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};

use super::Shared;
use crate::config::{Assembled, LoadError, Loaded, Settings, assemble};
use crate::model::digest::Digest;
use crate::model::document::Faults;
use crate::model::time::Clock;
use crate::pipeline::snapshot::Recording;

/// How often the files are read for changes: reading them costs well under a millisecond.
const POLL: Duration = Duration::from_secs(5);

/// Watches until aborted.
pub(super) async fn watch(
    configuration: PathBuf,
    shared: Arc<Shared>,
    recording: Option<Arc<Recording>>,
    clock: Arc<dyn Clock>,
) {
    let mut hangup = match signal(SignalKind::hangup()) {
        Ok(hangup) => hangup,
        Err(error) => {
            tracing::error!(%error, "cannot listen for SIGHUP; the configuration is not reloaded");
            return;
        }
    };
    let mut poll = tokio::time::interval(POLL);
    poll.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut refused: Option<Digest> = None;
    loop {
        let asked = tokio::select! {
            _ = hangup.recv() => true,
            _ = poll.tick() => false,
        };
        let path = configuration.clone();
        // Files are read on a thread that may block.
        let Ok(read) = tokio::task::spawn_blocking(move || Settings::load(&path)).await else { continue };
        let result = match read {
            Ok(loaded) if !asked && loaded.settings.digest() == shared.snapshot.load().configuration => {
                refused = None;
                continue;
            }
            Ok(loaded) => apply(&loaded, &shared, recording.clone(), &clock),
            Err(LoadError::Invalid(problems)) => Err(problems.iter().map(ToString::to_string).collect()),
            Err(error) => Err(vec![error.to_string()]),
        };
        match result {
            Ok(()) => {
                refused = None;
                tracing::info!(configuration = %shared.snapshot.load().configuration, "configuration reloaded");
            }
            Err(faults) => {
                // The same faults are told once, not at every look.
                let told = Digest::of(faults.concat().as_bytes());
                if refused.replace(told) != Some(told) || asked {
                    for fault in faults {
                        tracing::error!("reload refused, the old configuration stays: {fault}");
                    }
                }
            }
        }
    }
}

fn apply(
    loaded: &Loaded,
    shared: &Shared,
    recording: Option<Arc<Recording>>,
    clock: &Arc<dyn Clock>,
) -> Result<(), Vec<String>> {
    let faults = Faults::new();
    let assembled = assemble(&loaded.settings, recording, clock, &shared.tasks, &faults);
    let problems: Vec<String> = faults.into_problems().iter().map(ToString::to_string).collect();
    let Some(Assembled { snapshot, plans }) = assembled else { return Err(problems) };
    for warning in loaded.warnings.iter().map(ToString::to_string).chain(problems) {
        tracing::warn!("{warning}");
    }
    // What the old sets hold is kept: a reload during an outage of a directory loses nothing.
    let old = shared.snapshot.load();
    snapshot.key_sets.adopt(&old.key_sets);
    snapshot.routes.adopt_documents(&old.routes);
    snapshot.start();
    let old = shared.plans.load();
    for name in plans.keys().filter(|name| !old.contains_key(*name)) {
        tracing::warn!(listener = name.as_str(), "a new listener is bound at the next start");
    }
    // Certificates first: a request judged under the new snapshot may arrive on a connection accepted under either.
    shared.plans.store(Arc::new(plans));
    shared.snapshot.store(Arc::new(snapshot));
    Ok(())
}
