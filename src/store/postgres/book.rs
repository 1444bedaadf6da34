//! The SQL of each operation, within a transaction that the writer began.
//!
//! Entries are kept back and inserted together at the end: each costs no round trip of its own.

use super::bindings;
use super::claims::{self, Taken};
use super::session::{Session, Value};
use super::trouble::{Trouble, unreadable};
use crate::model::claim::Claim;
use crate::model::digest::Digest;
use crate::model::id::DecisionId;
use crate::model::time::Timestamp;
use crate::store::chain::{Head, Link};
use crate::store::change::BindingChange;
use crate::store::operation::{
    Abandoned, Closing, Effect, Ended, Entry, EntryEvent, Freeing, Interruption, Opening, Operation, Release, Stored,
};
use crate::store::seal::SealedAnswer;

/// A writer's chain and the connection that extends it.
pub(super) struct Book<'a> {
    pub(super) session: &'a Session,
    pub(super) writer: &'a str,
    pub(super) head: Head,
    pub(super) interrupted: fn(&Interruption<'_>) -> Vec<u8>,
    pub(super) now: Timestamp,
    pub(super) entries: Entries,
}

/// Entries that are to be inserted, column by column.
#[derive(Default)]
pub(super) struct Entries {
    seq: Vec<i64>,
    decision: Vec<Option<String>>,
    kind: Vec<&'static str>,
    outcome: Vec<Option<&'static str>>,
    time: Vec<i64>,
    body: Vec<Vec<u8>>,
    hash: Vec<Vec<u8>>,
    previous: Vec<Vec<u8>>,
}

/// What an entry tells of its decision.
struct Told<'d> {
    decision: &'d str,
    kind: &'static str,
    outcome: Option<&'static str>,
}

impl Entries {
    /// Makes the insertion known to the database, so that it can be sent without waiting.
    pub(super) async fn prepare(&self, session: &Session) -> Result<(), Trouble> {
        session.prepare(INSERT_ENTRIES).await.map(|_| ())
    }

    /// Inserts what was kept back, in its order; keeps it until it is known to be committed.
    pub(super) async fn insert(&self, session: &Session, writer: &str) -> Result<(), Trouble> {
        if self.seq.is_empty() {
            return Ok(());
        }
        let values: [Value<'_>; 9] = [
            &writer,
            &self.seq,
            &self.decision,
            &self.kind,
            &self.outcome,
            &self.time,
            &self.body,
            &self.hash,
            &self.previous,
        ];
        session.execute(INSERT_ENTRIES, &values).await?;
        Ok(())
    }
}

