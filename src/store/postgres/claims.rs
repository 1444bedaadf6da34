//! The SQL of claims, beside other proxies that take and give back.
//!
//! The unique key decides. The writer holds a lock on every key of its batch (see `locks`), so what
//! a statement sees of a key stays as it is until the commit, and no two batches wait for each other in a circle.

use std::collections::HashSet;
use std::sync::Arc;

use super::book::decision_id;
use super::session::Session;
use super::trouble::Trouble;
use crate::model::binding::Binding;
use crate::model::claim::{Claim, ClaimKind};
use crate::model::id::DecisionId;
use crate::model::time::Timestamp;
use crate::store::operation::Release;

/// Why a claim was not given.
pub(super) enum Taken {
    /// Another decision holds it.
    HeldBy(DecisionId),
    /// Every unit of a quota is held.
    Exhausted {
        /// By this decision, whose unit is the next to become free or the oldest.
        holder: DecisionId,
        /// When that unit becomes free by itself; `None`: not before it is released.
        until: Option<Timestamp>,
    },
}

/// Takes the claims, or tells the first that cannot be had; what was taken besides is then for the caller to give back.
pub(super) async fn take(
    session: &Session,
    claims: &[Claim],
    decision: &str,
    at: Timestamp,
) -> Result<Option<(usize, Taken)>, Trouble> {
    let taken = take_singles(session, claims, decision, at).await?;
    for (index, claim) in claims.iter().enumerate() {
        let refused = if claim.kind == ClaimKind::Quota {
            take_unit(session, claim, decision, at).await?
        } else if taken.contains(&(claim.kind.as_str().to_owned(), storable(&claim.key))) {
            None
        } else {
            take_over(session, claim, decision, at).await?
        };
        if let Some(refused) = refused {
            return Ok(Some((index, refused)));
        }
    }
    Ok(None)
}

/// Takes what is single and free, at once; gives kind and key of each that was.
async fn take_singles(
    session: &Session,
    claims: &[Claim],
    decision: &str,
    at: Timestamp,
) -> Result<HashSet<(String, String)>, Trouble> {
    let singles = || claims.iter().filter(|claim| claim.kind != ClaimKind::Quota);
    if singles().next().is_none() {
        return Ok(HashSet::new());
    }
    let kinds: Vec<&str> = singles().map(|claim| claim.kind.as_str()).collect();
    let keys: Vec<String> = singles().map(|claim| storable(&claim.key)).collect();
    let expiries: Vec<Option<i64>> = singles().map(|claim| claim.expires.map(Timestamp::unix_micros)).collect();
    let rows = session.query(TAKE_SINGLES, &[&kinds, &keys, &expiries, &decision, &at.unix_micros()]).await?;
    rows.iter().map(|row| Ok((row.try_get(0)?, row.try_get(1)?))).collect()
}

/// One that has expired and was not purged yet is free; one that the decision holds is had.
async fn take_over(session: &Session, claim: &Claim, decision: &str, at: Timestamp) -> Result<Option<Taken>, Trouble> {
    let (kind, key) = (claim.kind.as_str(), storable(&claim.key));
    let expires = claim.expires.map(Timestamp::unix_micros);
    let rows = session.execute(TAKE_OVER, &[&kind, &key, &decision, &expires, &at.unix_micros()]).await?;
    if rows == 1 {
        return Ok(None);
    }
    match session.row(HOLDER, &[&kind, &key]).await? {
        Some(row) => {
            let holder = decision_id(row.try_get(0)?)?;
            Ok((claim.owner != Some(holder)).then_some(Taken::HeldBy(holder)))
        }
        // Purged or released by hand between the statements.
        None => Err(Trouble::Again(super::trouble::unreadable("a claim"))),
    }
}

/// The lowest unit that is free, if fewer are held than there are. Both are asked: a limit that was lowered may
/// leave units held above it.
async fn take_unit(session: &Session, claim: &Claim, decision: &str, at: Timestamp) -> Result<Option<Taken>, Trouble> {
    let (kind, key) = (claim.kind.as_str(), storable(&claim.key));
    session.execute(PURGE_UNITS, &[&kind, &key, &at.unix_micros()]).await?;
    let row = session.row(COUNT_UNITS, &[&kind, &key, &decision]).await?;
    let row = row.ok_or_else(|| Trouble::unreadable("a count of units"))?;
    let (held, own, free): (i64, bool, i32) = (row.try_get(0)?, row.try_get(1)?, row.try_get(2)?);
    if own {
        return Ok(None);
    }
    if held < i64::from(claim.units) {
        let expires = claim.expires.map(Timestamp::unix_micros);
        let rows = session.execute(TAKE_UNIT, &[&kind, &key, &free, &decision, &expires, &at.unix_micros()]).await?;
        return if rows == 1 { Ok(None) } else { Err(Trouble::Again(super::trouble::unreadable("a unit"))) };
    }
    let Some(row) = session.row(NEXT_UNIT, &[&kind, &key]).await? else {
        return Err(Trouble::Again(super::trouble::unreadable("a unit")));
    };
    let until: Option<i64> = row.try_get(1)?;
    let holder = decision_id(row.try_get(0)?)?;
    Ok(Some(Taken::Exhausted { holder, until: until.map(Timestamp::from_unix_micros) }))
}

