//! The SQL of bindings: who owns a client, and what becomes of it when a decision ends.

use serde_json::{Map, Value as Json};
use tokio_postgres::Row;

use super::book::decision_id;
use super::claims::storable;
use super::session::{Session, Value};
use super::trouble::Trouble;
use crate::model::binding::{Binding, MadeFrom, SealedToken};
use crate::model::digest::Digest;
use crate::model::id::{AuthorityName, DecisionId};
use crate::model::time::Timestamp;
use crate::store::change::BindingChange;
use crate::store::query::ClientFilter;

/// Carries it out, within the writer's transaction.
pub(super) async fn change(session: &Session, change: &BindingChange) -> Result<(), Trouble> {
    match change {
        BindingChange::Registered(binding) => write(session, REGISTER, binding).await,
        BindingChange::Adopted(binding) => write(session, ADOPT, binding).await,
        // The same registration only: the client may have been deleted meanwhile, and its id given out again.
        BindingChange::Updated(binding) => write(session, UPDATE, binding).await,
        BindingChange::Deleted { upstream, client_id, decision } => {
            delete_owned(session, upstream, client_id, *decision).await.map(|_| ())
        }
    }
}

/// Forgets a client that this decision registered, and tells how many claims became free with it.
pub(super) async fn delete_owned(
    session: &Session,
    upstream: &str,
    client_id: &str,
    decision: DecisionId,
) -> Result<usize, Trouble> {
    let decision = decision.to_string();
    session.execute(DELETE, &[&storable(upstream), &storable(client_id), &decision]).await?;
    // What was used once stays used.
    let rows = session.execute(GIVE_BACK, &[&decision]).await?;
    Ok(usize::try_from(rows).unwrap_or(usize::MAX))
}

/// Which client a change is about.
pub(super) fn client(change: &BindingChange) -> (&str, &str) {
    match change {
        BindingChange::Registered(binding) | BindingChange::Adopted(binding) | BindingChange::Updated(binding) => {
            (&binding.upstream, &binding.client_id)
        }
        BindingChange::Deleted { upstream, client_id, .. } => (upstream, client_id),
    }
}

async fn write(session: &Session, sql: &'static str, binding: &Binding) -> Result<(), Trouble> {
    let text = |text: &Option<String>| text.as_deref().map(storable);
    let time = |time: Option<Timestamp>| time.map(Timestamp::unix_micros);
    let metadata = serde_json::to_string(&binding.metadata).map_err(|_| Trouble::unreadable("a client's metadata"))?;
    let template = binding.template.as_ref();
    let own = template.map(|template| serde_json::to_string(&template.own)).transpose();
    let own = own.map_err(|_| Trouble::unreadable("what of a client is its own"))?;
    let values: [Value<'_>; 20] = [
        &binding.authority.as_ref().map(AuthorityName::as_str),
        &text(&binding.organisation),
        &text(&binding.software),
        &binding.policy,
        &binding.certificate.as_ref().map(|digest| digest.as_bytes().as_slice()),
        &time(binding.certificate_expires),
        &text(&binding.subject),
        &binding.token_fingerprint.as_ref().map(|digest| digest.as_bytes().as_slice()),
        &time(binding.token_expires),
        &binding.sealed_token.as_ref().map(|token| token.key_id.as_str()),
        &binding.sealed_token.as_ref().map(|token| token.blob.as_slice()),
        &metadata,
        &time(binding.updated),
        &binding.decision.to_string(),
        &storable(&binding.upstream),
        &storable(&binding.client_id),
        &binding.registered.unix_micros(),
        &template.map(|template| template.name.as_str()),
        &template.map(|template| template.digest.as_bytes().as_slice()),
        &own,
    ];
    session.execute(sql, &values).await?;
    Ok(())
}

/// Who owns a client.
pub(super) async fn find(session: &Session, upstream: &str, client_id: &str) -> Result<Option<Binding>, Trouble> {
    let row = session.row(FIND, &[&storable(upstream), &storable(client_id)]).await?;
    row.as_ref().map(binding).transpose()
}

