//! What is known of a document: one fetch at a time, kept for a while, and for a while longer when none comes.
//!
//! One slot for each listener and host of a route, so that nobody can make more
//! of them: the identity server is told under which name it is asked for, and
//! what is rewritten depends on who can be reached there.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use http::{HeaderMap, HeaderValue};
use serde_json::{Map, Value};
use tokio::sync::Mutex;

use super::DiscoveryRoute;
use super::addresses::Outside;
use super::rewrite::rewrite;
use crate::model::digest::Digest;
use crate::model::json::{self, Limits};
use crate::model::time::{Clock, Timestamp};
use crate::upstream::{PublicTarget, SendError, Upstream};

/// The documents of one route.
#[derive(Debug)]
pub struct Documents(Vec<Slot>);

#[derive(Debug)]
struct Slot {
    listener: Box<str>,
    host: Box<str>,
    state: Arc<State>,
}

#[derive(Debug, Default)]
struct State {
    known: ArcSwapOption<Known>,
    /// Held while asking. When the last attempt failed, and how.
    gate: Arc<Mutex<Option<(Timestamp, Unobtainable)>>>,
}

/// A document as the identity server gave it.
#[derive(Debug)]
struct Known {
    members: Arc<Map<String, Value>>,
    fetched: Timestamp,
    /// Rewritten, with its entity tag.
    page: OnceLock<(Bytes, HeaderValue)>,
}

/// A document as it is given out.
pub(super) struct Page {
    pub(super) bytes: Bytes,
    pub(super) etag: HeaderValue,
    /// How long it may be kept from now on.
    pub(super) fresh_for: Duration,
}

/// Why there is no document, not even an old one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unobtainable {
    /// The identity server cannot be asked now.
    Unavailable,
    /// It answers something else.
    Unusable,
}

impl Documents {
    /// For these listeners and hosts; nothing is known yet.
    pub fn new(listeners: &[String], hosts: &[String]) -> Self {
        let slot = |listener: &String, host: &String| Slot {
            listener: listener.as_str().into(),
            host: host.as_str().into(),
            state: Arc::default(),
        };
        Self(listeners.iter().flat_map(|listener| hosts.iter().map(move |host| slot(listener, host))).collect())
    }

    /// The document as it is seen there, not older than it may be.
    pub(super) async fn page(
        &self,
        route: &DiscoveryRoute,
        outside: &Outside<'_>,
        clock: &Arc<dyn Clock>,
    ) -> Result<Page, Unobtainable> {
        let now = clock.now();
        let mut slots = self.0.iter();
        let slot = slots.find(|slot| *slot.listener == *outside.listener && *slot.host == *outside.host.name);
        let state = &slot.ok_or(Unobtainable::Unavailable)?.state;
        let known = match state.known(now, route.max_age) {
            Some(known) => known,
            None => match state.refresh(route, outside, now, clock).await {
                Ok(known) => known,
                Err(fault) => state.known(now, route.max_stale).ok_or(fault)?,
            },
        };
        let (bytes, etag) = known.page.get_or_init(|| {
            let members = rewrite(Map::clone(&known.members), route, outside);
            let bytes = Bytes::from(serde_json::to_vec(&members).unwrap_or_default());
            let etag = entity_tag(&bytes);
            (bytes, etag)
        });
        let fresh_for = route.max_age.saturating_sub(now.since(known.fetched));
        Ok(Page { bytes: bytes.clone(), etag: etag.clone(), fresh_for })
    }

    /// Takes over what others know of the same document, unless this one knows better.
    pub(super) fn adopt(&self, older: &Self) {
        for slot in &self.0 {
            let same = older.0.iter().find(|other| other.listener == slot.listener && other.host == slot.host);
            let Some(theirs) = same.and_then(|other| other.state.known.load_full()) else { continue };
            if slot.state.known.load().as_ref().is_none_or(|mine| mine.fetched < theirs.fetched) {
                // Rewritten anew: routes and policies may have changed.
                slot.state.known.store(Some(Arc::new(Known::new(Arc::clone(&theirs.members), theirs.fetched))));
            }
        }
    }
}

