//! One key set: what is known of it, and the one fetch at a time that makes it known.
//!
//! Requests read the set through one atomic load. Whoever fetches holds the
//! slot's gate: the background task at every `refresh`, and a request whose
//! `kid` is not in the set, at most once per ten seconds. A set is never replaced by
//! garbage, nor by an empty one; it serves until `max_stale` after the last
//! success by the wall clock, restarts included.

use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::sync::Mutex;
use tokio::time::Instant;
use url::Url;

use crate::model::evidence::Known;
use crate::model::key::{Jwk, KeySet};
use crate::model::time::{Clock, Timestamp};
use crate::net::{Fetcher, UrlTrust};

use super::algorithm::choose;
use super::compact::Header;
use super::disk_copy;

/// A `[key_sets.NAME]` section.
#[derive(Clone, Debug)]
pub struct KeySource {
    /// The section's name.
    pub name: Arc<str>,
    /// Where the set is.
    pub location: KeyLocation,
    /// How often it is fetched in the background.
    pub refresh: Duration,
    /// How long it serves after the last success.
    pub max_stale: Duration,
    /// Where a fetched set is kept across restarts; its folder is made where it is missing.
    pub disk_copy: Option<PathBuf>,
}

/// Where a key set is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeyLocation {
    /// A directory's endpoint.
    Url(Url),
    /// A file, read again at every refresh.
    File(PathBuf),
}

/// One key set and its state.
#[derive(Debug)]
pub(super) struct KeySlot {
    pub(super) source: KeySource,
    fetcher: Arc<Fetcher>,
    clock: Arc<dyn Clock>,
    state: ArcSwap<State>,
    /// Held while fetching, and only then is `state` replaced.
    gate: Arc<Mutex<LastAsked>>,
    pub(super) cool_down: Duration,
}

/// What is known of a set.
#[derive(Clone, Debug, Default)]
pub(super) struct State {
    /// The last good set and when it was asked for.
    pub(super) good: Option<(Arc<KeySet>, Timestamp)>,
    /// Why the last attempt failed, where it did.
    pub(super) failure: Option<Arc<str>>,
}

/// The last fetch that an unknown `kid` caused.
#[derive(Debug)]
struct LastAsked {
    at: Option<Instant>,
    outcome: Outcome,
}

/// What came of a fetch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// The set was read anew.
    Answered,
    /// The old one stays.
    Failed,
}

impl KeySlot {
    /// Starts from the disk copy or the file; asks nobody.
    pub(super) fn new(source: KeySource, fetcher: Arc<Fetcher>, clock: Arc<dyn Clock>) -> Self {
        let now = clock.now();
        let first = match (&source.location, &source.disk_copy) {
            (KeyLocation::Url(url), Some(path)) => disk_copy::load(path, url, now),
            (KeyLocation::Url(_), None) => Err(io::ErrorKind::NotFound.into()),
            (KeyLocation::File(path), _) => read_file(path)
                .and_then(|bytes| KeySet::from_json(&bytes).map_err(io::Error::other))
                .map(|set| (set, now)),
        };
        let state = match first {
            Ok((set, fetched)) => State { good: Some((Arc::new(set), fetched)), failure: None },
            // A directory that was never asked yet.
            Err(fault) if fault.kind() == io::ErrorKind::NotFound && matches!(source.location, KeyLocation::Url(_)) => {
                State::default()
            }
            Err(fault) => {
                tracing::warn!(key_set = %source.name, error = %fault, "the key set on disk cannot be used");
                State { good: None, failure: Some(fault.to_string().into()) }
            }
        };
        Self {
            source,
            fetcher,
            clock,
            state: ArcSwap::from_pointee(state),
            gate: Arc::new(Mutex::new(LastAsked { at: None, outcome: Outcome::Failed })),
            cool_down: COOL_DOWN,
        }
    }

    /// The key that the header means; asks the directory again for one that is not there.
    pub(super) async fn key(self: &Arc<Self>, header: &Header) -> Known<Arc<Jwk>> {
        if let Some(key) = self.cached(header) {
            return Known::Value(key);
        }
        let outcome = self.ask_again(header).await;
        match (self.cached(header), outcome) {
            (Some(key), _) => Known::Value(key),
            (None, Outcome::Answered) => Known::Absent,
            (None, Outcome::Failed) => Known::Unavailable(self.trouble()),
        }
    }

    fn cached(&self, header: &Header) -> Option<Arc<Jwk>> {
        let state = self.state.load();
        let (set, fetched) = state.good.as_ref()?;
        if self.is_stale(*fetched) { None } else { choose(set, header) }
    }