/// The clients that a filter lets through, those that were registered last first.
pub(super) async fn list(session: &Session, filter: &ClientFilter) -> Result<Vec<Binding>, Trouble> {
    let ClientFilter { upstream, client_id, organisation, software, policy, template, limit } = filter;
    let values: [Value<'_>; 7] = [upstream, client_id, organisation, software, policy, template, &i64::from(*limit)];
    session.query(LIST, &values).await?.iter().map(binding).collect()
}

/// A row of all columns, in the order of the two questions.
fn binding(row: &Row) -> Result<Binding, Trouble> {
    let time = |index| row.try_get::<_, Option<i64>>(index).map(|time| time.map(Timestamp::from_unix_micros));
    let sealed_token = match (row.try_get(9)?, row.try_get(10)?) {
        (Some(key_id), Some(blob)) => Some(SealedToken { key_id, blob }),
        _ => None,
    };
    let template = match (row.try_get(17)?, digest(row, 18)?, row.try_get::<_, Option<&str>>(19)?) {
        (Some(name), Some(digest), Some(own)) => {
            let own = serde_json::from_str(own).map_err(|_| Trouble::unreadable("what of a client is its own"))?;
            Some(MadeFrom { name, digest, own })
        }
        _ => None,
    };
    let metadata: Map<String, Json> =
        serde_json::from_str(row.try_get(11)?).map_err(|_| Trouble::unreadable("a client's metadata"))?;
    Ok(Binding {
        upstream: row.try_get(15)?,
        client_id: row.try_get(16)?,
        authority: row.try_get::<_, Option<String>>(0)?.map(AuthorityName::new),
        organisation: row.try_get(1)?,
        software: row.try_get(2)?,
        policy: row.try_get(3)?,
        certificate: digest(row, 4)?,
        certificate_expires: time(5)?,
        subject: row.try_get(6)?,
        token_fingerprint: digest(row, 7)?,
        token_expires: time(8)?,
        sealed_token,
        metadata,
        template,
        updated: time(12)?,
        decision: decision_id(row.try_get(13)?)?,
        registered: Timestamp::from_unix_micros(row.try_get(14)?),
    })
}

/// A client whose registration access token has one of these fingerprints: upstream and client id.
pub(super) async fn find_by_token(
    session: &Session,
    fingerprints: &[Digest],
) -> Result<Option<(String, String)>, Trouble> {
    let fingerprints: Vec<&[u8]> = fingerprints.iter().map(|digest| digest.as_bytes().as_slice()).collect();
    let row = session.row(FIND_BY_TOKEN, &[&fingerprints]).await?;
    row.map(|row| Ok((row.try_get(0)?, row.try_get(1)?))).transpose()
}

fn digest(row: &Row, index: usize) -> Result<Option<Digest>, Trouble> {
    let bytes: Option<&[u8]> = row.try_get(index)?;
    bytes.map(|bytes| Digest::from_bytes(bytes).ok_or_else(|| Trouble::unreadable("a digest"))).transpose()
}

/// An identity server that gives out an id again replaces the row.
const REGISTER: &str = "
    INSERT INTO bindings (authority, organisation, software, policy, certificate, certificate_expires, subject,
                          token_fingerprint, token_expires, token_key_id, sealed_token, metadata, updated, decision,
                          upstream, client_id, registered, template, template_digest, template_own)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20)
    ON CONFLICT (upstream, client_id) DO UPDATE SET
        authority = excluded.authority, organisation = excluded.organisation, software = excluded.software,
        policy = excluded.policy, certificate = excluded.certificate,
        certificate_expires = excluded.certificate_expires, subject = excluded.subject,
        token_fingerprint = excluded.token_fingerprint, token_expires = excluded.token_expires,
        token_key_id = excluded.token_key_id, sealed_token = excluded.sealed_token, metadata = excluded.metadata,
        updated = excluded.updated, decision = excluded.decision, registered = excluded.registered,
        template = excluded.template, template_digest = excluded.template_digest,
        template_own = excluded.template_own";

const ADOPT: &str = "
    INSERT INTO bindings (authority, organisation, software, policy, certificate, certificate_expires, subject,
                          token_fingerprint, token_expires, token_key_id, sealed_token, metadata, updated, decision,
                          upstream, client_id, registered, template, template_digest, template_own)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20)
    ON CONFLICT DO NOTHING";

const UPDATE: &str = "
    UPDATE bindings SET authority = $1, organisation = $2, software = $3, policy = $4, certificate = $5,
        certificate_expires = $6, subject = $7, token_fingerprint = $8, token_expires = $9, token_key_id = $10,
        sealed_token = $11, metadata = $12, updated = $13, template = $18, template_digest = $19,
        template_own = $20
    WHERE decision = $14 AND upstream = $15 AND client_id = $16 AND registered <= $17";

const DELETE: &str = "DELETE FROM bindings WHERE upstream = $1 AND client_id = $2 AND decision = $3";

const GIVE_BACK: &str = "
    DELETE FROM claims WHERE decision = $1 AND expires IS NULL AND kind NOT IN ('jti', 'token-use')";

const FIND: &str = "
    SELECT authority, organisation, software, policy, certificate, certificate_expires, subject, token_fingerprint,
           token_expires, token_key_id, sealed_token, metadata, updated, decision, registered, upstream, client_id,
           template, template_digest, template_own
    FROM bindings WHERE upstream = $1 AND client_id = $2";

const LIST: &str = "
    SELECT authority, organisation, software, policy, certificate, certificate_expires, subject, token_fingerprint,
           token_expires, token_key_id, sealed_token, metadata, updated, decision, registered, upstream, client_id,
           template, template_digest, template_own
    FROM bindings
    WHERE ($1::text IS NULL OR upstream = $1) AND ($2::text IS NULL OR client_id = $2)
      AND ($3::text IS NULL OR organisation = $3) AND ($4::text IS NULL OR software = $4)
      AND ($5::text IS NULL OR policy = $5) AND ($6::text IS NULL OR template = $6)
    ORDER BY registered DESC, upstream, client_id LIMIT $7";

const FIND_BY_TOKEN: &str = "SELECT upstream, client_id FROM bindings WHERE token_fingerprint = ANY ($1) LIMIT 1";
