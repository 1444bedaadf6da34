//! The SQL of each operation, within a transaction that the writer began.
//!
//! Statements are written for PostgreSQL too: parameters are `$1 …` in the order
//! of their first appearance, a taken key is seen by `ON CONFLICT DO NOTHING`
//! and the count of rows, so that no statement fails in normal operation.

use rusqlite::{Connection, params};

use super::bindings;
use super::claims::{self, Take};
use crate::model::digest::Digest;
use crate::model::id::DecisionId;
use crate::model::time::Timestamp;
use crate::store::chain::{Head, Link};
use crate::store::change::BindingChange;
use crate::store::error::StoreError;
use crate::store::operation::{
    Abandoned, Closing, Effect, Entry, EntryEvent, Freeing, Interruption, Opening, Operation, Release, Stored,
};
use crate::store::seal::SealedAnswer;

/// A writer's chain and the connection that extends it.
pub(super) struct Book<'a> {
    pub(super) connection: &'a Connection,
    pub(super) writer: &'a str,
    pub(super) head: &'a mut Head,
    pub(super) interrupted: fn(&Interruption<'_>) -> Vec<u8>,
    pub(super) now: Timestamp,
}

impl Book<'_> {
    /// Carries out one operation. On an error the caller undoes what was done so far.
    pub(super) fn apply(&mut self, operation: &Operation) -> Result<Effect, StoreError> {
        match operation {
            Operation::Open(opening, ..) => self.open(opening),
            Operation::Close(closing, _) => self.close(closing),
            Operation::Append(entry, _) => self.entry(entry),
            Operation::Take(claim, decision, at, _) => {
                match claims::take(self.connection, claim, &decision.to_string(), *at)? {
                    Take::Taken => Ok(Effect::Done),
                    Take::HeldBy(_) => Ok(Effect::Conflict(0)),
                    Take::Exhausted { until, .. } => Ok(Effect::Exhausted(0, until)),
                }
            }
            Operation::Release(freeing, note, _) => self.free(freeing, note),
            Operation::Abandon(abandoned) => self.abandon(abandoned),
            Operation::Stop(_) => Ok(Effect::Done),
            #[cfg(test)]
            Operation::Inspect(_) | Operation::Hold(..) => Ok(Effect::Done),
        }
    }

    fn open(&mut self, opening: &Opening) -> Result<Effect, StoreError> {
        let decision = opening.decision.to_string();
        if !self.insert_request(opening, &decision)? {
            match self.known_request(opening)? {
                Some(stored) => return Ok(Effect::Repeated(stored)),
                // Its window ended, and it was not purged yet.
                None => self.insert_request(opening, &decision)?,
            };
        }
        for (index, claim) in opening.claims.iter().enumerate() {
            let (holder, effect) = match claims::take(self.connection, claim, &decision, opening.at)? {
                Take::Taken => continue,
                Take::HeldBy(holder) => (holder, Effect::Conflict(index)),
                Take::Exhausted { holder, until } => (holder, Effect::Exhausted(index, until)),
            };
            let taken = opening.claims.get(..index).unwrap_or_default().iter().map(|claim| (claim.kind, &claim.key));
            claims::release(self.connection, taken, &decision, Release::All)?;
            self.forget_request(&opening.request)?;
            let ended = opening.conflict.refusal(claim, holder);
            self.append(&decision, "closed", Some(ended.outcome), opening.at, &ended.body)?;
            return Ok(effect);
        }
        self.append(&decision, "opened", None, opening.at, &opening.body)?;
        Ok(Effect::Opened)
    }

    fn insert_request(&self, opening: &Opening, decision: &str) -> Result<bool, StoreError> {
        let rows = self
            .connection
            .prepare_cached(
                "INSERT INTO answers (request, decision, writer, state, expires)
                 VALUES ($1, $2, $3, 'open', $4) ON CONFLICT DO NOTHING",
            )?
            .execute(params![
                opening.request.as_bytes(),
                decision,
                self.writer,
                opening.answer_expires.unix_micros()
            ])?;
        Ok(rows == 1)
    }

    /// What is stored for the request; `None`, and it is gone, when its window has ended.
    fn known_request(&self, opening: &Opening) -> Result<Option<Stored>, StoreError> {
        match stored(self.connection, &opening.request)? {
            Some((Stored::Answer(_), expires)) if expires <= opening.at => {
                self.forget_request(&opening.request)?;
                Ok(None)
            }
            Some((known, _)) => Ok(Some(known)),
            None => Ok(None),
        }
    }

    fn forget_request(&self, request: &Digest) -> Result<(), StoreError> {
        self.connection.prepare_cached("DELETE FROM answers WHERE request = $1")?.execute([request.as_bytes()])?;
        Ok(())
    }

    fn close(&mut self, closing: &Closing) -> Result<Effect, StoreError> {
        let opened = &closing.opened;
        let decision = opened.decision.to_string();
        self.append(&decision, "closed", Some(closing.ended.outcome), closing.at, &closing.ended.body)?;
        let taken = opened.claims.iter().map(|(kind, key)| (*kind, key));
        claims::release(self.connection, taken, &decision, closing.release)?;
        if let Some(change) = &closing.binding {
            bindings::change(self.connection, change)?;
            if let BindingChange::Updated(binding) = change {
                let held = opened.claims.iter().map(|(kind, key)| (*kind, key));
                claims::settle(self.connection, held, &decision, binding)?;
            }
        }
        match &closing.answer {
            Some(answer) => {
                self.connection
                    .prepare_cached(
                        "UPDATE answers SET state = 'answered', key_id = $1, sealed = $2 WHERE request = $3",
                    )?
                    .execute(params![answer.key_id, answer.blob, opened.request.as_bytes()])?;
            }
            None => self.forget_request(&opened.request)?,
        }
        Ok(Effect::Done)
    }

    fn entry(&mut self, entry: &Entry) -> Result<Effect, StoreError> {
        match &entry.event {
            EntryEvent::Refused(decision, ended) => {
                self.append(&decision.to_string(), "closed", Some(ended.outcome), entry.at, &ended.body)?;
            }
            EntryEvent::Read(decision, ended, change) => {
                self.append(&decision.to_string(), "closed", Some(ended.outcome), entry.at, &ended.body)?;
                if let Some(change) = change {
                    bindings::change(self.connection, change)?;
                }
            }
            EntryEvent::Summary(body) => self.append("", "summary", None, entry.at, body)?,
            EntryEvent::Note(body) => self.append("", "note", None, entry.at, body)?,
        }
        Ok(Effect::Done)
    }

    fn free(&mut self, freeing: &Freeing, note: &Entry) -> Result<Effect, StoreError> {
        let freed = match freeing {
            Freeing::Claims(decision) => claims::release_all(self.connection, *decision)?,
            Freeing::Client { upstream, client_id, decision } => {
                bindings::delete_owned(self.connection, upstream, client_id, *decision)?
            }
        };
        self.entry(note)?;
        Ok(Effect::Released(freed))
    }

    fn abandon(&mut self, abandoned: &Abandoned) -> Result<Effect, StoreError> {
        let decision = abandoned.decision.to_string();
        let taken = abandoned.claims.iter().map(|(kind, key)| (*kind, key));
        claims::release(self.connection, taken, &decision, abandoned.release)?;
        self.interrupt(&decision, &abandoned.request)?;
        Ok(Effect::Done)
    }

    /// Ends an opened decision whose result nobody will tell. The request may be sent again; its claims stay.
    pub(super) fn interrupt(&mut self, decision: &str, request: &Digest) -> Result<(), StoreError> {
        let opened: Vec<u8> = self
            .connection
            .prepare_cached("SELECT body FROM entries WHERE kind = 'opened' AND decision = $1")?
            .query_row([decision], |row| row.get(0))?;
        let body =
            (self.interrupted)(&Interruption { decision: decision_id(decision)?, at: self.now, opened: &opened });
        self.append(decision, "interrupted", Some("interrupted"), self.now, &body)?;
        self.forget_request(request)
    }

    fn append(
        &mut self,
        decision: &str,
        kind: &str,
        outcome: Option<&str>,
        at: Timestamp,
        body: &[u8],
    ) -> Result<(), StoreError> {
        let link = Link {
            writer: self.writer,
            seq: self.head.seq + 1,
            decision,
            kind,
            outcome: outcome.unwrap_or_default(),
            time: at.unix_micros(),
            body,
        };
        let hash = link.hash(&self.head.hash);
        self.connection
            .prepare_cached(
                "INSERT INTO entries (writer, seq, decision, kind, outcome, time, body, hash, previous)
                 VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
            )?
            .execute(params![
                link.writer,
                link.seq,
                (!decision.is_empty()).then_some(decision),
                kind,
                outcome,
                link.time,
                body,
                hash.as_bytes(),
                self.head.hash.as_bytes(),
            ])?;
        *self.head = Head { seq: link.seq, hash };
        Ok(())
    }
}

/// What is stored for a request, and until when.
pub(super) fn stored(connection: &Connection, request: &Digest) -> Result<Option<(Stored, Timestamp)>, StoreError> {
    let mut statement =
        connection.prepare_cached("SELECT decision, expires, key_id, sealed FROM answers WHERE request = $1")?;
    let mut rows = statement.query([request.as_bytes()])?;
    let Some(row) = rows.next()? else { return Ok(None) };
    let expires = Timestamp::from_unix_micros(row.get(1)?);
    let stored = match (row.get(2)?, row.get(3)?) {
        (Some(key_id), Some(blob)) => {
            let decision = decision_id(row.get_ref(0)?.as_str().unwrap_or_default())?;
            Stored::Answer(SealedAnswer { decision, key_id, blob })
        }
        _ => Stored::InProgress,
    };
    Ok(Some((stored, expires)))
}

/// A decision id that a column holds.
pub(super) fn decision_id(text: &str) -> Result<DecisionId, StoreError> {
    DecisionId::parse(text).map_err(|_| unreadable("a decision id"))
}

/// A column that no dcrgate wrote.
pub(super) fn unreadable(what: &str) -> StoreError {
    StoreError::Database { reason: format!("{what} cannot be read").into() }
}