/// Gives what an update took for its client to the registration of that client, which holds all that the client
/// keeps; frees it where the client was deleted meanwhile.
pub(super) async fn settle<'c>(
    session: &Session,
    claims: impl Iterator<Item = (ClaimKind, &'c Arc<str>)>,
    decision: &str,
    client: &Binding,
) -> Result<(), Trouble> {
    let keys: Vec<String> = claims.filter(|(kind, _)| *kind == ClaimKind::Slot).map(|(_, key)| storable(key)).collect();
    if keys.is_empty() {
        return Ok(());
    }
    let registration = client.decision.to_string();
    let (upstream, client_id) = (storable(&client.upstream), storable(&client.client_id));
    session.execute(GIVE_TO_CLIENT, &[&registration, &keys, &decision, &upstream, &client_id]).await?;
    session.execute(FREE_SLOTS, &[&keys, &decision]).await?;
    Ok(())
}

/// Gives back what the decision holds of these claims, as far as the release frees their kind.
pub(super) async fn release<'c>(
    session: &Session,
    claims: impl Iterator<Item = (ClaimKind, &'c Arc<str>)>,
    decision: &str,
    release: Release,
) -> Result<(), Trouble> {
    let (kinds, keys): (Vec<&str>, Vec<String>) =
        claims.filter(|(kind, _)| release.frees(*kind)).map(|(kind, key)| (kind.as_str(), storable(key))).unzip();
    if !kinds.is_empty() {
        session.execute(RELEASE, &[&kinds, &keys, &decision]).await?;
    }
    Ok(())
}

/// Gives back whatever a decision holds, and tells how much that was.
pub(super) async fn release_all(session: &Session, decision: DecisionId) -> Result<usize, Trouble> {
    // Without an index on the decision, which every registration would pay for, this reads the whole table.
    let rows = session.execute("DELETE FROM claims WHERE decision = $1", &[&decision.to_string()]).await?;
    Ok(usize::try_from(rows).unwrap_or(usize::MAX))
}

/// PostgreSQL's text holds every character but NUL, which is stored as U+FFFD.
pub(super) fn storable(text: &str) -> String {
    text.replace('\0', "\u{fffd}")
}

const TAKE_SINGLES: &str = "
    INSERT INTO claims (kind, key, unit, decision, expires, taken)
    SELECT kind, key, 0, $4, expires, $5 FROM unnest($1::text[], $2::text[], $3::bigint[]) AS c (kind, key, expires)
    ON CONFLICT DO NOTHING RETURNING kind, key";

const TAKE_OVER: &str = "
    UPDATE claims SET decision = $3, expires = $4, taken = $5
    WHERE kind = $1 AND key = $2 AND unit = 0 AND (expires <= $5 OR decision = $3)";

const HOLDER: &str = "SELECT decision FROM claims WHERE kind = $1 AND key = $2 AND unit = 0";

const PURGE_UNITS: &str = "DELETE FROM claims WHERE kind = $1 AND key = $2 AND expires <= $3";

const COUNT_UNITS: &str = "
    SELECT count(*), coalesce(bool_or(decision = $3), false),
           (SELECT free FROM (SELECT 0 AS free UNION ALL SELECT unit + 1 FROM claims WHERE kind = $1 AND key = $2) AS f
            WHERE NOT EXISTS (SELECT 1 FROM claims WHERE kind = $1 AND key = $2 AND unit = free)
            ORDER BY free LIMIT 1)
    FROM claims WHERE kind = $1 AND key = $2";

const TAKE_UNIT: &str = "
    INSERT INTO claims (kind, key, unit, decision, expires, taken)
    VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING";

const NEXT_UNIT: &str = "
    SELECT decision, expires FROM claims WHERE kind = $1 AND key = $2
    ORDER BY expires NULLS FIRST, taken, unit LIMIT 1";

const GIVE_TO_CLIENT: &str = "
    UPDATE claims SET decision = $1 WHERE kind = 'slot' AND key = ANY ($2) AND decision = $3
    AND EXISTS (SELECT 1 FROM bindings WHERE upstream = $4 AND client_id = $5 AND decision = $1)";

const FREE_SLOTS: &str = "DELETE FROM claims WHERE kind = 'slot' AND key = ANY ($1) AND decision = $2";

const RELEASE: &str = "
    DELETE FROM claims USING unnest($1::text[], $2::text[]) AS c (k, v)
    WHERE claims.kind = c.k AND claims.key = c.v AND claims.decision = $3";
