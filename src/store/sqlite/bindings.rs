//! The SQL of bindings: who owns a client, and what becomes of it when a decision ends.

use rusqlite::types::Value as Column;
use rusqlite::{Connection, Row, params, params_from_iter};
use serde_json::{Map, Value};

use super::apply::{decision_id, unreadable};
use crate::model::binding::{Binding, MadeFrom, SealedToken};
use crate::model::digest::Digest;
use crate::model::id::{AuthorityName, DecisionId};
use crate::model::time::Timestamp;
use crate::store::change::BindingChange;
use crate::store::error::StoreError;
use crate::store::query::ClientFilter;

/// Carries it out, within the writer's transaction.
pub(super) fn change(connection: &Connection, change: &BindingChange) -> Result<(), StoreError> {
    match change {
        BindingChange::Registered(binding) => {
            if !insert(connection, binding)? {
                delete(connection, &binding.upstream, &binding.client_id)?;
                insert(connection, binding)?;
            }
        }
        BindingChange::Adopted(binding) => {
            insert(connection, binding)?;
        }
        BindingChange::Updated(binding) => update(connection, binding)?,
        BindingChange::Deleted { upstream, client_id, decision } => {
            delete_owned(connection, upstream, client_id, *decision)?;
        }
    }
    Ok(())
}

/// Forgets a client that this decision registered, and tells how many claims became free with it.
pub(super) fn delete_owned(
    connection: &Connection,
    upstream: &str,
    client_id: &str,
    decision: DecisionId,
) -> Result<usize, StoreError> {
    let decision = decision.to_string();
    connection
        .prepare_cached("DELETE FROM bindings WHERE upstream = $1 AND client_id = $2 AND decision = $3")?
        .execute(params![upstream, client_id, decision])?;
    // What was used once stays used.
    Ok(connection
        .prepare_cached(
            "DELETE FROM claims
             WHERE decision = $1 AND expires IS NULL AND kind NOT IN ('jti', 'token-use')",
        )?
        .execute([decision])?)
}

fn insert(connection: &Connection, binding: &Binding) -> Result<bool, StoreError> {
    let rows = connection
        .prepare_cached(
            "INSERT INTO bindings (authority, organisation, software, policy, certificate, certificate_expires,
                                   subject, token_fingerprint, token_expires, token_key_id, sealed_token, metadata,
                                   updated, template, template_digest, template_own, decision, upstream, client_id,
                                   registered)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20)
             ON CONFLICT DO NOTHING",
        )?
        .execute(params_from_iter(written(binding)?))?;
    Ok(rows == 1)
}

/// The columns of a binding, in the order in which an insertion has them.
fn written(binding: &Binding) -> Result<[Column; 20], StoreError> {
    let text = |text: Option<&str>| Column::from(text.map(str::to_owned));
    let blob = |bytes: Option<&[u8]>| Column::from(bytes.map(<[u8]>::to_vec));
    let time = |time: Option<Timestamp>| Column::from(time.map(Timestamp::unix_micros));
    let (token, template) = (binding.sealed_token.as_ref(), binding.template.as_ref());
    Ok([
        text(binding.authority.as_ref().map(AuthorityName::as_str)),
        text(binding.organisation.as_deref()),
        text(binding.software.as_deref()),
        binding.policy.clone().into(),
        blob(binding.certificate.as_ref().map(|digest| &digest.as_bytes()[..])),
        time(binding.certificate_expires),
        text(binding.subject.as_deref()),
        blob(binding.token_fingerprint.as_ref().map(|digest| &digest.as_bytes()[..])),
        time(binding.token_expires),
        text(token.map(|token| &*token.key_id)),
        blob(token.map(|token| &*token.blob)),
        json(&binding.metadata)?.into(),
        time(binding.updated),
        text(template.map(|template| &*template.name)),
        blob(template.map(|template| &template.digest.as_bytes()[..])),
        own(binding)?.into(),
        binding.decision.to_string().into(),
        binding.upstream.clone().into(),
        binding.client_id.clone().into(),
        binding.registered.unix_micros().into(),
    ])
}

/// An update changes all but the time of the registration, the last of them.
const OF_UPDATES: usize = 19;

fn update(connection: &Connection, binding: &Binding) -> Result<(), StoreError> {
    connection
        .prepare_cached(
            "UPDATE bindings SET authority = $1, organisation = $2, software = $3, policy = $4, certificate = $5,
                    certificate_expires = $6, subject = $7, token_fingerprint = $8, token_expires = $9,
                    token_key_id = $10, sealed_token = $11, metadata = $12, updated = $13,
                    template = $14, template_digest = $15, template_own = $16
             WHERE decision = $17 AND upstream = $18 AND client_id = $19",
        )?
        .execute(params_from_iter(written(binding)?.into_iter().take(OF_UPDATES)))?;
    Ok(())
}