    fn is_stale(&self, fetched: Timestamp) -> bool {
        self.clock.now().since(fetched) > self.source.max_stale
    }

    /// At most one fetch per cool-down, whatever strangers ask for; all of them share its outcome.
    async fn ask_again(self: &Arc<Self>, header: &Header) -> Outcome {
        let mut gate = Arc::clone(&self.gate).lock_owned().await;
        if self.cached(header).is_some() {
            return Outcome::Answered;
        }
        let now = Instant::now();
        if gate.at.is_some_and(|at| now.duration_since(at) < self.cool_down) {
            return gate.outcome;
        }
        *gate = LastAsked { at: Some(now), outcome: Outcome::Failed };
        // A task of its own: the client that asked may hang up, the others still wait for the outcome.
        let slot = Arc::clone(self);
        let fetch = tokio::spawn(async move {
            gate.outcome = slot.fetch().await;
            gate.outcome
        });
        fetch.await.unwrap_or(Outcome::Failed)
    }

    fn trouble(&self) -> Arc<str> {
        let state = self.state.load();
        let why = state.failure.as_deref().unwrap_or("not fetched yet");
        format!("key set {}: {why}", self.source.name).into()
    }

    /// Reads the set anew, after any other fetch has ended.
    pub(super) async fn refresh(&self) -> Outcome {
        let _gate = self.gate.lock().await;
        self.fetch().await
    }

    /// The gate must be held.
    async fn fetch(&self) -> Outcome {
        let asked = self.clock.now();
        let read = self.read().await.and_then(|bytes| match KeySet::from_json(&bytes) {
            Ok(set) => Ok((bytes, set)),
            Err(fault) => Err(fault.to_string()),
        });
        match read {
            Ok((bytes, set)) => {
                self.state.store(Arc::new(State { good: Some((Arc::new(set), asked)), failure: None }));
                self.keep(bytes, asked).await;
                Outcome::Answered
            }
            Err(why) => {
                tracing::warn!(key_set = %self.source.name, error = %why, "the key set could not be refreshed");
                let good = self.state.load().good.clone();
                self.state.store(Arc::new(State { good, failure: Some(why.into()) }));
                Outcome::Failed
            }
        }
    }

    async fn read(&self) -> Result<Vec<u8>, String> {
        match &self.source.location {
            KeyLocation::Url(url) => {
                let answer = self.fetcher.get(url, UrlTrust::Configured, SET_BYTES, FETCH_DEADLINE).await;
                answer.map(Into::into).map_err(|fault| fault.to_string())
            }
            KeyLocation::File(path) => {
                let path = path.clone();
                let read = tokio::task::spawn_blocking(move || read_file(&path)).await;
                read.map_err(|fault| fault.to_string())?.map_err(|fault| fault.to_string())
            }
        }
    }

    async fn keep(&self, set: Vec<u8>, fetched: Timestamp) {
        let (KeyLocation::Url(url), Some(path)) = (&self.source.location, &self.source.disk_copy) else { return };
        let (url, path) = (url.clone(), path.clone());
        let saved = tokio::task::spawn_blocking(move || disk_copy::save(&path, &url, fetched, &set)).await;
        if let Err(fault) = saved.unwrap_or_else(|fault| Err(fault.into())) {
            tracing::warn!(key_set = %self.source.name, error = %fault, "the key set could not be kept on disk");
        }
    }

    /// Takes over what an older configuration knew of the same location, unless this one knows better.
    pub(super) fn adopt(&self, older: &Self) {
        let (mine, theirs) = (self.state.load_full(), older.state.load_full());
        let at = |state: &State| state.good.as_ref().map(|(_, fetched)| *fetched);
        if self.source.location == older.source.location && at(&theirs) > at(&mine) {
            self.state.store(theirs);
        }
    }

    /// What is known, and whether it can still be used.
    pub(super) fn state(&self) -> (Arc<State>, bool) {
        let state = self.state.load_full();
        let usable = state.good.as_ref().is_some_and(|(_, fetched)| !self.is_stale(*fetched));
        (state, usable)
    }
}

fn read_file(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    std::fs::File::open(path)?.take(SET_BYTES as u64 + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// What the reader of key sets takes at most.
const SET_BYTES: usize = 1024 * 1024;

/// A client whose `kid` is unknown waits for this long at most, twice when it comes in the midst of another fetch.
const FETCH_DEADLINE: Duration = Duration::from_secs(5);

/// Between two fetches that unknown key ids cause: strangers invent as many ids as they
/// like, and a directory that rotates twice in ten seconds does not exist.
const COOL_DOWN: Duration = Duration::from_secs(10);
