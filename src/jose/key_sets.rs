//! The key sets of the configuration, kept fresh in the background.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use aws_lc_rs::rand;
use tokio::task::JoinSet;

use crate::model::evidence::Known;
use crate::model::key::Jwk;
use crate::model::time::{Clock, Timestamp};
use crate::net::Fetcher;

use super::compact::Header;
use super::key_slot::{KeySlot, KeySource, Outcome};

/// Every `[key_sets.NAME]`, by name.
#[derive(Debug)]
pub struct KeySets {
    slots: BTreeMap<Arc<str>, Arc<KeySlot>>,
    refreshing: OnceLock<JoinSet<()>>,
}

/// What is known of one set, for `status`, readiness and logs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeySetState {
    /// The section's name.
    pub name: Arc<str>,
    /// Keys that can be used.
    pub keys: usize,
    /// Entries of the set that were passed over.
    pub passed_over: usize,
    /// When the set was last asked for with success.
    pub fetched: Option<Timestamp>,
    /// Whether that is within `max_stale`.
    pub usable: bool,
    /// Why the last attempt failed, where it did.
    pub failure: Option<Arc<str>>,
}

impl KeySets {
    /// Reads disk copies and files; fetches nothing before [`Self::start`] or the first unknown key.
    pub fn new(sources: Vec<KeySource>, fetcher: &Arc<Fetcher>, clock: &Arc<dyn Clock>) -> Self {
        let slots = sources
            .into_iter()
            .map(|source| {
                let name = Arc::clone(&source.name);
                (name, Arc::new(KeySlot::new(source, Arc::clone(fetcher), Arc::clone(clock))))
            })
            .collect();
        Self { slots, refreshing: OnceLock::new() }
    }

    /// Takes over what older sets know of the same locations, so that a reload during an outage loses no key.
    pub fn adopt(&self, older: &Self) {
        for (name, slot) in &self.slots {
            if let Some(older) = older.slots.get(name) {
                slot.adopt(older);
            }
        }
    }

    /// Fetches every set now and then at its `refresh`, until this value is dropped. Needs a
    /// tokio runtime; a second call does nothing.
    pub fn start(&self) {
        self.refreshing.get_or_init(|| self.slots.values().map(|slot| keep_fresh(Arc::clone(slot))).collect());
    }

    /// The key that a statement's header names, from this set.
    ///
    /// A key that the set has is answered from memory. Otherwise the directory is asked again, in one
    /// fetch for all who wait and not within 10 s of the last such fetch: then [`Known::Absent`] means that
    /// it answered and has no such key, [`Known::Unavailable`] that it did not.
    pub async fn key(&self, set: &str, header: &Header) -> Known<Arc<Jwk>> {
        match self.slots.get(set) {
            Some(slot) => slot.key(header).await,
            None => Known::Unavailable(format!("key set {set} is not configured").into()),
        }
    }

    /// What is known of each set, by name.
    pub fn states(&self) -> Vec<KeySetState> {
        let state = |slot: &Arc<KeySlot>| {
            let (state, usable) = slot.state();
            let good = state.good.as_ref();
            KeySetState {
                name: Arc::clone(&slot.source.name),
                keys: good.map_or(0, |(set, _)| set.keys.len()),
                passed_over: good.map_or(0, |(set, _)| set.passed_over()),
                fetched: good.map(|(_, fetched)| *fetched),
                usable,
                failure: state.failure.clone(),
            }
        };
        self.slots.values().map(state).collect()
    }
}

async fn keep_fresh(slot: Arc<KeySlot>) {
    loop {
        let pause = match slot.refresh().await {
            Outcome::Answered => slot.source.refresh,
            Outcome::Failed => slot.source.refresh.min(RETRY),
        };
        tokio::time::sleep(jittered(pause)).await;
    }
}

/// Up to a tenth earlier, so that many proxies do not ask a directory all at once.
fn jittered(pause: Duration) -> Duration {
    let mut byte = [0];
    // Without random bytes the pause is only a little less well spread.
    let _ = rand::fill(&mut byte);
    pause - pause / 10 * u32::from(byte[0]) / 255
}

/// After a failure, sooner than a long `refresh` would have it.
const RETRY: Duration = Duration::from_secs(30);

#[cfg(test)]
mod tests;