impl Book<'_> {
    /// Carries out one operation. On an error the caller undoes what was done so far.
    pub(super) async fn apply(&mut self, operation: &Operation) -> Result<Effect, Trouble> {
        match operation {
            Operation::Open(opening, ..) => self.open(opening).await,
            Operation::Close(closing, _) => self.close(closing).await,
            Operation::Append(entry, _) => self.entry(entry).await,
            Operation::Take(claim, decision, at, _) => self.take(claim, *decision, *at).await,
            Operation::Release(freeing, note, _) => self.free(freeing, note).await,
            Operation::Abandon(abandoned) => self.abandon(abandoned).await,
            Operation::Stop(_) => Ok(Effect::Done),
            #[cfg(test)]
            Operation::Inspect(_) | Operation::Hold(..) => Ok(Effect::Done),
        }
    }

    /// Inserts what was kept back so far.
    pub(super) async fn flush(&mut self) -> Result<(), Trouble> {
        self.entries.insert(self.session, self.writer).await?;
        self.entries = Entries::default();
        Ok(())
    }

    async fn open(&mut self, opening: &Opening) -> Result<Effect, Trouble> {
        let decision = opening.decision.to_string();
        if !self.insert_request(opening, &decision).await? {
            match self.known_request(opening).await? {
                Some(stored) => return Ok(Effect::Repeated(stored)),
                // Its window ended, and it was not purged yet.
                None => self.insert_request(opening, &decision).await?,
            };
        }
        let Some((index, refused)) = claims::take(self.session, &opening.claims, &decision, opening.at).await? else {
            self.append(&Told { decision: &decision, kind: "opened", outcome: None }, opening.at, &opening.body);
            return Ok(Effect::Opened);
        };
        let taken = opening.claims.iter().map(|claim| (claim.kind, &claim.key));
        claims::release(self.session, taken, &decision, Release::All).await?;
        self.forget_request(&opening.request).await?;
        let (holder, effect) = match refused {
            Taken::HeldBy(holder) => (holder, Effect::Conflict(index)),
            Taken::Exhausted { holder, until } => (holder, Effect::Exhausted(index, until)),
        };
        if let Some(claim) = opening.claims.get(index) {
            self.ended(opening.decision, &opening.conflict.refusal(claim, holder), opening.at);
        }
        Ok(effect)
    }

    async fn take(&self, claim: &Claim, decision: DecisionId, at: Timestamp) -> Result<Effect, Trouble> {
        let taken = claims::take(self.session, std::slice::from_ref(claim), &decision.to_string(), at).await?;
        Ok(match taken {
            None => Effect::Done,
            Some((index, Taken::HeldBy(_))) => Effect::Conflict(index),
            Some((index, Taken::Exhausted { until, .. })) => Effect::Exhausted(index, until),
        })
    }

    async fn insert_request(&self, opening: &Opening, decision: &str) -> Result<bool, Trouble> {
        let request = opening.request.as_bytes().as_slice();
        let values: [Value<'_>; 4] = [&request, &decision, &self.writer, &opening.answer_expires.unix_micros()];
        Ok(self.session.execute(INSERT_REQUEST, &values).await? == 1)
    }

    /// What is stored for the request; `None`, and it is gone, when its window has ended.
    async fn known_request(&self, opening: &Opening) -> Result<Option<Stored>, Trouble> {
        match stored(self.session, &opening.request).await? {
            Some((Stored::Answer(_), expires)) if expires <= opening.at => {
                self.forget_request(&opening.request).await?;
                Ok(None)
            }
            Some((known, _)) => Ok(Some(known)),
            None => Ok(None),
        }
    }

    async fn forget_request(&self, request: &Digest) -> Result<(), Trouble> {
        self.session.execute("DELETE FROM answers WHERE request = $1", &[&request.as_bytes().as_slice()]).await?;
        Ok(())
    }

    async fn close(&mut self, closing: &Closing) -> Result<Effect, Trouble> {
        let opened = &closing.opened;
        let decision = opened.decision.to_string();
        self.ended(opened.decision, &closing.ended, closing.at);
        let taken = opened.claims.iter().map(|(kind, key)| (*kind, key));
        claims::release(self.session, taken, &decision, closing.release).await?;
        if let Some(change) = &closing.binding {
            bindings::change(self.session, change).await?;
            if let BindingChange::Updated(binding) = change {
                let held = opened.claims.iter().map(|(kind, key)| (*kind, key));
                claims::settle(self.session, held, &decision, binding).await?;
            }
        }
        match &closing.answer {
            Some(answer) => {
                let values: [Value<'_>; 3] = [&answer.key_id, &answer.blob, &opened.request.as_bytes().as_slice()];
                self.session.execute(STORE_ANSWER, &values).await?;
            }
            None => self.forget_request(&opened.request).await?,
        }
        Ok(Effect::Done)
    }

    async fn entry(&mut self, entry: &Entry) -> Result<Effect, Trouble> {
        let other = |kind| Told { decision: "", kind, outcome: None };
        match &entry.event {
            EntryEvent::Refused(decision, ended) => self.ended(*decision, ended, entry.at),
            EntryEvent::Read(decision, ended, change) => {
                self.ended(*decision, ended, entry.at);
                if let Some(change) = change {
                    bindings::change(self.session, change).await?;
                }
            }
            EntryEvent::Summary(body) => self.append(&other("summary"), entry.at, body),
            EntryEvent::Note(body) => self.append(&other("note"), entry.at, body),
        }
        Ok(Effect::Done)
    }

    fn ended(&mut self, decision: DecisionId, ended: &Ended, at: Timestamp) {
        let told = Told { decision: &decision.to_string(), kind: "closed", outcome: Some(ended.outcome) };
        self.append(&told, at, &ended.body);
    }

    async fn free(&mut self, freeing: &Freeing, note: &Entry) -> Result<Effect, Trouble> {
        let freed = match freeing {
            Freeing::Claims(decision) => claims::release_all(self.session, *decision).await?,
            Freeing::Client { upstream, client_id, decision } => {
                bindings::delete_owned(self.session, upstream, client_id, *decision).await?
            }
        };
        self.entry(note).await?;
        Ok(Effect::Released(freed))
    }

    async fn abandon(&mut self, abandoned: &Abandoned) -> Result<Effect, Trouble> {
        let decision = abandoned.decision.to_string();
        let taken = abandoned.claims.iter().map(|(kind, key)| (*kind, key));
        claims::release(self.session, taken, &decision, abandoned.release).await?;
        self.interrupt(&decision, &abandoned.request).await?;
        Ok(Effect::Done)
    }

    /// Ends an opened decision whose result nobody will tell. The request may be sent again; its claims stay.
    pub(super) async fn interrupt(&mut self, decision: &str, request: &Digest) -> Result<(), Trouble> {
        let row = self.session.row(OPENED_BODY, &[&decision]).await?;
        let opened: Vec<u8> = row.ok_or_else(|| unreadable("an opening"))?.try_get(0)?;
        let found = Interruption { decision: decision_id(decision)?, at: self.now, opened: &opened };
        let body = (self.interrupted)(&found);
        self.append(&Told { decision, kind: "interrupted", outcome: Some("interrupted") }, self.now, &body);
        self.forget_request(request).await
    }

    /// The next link of the chain.
    fn append(&mut self, told: &Told<'_>, at: Timestamp, body: &[u8]) {
        let &Told { decision, kind, outcome } = told;
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
        let entries = &mut self.entries;
        entries.seq.push(link.seq);
        entries.decision.push((!decision.is_empty()).then(|| decision.to_owned()));
        entries.kind.push(kind);
        entries.outcome.push(outcome);
        entries.time.push(link.time);
        entries.body.push(body.to_vec());
        entries.hash.push(hash.as_bytes().to_vec());
        entries.previous.push(self.head.hash.as_bytes().to_vec());
        self.head = Head { seq: link.seq, hash };
    }
}

/// What is stored for a request, and until when.
pub(super) async fn stored(session: &Session, request: &Digest) -> Result<Option<(Stored, Timestamp)>, Trouble> {
    let Some(row) = session.row(STORED, &[&request.as_bytes().as_slice()]).await? else { return Ok(None) };
    let expires = Timestamp::from_unix_micros(row.try_get(1)?);
    let stored = match (row.try_get(2)?, row.try_get(3)?) {
        (Some(key_id), Some(blob)) => {
            let decision = decision_id(row.try_get(0)?)?;
            Stored::Answer(SealedAnswer { decision, key_id, blob })
        }
        _ => Stored::InProgress,
    };
    Ok(Some((stored, expires)))
}

/// A decision id that a column holds.
pub(super) fn decision_id(text: &str) -> Result<DecisionId, Trouble> {
    DecisionId::parse(text).map_err(|_| Trouble::unreadable("a decision id"))
}

const INSERT_REQUEST: &str = "
    INSERT INTO answers (request, decision, writer, state, expires)
    VALUES ($1, $2, $3, 'open', $4) ON CONFLICT DO NOTHING";

const STORE_ANSWER: &str = "UPDATE answers SET state = 'answered', key_id = $1, sealed = $2 WHERE request = $3";

const STORED: &str = "SELECT decision, expires, key_id, sealed FROM answers WHERE request = $1";

const OPENED_BODY: &str = "SELECT body FROM entries WHERE kind = 'opened' AND decision = $1";

/// In the order of the arrays, which is the chain's.
const INSERT_ENTRIES: &str = "
    INSERT INTO entries (writer, seq, decision, kind, outcome, time, body, hash, previous)
    SELECT $1, entry.* FROM unnest($2::bigint[], $3::text[], $4::text[], $5::text[], $6::bigint[],
                                   $7::bytea[], $8::bytea[], $9::bytea[]) AS entry";
