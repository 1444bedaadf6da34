//! Evidence for a decision, from caches and, within a budget, from the network.
//!
//! Nothing that a stranger wrote is ever fetched: key sets come from configured
//! locations, a software's own keys from the URI in a statement whose signature
//! was verified first, and the document of a sector from where a request says that
//! passed every gate; both on hosts that the policy allows.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::connection::{Connection, Presented};
use super::decide::{Question, request_header, sector_address, statement_header};
use super::decode::Sent;
use super::routes::PolicyUse;
use super::snapshot::Snapshot;
use super::{sector, signer};
use crate::jose::Algorithm;
use crate::model::evidence::{Evidence, Known};
use crate::model::peer::{Judgement, Peer};
use crate::model::time::Timestamp;
use crate::policy::Signer;

/// All fetching for one request ends after this: a caller waits for a directory no longer.
const BUDGET: Duration = Duration::from_secs(4);

/// The certificate's evidence, which needs no network.
pub fn peer(connection: &Connection, snapshot: &Snapshot, now: Timestamp) -> Known<(Arc<Peer>, Arc<Judgement>)> {
    match &connection.peer {
        Presented::Nothing => Known::Absent,
        Presented::Unreadable => Known::Unavailable("the presented certificate cannot be read".into()),
        Presented::Certificate(_) => connection.judgement(snapshot, now).map_or(Known::Absent, Known::Value),
    }
}

/// The rest, once the policy is known, beside what is known of the caller.
pub async fn gather(
    snapshot: &Snapshot,
    policy: &PolicyUse,
    question: &Question<'_>,
    mut evidence: Evidence,
) -> Evidence {
    let (request, now) = (question.request, question.now);
    // A certificate that nobody vouches for causes no fetch, and none only where the policy does without.
    let passes = match &evidence.peer {
        Known::Value((_, judgement)) => policy.is_vouched_for(judgement),
        Known::Absent => !policy.policy.certificate().required,
        Known::Unavailable(_) => false,
    };
    if !passes {
        return evidence;
    }
    evidence.signer =
        signer::signer_of(&policy.policy, &request.members, |signer| snapshot.authorities.judge_signer(signer, now));
    let late: Arc<str> = "not fetched within the budget of one request".into();
    let deadline = Instant::now() + BUDGET;
    if tokio::time::timeout_at(deadline, fetch(snapshot, policy, request, &mut evidence)).await.is_err() {
        if evidence.statement_key.value().is_none() {
            evidence.statement_key = Known::Unavailable(Arc::clone(&late));
        }
        evidence.software_keys = Known::Unavailable(Arc::clone(&late));
    }
    // Last, since it is the request's own word: only what passed every gate with the evidence so far is worth it.
    if let Some(address) = sector_address(question, &evidence) {
        let found = tokio::time::timeout_at(deadline, sector::fetch(&snapshot.fetcher, &address)).await;
        evidence.sector = found.unwrap_or(Known::Unavailable(late));
    }
    evidence
}

async fn fetch(snapshot: &Snapshot, policy: &PolicyUse, request: &Sent, evidence: &mut Evidence) {
    let Some(wanted) = policy.policy.statement() else { return };
    let allowed: Vec<Algorithm> = wanted.algorithms.iter().filter_map(|name| Algorithm::parse(name)).collect();
    let (compact, key) = match wanted.signer {
        Signer::Directory => {
            let (Some(set), Some(compact)) = (&policy.statement_keys, statement_header(request)) else { return };
            if !allowed.contains(&compact.header().algorithm) {
                return;
            }
            evidence.statement_key = snapshot.key_sets.key(set, compact.header()).await;
            let Some(key) = evidence.statement_key.value() else { return };
            (compact, Arc::clone(key))
        }
        // Nothing is fetched for a certificate that nobody vouches for.
        Signer::Certificate => {
            let vouched = evidence.signer.value().is_some_and(|(_, judgement)| policy.is_vouched_for(judgement));
            let Some((compact, key)) = signer::certified_statement(request).filter(|_| vouched) else { return };
            (compact, Arc::new(key))
        }
    };
    let Some(software) = policy.policy.software_keys() else { return };
    let signed = policy.policy.request().map(|wanted| request_header(wanted, request));
    // A request that is refused for its header alone causes no fetch.
    if matches!(signed, Some(None)) {
        return;
    }
    if let Ok(statement) = compact.verify(&key, &allowed)
        && let Some(url) = policy.policy.claim(&statement.claims, &software.claim)
    {
        evidence.software_keys = match signed.flatten() {
            Some(header) => snapshot.software_keys.fetch_for(url, &software.fetch_hosts, &header).await,
            None => snapshot.software_keys.fetch(url, &software.fetch_hosts).await,
        };
    }
}