fn delete(connection: &Connection, upstream: &str, client_id: &str) -> Result<(), StoreError> {
    connection
        .prepare_cached("DELETE FROM bindings WHERE upstream = $1 AND client_id = $2")?
        .execute([upstream, client_id])?;
    Ok(())
}

/// Who owns a client.
pub(super) fn find(connection: &Connection, upstream: &str, client_id: &str) -> Result<Option<Binding>, StoreError> {
    let mut statement = connection.prepare_cached(
        "SELECT authority, organisation, software, policy, certificate, certificate_expires, subject,
                token_fingerprint, token_expires, token_key_id, sealed_token, metadata, updated, decision, registered,
                upstream, client_id, template, template_digest, template_own
         FROM bindings WHERE upstream = $1 AND client_id = $2",
    )?;
    let mut rows = statement.query([upstream, client_id])?;
    rows.next()?.map(binding).transpose()
}

/// The clients that a filter lets through, those that were registered last first.
pub(super) fn list(connection: &Connection, filter: &ClientFilter) -> Result<Vec<Binding>, StoreError> {
    let mut statement = connection.prepare_cached(
        "SELECT authority, organisation, software, policy, certificate, certificate_expires, subject,
                token_fingerprint, token_expires, token_key_id, sealed_token, metadata, updated, decision, registered,
                upstream, client_id, template, template_digest, template_own
         FROM bindings
         WHERE ($1 IS NULL OR upstream = $1) AND ($2 IS NULL OR client_id = $2)
           AND ($3 IS NULL OR organisation = $3) AND ($4 IS NULL OR software = $4) AND ($5 IS NULL OR policy = $5)
           AND ($6 IS NULL OR template = $6)
         ORDER BY registered DESC, upstream, client_id LIMIT $7",
    )?;
    let ClientFilter { upstream, client_id, organisation, software, policy, template, limit } = filter;
    let mut rows = statement.query(params![upstream, client_id, organisation, software, policy, template, limit])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        found.push(binding(row)?);
    }
    Ok(found)
}

/// A row of all columns, in the order of the two questions above.
fn binding(row: &Row<'_>) -> Result<Binding, StoreError> {
    let time = |index| row.get::<_, Option<i64>>(index).map(|time| time.map(Timestamp::from_unix_micros));
    let sealed_token = match (row.get(9)?, row.get(10)?) {
        (Some(key_id), Some(blob)) => Some(SealedToken { key_id, blob }),
        _ => None,
    };
    let template = match (row.get(17)?, digest(row, 18)?, row.get::<_, Option<String>>(19)?) {
        (Some(name), Some(digest), Some(own)) => {
            let own = serde_json::from_str(&own).map_err(|_| unreadable("what of a client is its own"))?;
            Some(MadeFrom { name, digest, own })
        }
        _ => None,
    };
    let metadata: String = row.get(11)?;
    let metadata: Map<String, Value> =
        serde_json::from_str(&metadata).map_err(|_| unreadable("a client's metadata"))?;
    Ok(Binding {
        upstream: row.get(15)?,
        client_id: row.get(16)?,
        authority: row.get::<_, Option<String>>(0)?.map(AuthorityName::new),
        organisation: row.get(1)?,
        software: row.get(2)?,
        policy: row.get(3)?,
        certificate: digest(row, 4)?,
        certificate_expires: time(5)?,
        subject: row.get(6)?,
        token_fingerprint: digest(row, 7)?,
        token_expires: time(8)?,
        sealed_token,
        metadata,
        template,
        updated: time(12)?,
        decision: decision_id(&row.get::<_, String>(13)?)?,
        registered: Timestamp::from_unix_micros(row.get(14)?),
    })
}

/// A client whose registration access token has one of these fingerprints: upstream and client id.
pub(super) fn find_by_token(
    connection: &Connection,
    fingerprints: &[Digest],
) -> Result<Option<(String, String)>, StoreError> {
    let mut statement =
        connection.prepare_cached("SELECT upstream, client_id FROM bindings WHERE token_fingerprint = $1")?;
    for fingerprint in fingerprints {
        let mut rows = statement.query([fingerprint.as_bytes()])?;
        if let Some(row) = rows.next()? {
            return Ok(Some((row.get(0)?, row.get(1)?)));
        }
    }
    Ok(None)
}

fn own(binding: &Binding) -> Result<Option<String>, StoreError> {
    let own = binding.template.as_ref().map(|template| serde_json::to_string(&template.own));
    own.transpose().map_err(|_| unreadable("what of a client is its own"))
}

fn json(metadata: &Map<String, Value>) -> Result<String, StoreError> {
    serde_json::to_string(metadata).map_err(|_| unreadable("a client's metadata"))
}

fn digest(row: &Row<'_>, index: usize) -> Result<Option<Digest>, StoreError> {
    match row.get_ref(index)? {
        rusqlite::types::ValueRef::Null => Ok(None),
        bytes => bytes.as_blob().ok().and_then(Digest::from_bytes).map(Some).ok_or_else(|| unreadable("a digest")),
    }
}