impl Known {
    const fn new(members: Arc<Map<String, Value>>, fetched: Timestamp) -> Self {
        Self { members, fetched, page: OnceLock::new() }
    }
}

impl State {
    /// What is known, if it is not older than this.
    fn known(&self, now: Timestamp, age: Duration) -> Option<Arc<Known>> {
        self.known.load_full().filter(|known| now.since(known.fetched) < age)
    }

    /// Asks the identity server, unless another request has just done so.
    async fn refresh(
        self: &Arc<Self>,
        route: &DiscoveryRoute,
        outside: &Outside<'_>,
        now: Timestamp,
        clock: &Arc<dyn Clock>,
    ) -> Result<Arc<Known>, Unobtainable> {
        let mut gate = Arc::clone(&self.gate).lock_owned().await;
        if let Some(known) = self.known(now, route.max_age) {
            return Ok(known);
        }
        if let Some((_, fault)) = gate.filter(|(failed, _)| now.since(*failed) < COOL_DOWN) {
            return Err(fault);
        }
        let target = route.public.admit(route.to.clone()).ok_or(Unobtainable::Unusable)?;
        let mut headers = HeaderMap::new();
        outside.host.public_base.write_own(&mut headers);
        let (state, upstream, clock) = (Arc::clone(self), Arc::clone(&route.upstream), Arc::clone(clock));
        // A task of its own: the client that asked may hang up, the others still wait for the outcome.
        let task = tokio::spawn(async move {
            let asked = clock.now();
            match fetch(&upstream, target, headers).await {
                Ok(members) => {
                    let known = Arc::new(Known::new(Arc::new(members), asked));
                    state.known.store(Some(Arc::clone(&known)));
                    *gate = None;
                    Ok(known)
                }
                Err(fault) => {
                    *gate = Some((clock.now(), fault));
                    Err(fault)
                }
            }
        });
        task.await.unwrap_or(Err(Unobtainable::Unavailable))
    }
}

async fn fetch(
    upstream: &Upstream,
    target: PublicTarget,
    headers: HeaderMap,
) -> Result<Map<String, Value>, Unobtainable> {
    let told = |why: &dyn std::fmt::Display, fault| {
        tracing::warn!(upstream = &*upstream.name, %why, "the identity server's metadata cannot be had");
        fault
    };
    let reply = upstream.document(target, headers, DOCUMENT.bytes, DEADLINE).await.map_err(|error| match error {
        SendError::TooLarge => told(&error, Unobtainable::Unusable),
        _ => told(&error, Unobtainable::Unavailable),
    })?;
    match reply.status.as_u16() {
        200 => {}
        429 | 500.. => return Err(told(&reply.status, Unobtainable::Unavailable)),
        _ => return Err(told(&reply.status, Unobtainable::Unusable)),
    }
    let members = json::object(&reply.body, &DOCUMENT).map_err(|fault| told(&fault, Unobtainable::Unusable))?;
    // RFC 8414 §2: REQUIRED; without it this is some other document.
    if members.get("issuer").is_some_and(Value::is_string) {
        Ok(members)
    } else {
        Err(told(&"it names no issuer", Unobtainable::Unusable))
    }
}

/// Strong: over every byte.
fn entity_tag(bytes: &[u8]) -> HeaderValue {
    let tag = URL_SAFE_NO_PAD.encode(Digest::of(bytes).as_bytes());
    HeaderValue::try_from(format!("\"{tag}\"")).unwrap_or(HeaderValue::from_static("\"\""))
}

/// Metadata of large identity servers has some 12 KB and 100 members.
const DOCUMENT: Limits = Limits { bytes: 256 * 1024, depth: 8, items: 1000, nodes: 5000, string: 8 * 1024 };

/// Whoever asks waits for this long at most, twice when it comes in the midst of another fetch.
const DEADLINE: Duration = Duration::from_secs(5);

/// After a failure the identity server is left alone for this long, whoever asks.
const COOL_DOWN: Duration = Duration::from_secs(5);
