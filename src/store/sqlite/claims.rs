//! The SQL of claims: taking what is single, taking one unit of a quota, giving back.
//!
//! The unique key decides, not a count that was read before: of two proxies that
//! ask at once one gets the row, and the other sees that it did not.

use std::sync::Arc;

use rusqlite::{Connection, OptionalExtension, params};

use super::apply::decision_id;
use crate::model::binding::Binding;
use crate::model::claim::{Claim, ClaimKind};
use crate::model::id::DecisionId;
use crate::model::time::Timestamp;
use crate::store::error::StoreError;
use crate::store::operation::Release;

/// What came of asking for a claim.
pub(super) enum Take {
    /// The decision holds it.
    Taken,
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

/// Takes a claim, within the writer's transaction.
pub(super) fn take(connection: &Connection, claim: &Claim, decision: &str, at: Timestamp) -> Result<Take, StoreError> {
    if claim.kind == ClaimKind::Quota {
        take_unit(connection, claim, decision, at)
    } else {
        take_single(connection, claim, decision, at)
    }
}

fn take_single(connection: &Connection, claim: &Claim, decision: &str, at: Timestamp) -> Result<Take, StoreError> {
    if insert(connection, claim, 0, decision, at)? {
        return Ok(Take::Taken);
    }
    let kind = claim.kind.as_str();
    let holder: String = connection
        .prepare_cached("SELECT decision FROM claims WHERE kind = $1 AND key = $2 AND unit = 0")?
        .query_row(params![kind, &*claim.key], |row| row.get(0))?;
    if holder == decision || claim.owner.is_some_and(|owner| owner.to_string() == holder) {
        return Ok(Take::Taken);
    }
    // One that has expired and was not purged yet is free.
    let rows = connection
        .prepare_cached(
            "UPDATE claims SET decision = $1, expires = $2, taken = $3
             WHERE kind = $4 AND key = $5 AND unit = 0 AND expires <= $3",
        )?
        .execute(params![decision, claim.expires.map(Timestamp::unix_micros), at.unix_micros(), kind, &*claim.key])?;
    Ok(if rows == 1 { Take::Taken } else { Take::HeldBy(decision_id(&holder)?) })
}

/// The lowest unit that is free, if fewer are held than there are. Both are asked: a limit that was lowered may
/// leave units held above it, and a count alone would not keep two proxies apart.
fn take_unit(connection: &Connection, claim: &Claim, decision: &str, at: Timestamp) -> Result<Take, StoreError> {
    let kind = claim.kind.as_str();
    connection
        .prepare_cached("DELETE FROM claims WHERE kind = $1 AND key = $2 AND expires <= $3")?
        .execute(params![kind, &*claim.key, at.unix_micros()])?;
    let (held, own): (u32, bool) = connection
        .prepare_cached("SELECT count(*), coalesce(max(decision = $1), 0) FROM claims WHERE kind = $2 AND key = $3")?
        .query_row(params![decision, kind, &*claim.key], |row| Ok((row.get(0)?, row.get(1)?)))?;
    if own {
        return Ok(Take::Taken);
    }
    if held < claim.units {
        // Where nothing was given back yet, the units that are held are the first ones.
        if insert(connection, claim, held, decision, at)? {
            return Ok(Take::Taken);
        }
        let unit = lowest_free(connection, claim)?;
        // For the only writer it is free; beside another one it may have been taken just now.
        if unit < claim.units && insert(connection, claim, unit, decision, at)? {
            return Ok(Take::Taken);
        }
    }
    let (holder, until): (String, Option<i64>) = connection
        .prepare_cached(
            "SELECT decision, expires FROM claims WHERE kind = $1 AND key = $2
             ORDER BY expires, taken, unit LIMIT 1",
        )?
        .query_row(params![kind, &*claim.key], |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok(Take::Exhausted { holder: decision_id(&holder)?, until: until.map(Timestamp::from_unix_micros) })
}

fn lowest_free(connection: &Connection, claim: &Claim) -> Result<u32, StoreError> {
    let found: Option<u32> = connection
        .prepare_cached(
            "SELECT free FROM
               (SELECT 0 AS free UNION ALL SELECT unit + 1 FROM claims WHERE kind = $1 AND key = $2)
             WHERE NOT EXISTS (SELECT 1 FROM claims WHERE kind = $1 AND key = $2 AND unit = free)
             ORDER BY free LIMIT 1",
        )?
        .query_row(params![claim.kind.as_str(), &*claim.key], |row| row.get(0))
        .optional()?;
    Ok(found.unwrap_or(claim.units))
}

fn insert(
    connection: &Connection,
    claim: &Claim,
    unit: u32,
    decision: &str,
    at: Timestamp,
) -> Result<bool, StoreError> {
    let expires = claim.expires.map(Timestamp::unix_micros);
    let rows = connection
        .prepare_cached(
            "INSERT INTO claims (kind, key, unit, decision, expires, taken)
             VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING",
        )?
        .execute(params![claim.kind.as_str(), &*claim.key, unit, decision, expires, at.unix_micros()])?;
    Ok(rows == 1)
}

/// Gives what an update took for its client to the registration of that client, which holds all that the client
/// keeps; frees it where the client was deleted meanwhile.
pub(super) fn settle<'c>(
    connection: &Connection,
    claims: impl Iterator<Item = (ClaimKind, &'c Arc<str>)>,
    decision: &str,
    client: &Binding,
) -> Result<(), StoreError> {
    let registration = client.decision.to_string();
    for (kind, key) in claims.filter(|(kind, _)| *kind == ClaimKind::Slot) {
        let rows = connection
            .prepare_cached(
                "UPDATE claims SET decision = $1 WHERE kind = $2 AND key = $3 AND decision = $4
                 AND EXISTS (SELECT 1 FROM bindings WHERE upstream = $5 AND client_id = $6 AND decision = $1)",
            )?
            .execute(params![registration, kind.as_str(), &**key, decision, client.upstream, client.client_id])?;
        if rows == 0 {
            connection
                .prepare_cached("DELETE FROM claims WHERE kind = $1 AND key = $2 AND decision = $3")?
                .execute(params![kind.as_str(), &**key, decision])?;
        }
    }
    Ok(())
}

/// Gives back what the decision holds of these claims, as far as the release frees their kind.
pub(super) fn release<'c>(
    connection: &Connection,
    claims: impl Iterator<Item = (ClaimKind, &'c Arc<str>)>,
    decision: &str,
    release: Release,
) -> Result<(), StoreError> {
    for (kind, key) in claims.filter(|(kind, _)| release.frees(*kind)) {
        connection
            .prepare_cached("DELETE FROM claims WHERE kind = $1 AND key = $2 AND decision = $3")?
            .execute(params![kind.as_str(), &**key, decision])?;
    }
    Ok(())
}

/// Gives back whatever a decision holds, and tells how much that was.
pub(super) fn release_all(connection: &Connection, decision: DecisionId) -> Result<usize, StoreError> {
    // Without an index on the decision, which every registration would pay for, this reads the whole table.
    let rows = connection.prepare_cached("DELETE FROM claims WHERE decision = $1")?.execute([decision.to_string()])?;
    Ok(rows)
}
