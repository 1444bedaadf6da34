//! What every authority says of a presented chain, remembered while it holds.
//!
//! Judging is pure: it takes the time as a value, fetches nothing, and asks each
//! authority apart, since one store of all anchors could not tell which
//! authority a chain belongs to. The memory dies with this value: a reload of
//! the configuration starts without it.

use std::sync::Arc;
use std::time::Duration;

use moka::sync::Cache;

use super::authority::{Authority, SharedAnchor, validity_edges};
use super::path::{Purpose, unfit};
use crate::model::certificate::Certificate;
use crate::model::digest::Digest;
use crate::model::peer::{Distrust, Judgement, Peer};
use crate::model::time::Timestamp;

/// The configured authorities, in their order.
#[derive(Debug)]
pub struct Authorities {
    authorities: Vec<Authority>,
    trusted: Cache<(Purpose, Digest), Arc<Judgement>>,
    refused: Cache<(Purpose, Digest), Arc<Judgement>>,
}

impl Authorities {
    /// Of these authorities, with nothing remembered.
    pub fn new(authorities: Vec<Authority>) -> Self {
        Self { authorities, trusted: Cache::new(TRUSTED_KEPT), refused: Cache::new(REFUSED_KEPT) }
    }

    /// Judges the chain of a TLS client; a chain that was judged before and trusted costs one lookup.
    pub fn judge(&self, peer: &Peer, now: Timestamp) -> Arc<Judgement> {
        self.judge_for(Purpose::Client, peer, now)
    }

    /// Judges the chain of a certificate that signed a token (RFC 7515 §4.1.6): like a client's, but that its
    /// keyUsage has to allow signatures and no extended key usage is asked for.
    pub fn judge_signer(&self, signer: &Peer, now: Timestamp) -> Arc<Judgement> {
        self.judge_for(Purpose::Token, signer, now)
    }

    fn judge_for(&self, purpose: Purpose, peer: &Peer, now: Timestamp) -> Arc<Judgement> {
        let key = (purpose, peer.digest);
        let holds = |judgement: &Arc<Judgement>| judgement.holds(now);
        let remembered = self.trusted.get(&key).filter(holds);
        if let Some(judgement) = remembered.or_else(|| self.refused.get(&key).filter(holds)) {
            return judgement;
        }
        let judgement = Arc::new(self.judge_anew(purpose, peer, now));
        let cache = if judgement.trusted().is_some() { &self.trusted } else { &self.refused };
        cache.insert(key, Arc::clone(&judgement));
        judgement
    }

    /// Anchors that two authorities share; a chain that ends in one belongs to both, which is seldom meant.
    pub fn shared_anchors(&self) -> Vec<SharedAnchor> {
        let pairs = self.authorities.iter().enumerate();
        pairs
            .flat_map(|(i, first)| self.authorities.iter().skip(i + 1).filter_map(|second| first.shared_with(second)))
            .collect()
    }

    fn judge_anew(&self, purpose: Purpose, peer: &Peer, now: Timestamp) -> Judgement {
        let leaf = match peer.chain.first().map(webpki::EndEntityCert::try_from) {
            Some(Ok(leaf)) => unfit(&peer.certificate, purpose).map_or(Ok(leaf), Err),
            _ => Err(Distrust::Malformed),
        };
        let verdicts = self.authorities.iter().map(|authority| {
            let verdict = leaf.as_ref().map_err(|distrust| *distrust);
            (authority.name.clone(), verdict.and_then(|leaf| authority.verdict(peer, leaf, purpose, now)))
        });
        let verdicts = verdicts.collect();
        let (not_before, valid_until) = self.span(peer, now);
        Judgement { verdicts, not_before, valid_until }
    }

    /// The time around now in which nothing begins or ends, and so no verdict can change.
    fn span(&self, peer: &Peer, now: Timestamp) -> (Timestamp, Timestamp) {
        let sent: Vec<_> = peer.chain.iter().filter_map(|der| Certificate::from_der(der).ok()).collect();
        let configured = self.authorities.iter().flat_map(|authority| authority.edges.iter().copied());
        let edges = configured.chain(sent.iter().flat_map(validity_edges));
        edges.fold((Timestamp::from_unix_micros(i64::MIN), now.plus(LONGEST)), |(from, until), edge| {
            if edge <= now { (from.max(edge), until) } else { (from, until.min(edge)) }
        })
    }
}

/// Every third party of a large ecosystem with several certificates each.
const TRUSTED_KEPT: u64 = 10_000;

/// Strangers make these at will, so that they are few and never push out a trusted chain.
const REFUSED_KEPT: u64 = 1_000;

/// The longest that a judgement stands without being made anew.
const LONGEST: Duration = Duration::from_secs(3600);
