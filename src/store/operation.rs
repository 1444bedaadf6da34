//! What the store can be asked to do: whole operations, each all or nothing.
//!
//! [`Opened`] is the pass of "nothing leaves before it is on disk": only
//! a committed opening makes one, and only with one may anything be sent.

use std::fmt;
use std::sync::Arc;

use tokio::sync::oneshot;

use super::change::BindingChange;
use super::error::{OpenError, StoreError};
use super::queue::Queue;
use super::seal::SealedAnswer;
use crate::model::claim::{Claim, ClaimKind};
use crate::model::digest::Digest;
use crate::model::id::DecisionId;
use crate::model::time::Timestamp;

/// Opens an admitted decision.
pub struct Opening {
    /// The decision.
    pub decision: DecisionId,
    /// Its time.
    pub at: Timestamp,
    /// The record.
    pub body: Vec<u8>,
    /// What it takes; all or none.
    pub claims: Vec<Claim>,
    /// Route, certificate and body: names the same request sent again.
    pub request: Digest,
    /// When the stored answer may be forgotten.
    pub answer_expires: Timestamp,
    /// Makes the refusal to record when a claim is taken.
    pub conflict: Box<dyn OnConflict>,
}

/// Makes the refusal of an opening whose claim is taken.
pub trait OnConflict: Send {
    /// Gets the first such claim and the decision that holds it, or holds the unit of it that is free next. It may be called again when a batch is repeated out
    /// of the disk reserve.
    fn refusal(&self, claim: &Claim, holder: DecisionId) -> Ended;
}

impl<F: Fn(&Claim, DecisionId) -> Ended + Send> OnConflict for F {
    fn refusal(&self, claim: &Claim, holder: DecisionId) -> Ended {
        self(claim, holder)
    }
}

/// How a decision ended, in bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ended {
    /// One word that queries filter by, at most 32 letters.
    pub outcome: &'static str,
    /// The record.
    pub body: Vec<u8>,
}

/// Ends an opened decision.
#[derive(Debug)]
pub struct Closing {
    /// The pass that the opening gave.
    pub opened: Opened,
    /// When it ended.
    pub at: Timestamp,
    /// How it ended.
    pub ended: Ended,
    /// Which of its claims become free again.
    pub release: Release,
    /// The client that now exists, as it now is, or that is gone.
    pub binding: Option<BindingChange>,
    /// The answer that the same request gets again; without one the request may be tried anew.
    pub answer: Option<SealedAnswer>,
}

/// Which claims of a decision become free again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Release {
    /// None: the registration was made, or the result is unknown.
    Nothing,
    /// All: nothing was sent.
    All,
    /// Slot and quota; what was used once stays used: the identity server refused.
    SlotAndQuota,
}

impl Release {
    pub(super) const fn frees(self, kind: ClaimKind) -> bool {
        match self {
            Self::Nothing => false,
            Self::All => true,
            Self::SlotAndQuota => matches!(kind, ClaimKind::Slot | ClaimKind::Quota),
        }
    }
}

/// One entry by itself.
#[derive(Debug)]
pub struct Entry {
    /// When.
    pub at: Timestamp,
    /// What.
    pub event: EntryEvent,
    /// Whose record it is; a stranger's is the first to go when the disk fills up.
    pub standing: Standing,
}

/// What an entry by itself tells.
#[derive(Debug)]
pub enum EntryEvent {
    /// A decision that opened nothing: a refusal.
    Refused(DecisionId, Ended),
    /// A decision that took nothing and changed nothing at the identity server (RFC 7592 §2.1), and what was learned
    /// of the client by it.
    Read(DecisionId, Ended, Option<BindingChange>),
    /// A count of what was not recorded one by one.
    Summary(Vec<u8>),
    /// An act of an operator.
    Note(Vec<u8>),
}

/// What an operator gives back, who knows that it came to nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Freeing {
    /// Whatever claims a decision still holds.
    Claims(DecisionId),
    /// A client that is gone: its binding, and the claims that stay for as long as it lives.
    Client {
        /// The `[upstreams.NAME]`.
        upstream: String,
        /// The client.
        client_id: String,
        /// The decision that registered it and holds the claims.
        decision: DecisionId,
    },
}

/// Whether the party that caused an entry is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// A trusted certificate or token came first.
    Trusted,
    /// Anyone.
    Stranger,
}

/// What is stored for a request seen before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stored {
    /// It was answered.
    Answer(SealedAnswer),
    /// It is being worked on.
    InProgress,
}

/// An admitted decision whose opening is on disk: the only pass with which anything may be sent.
///
/// Not `Clone`, and made by the store alone. Dropped without [`Closing`], the
/// decision is recorded as interrupted.
pub struct Opened {
    pub(super) decision: DecisionId,
    pub(super) request: Digest,
    pub(super) answer_expires: Timestamp,
    pub(super) claims: Vec<(ClaimKind, Arc<str>)>,
    pub(super) queue: Option<Queue>,
}

impl Opened {
    /// The decision.
    pub const fn decision(&self) -> DecisionId {
        self.decision
    }

    /// The decision has ended, or its end is told in another way: nothing happens on drop.
    pub(super) fn settle(&mut self) {
        self.queue = None;
    }

    pub(super) fn abandon(&mut self, release: Release) -> Abandoned {
        self.settle();
        Abandoned { decision: self.decision, request: self.request, claims: std::mem::take(&mut self.claims), release }
    }
}

impl fmt::Debug for Opened {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Opened({})", self.decision)
    }
}

impl Drop for Opened {
    fn drop(&mut self) {
        let Some(queue) = self.queue.take() else { return };
        // Something may have been sent, so every claim stays.
        let abandoned = self.abandon(Release::Nothing);
        if queue.submit(Operation::Abandon(abandoned)).is_err() {
            tracing::warn!(decision = %self.decision, "left open; recorded as interrupted at the next start");
        }
    }
}

/// An opened decision that nobody will close.
#[derive(Debug)]
pub(super) struct Abandoned {
    pub(super) decision: DecisionId,
    pub(super) request: Digest,
    pub(super) claims: Vec<(ClaimKind, Arc<str>)>,
    pub(super) release: Release,
}

/// Asks for the record of a decision that was opened and will not be closed.
#[derive(Clone, Copy, Debug)]
pub struct Interruption<'a> {
    /// The decision.
    pub decision: DecisionId,
    /// When it was found.
    pub at: Timestamp,
    /// The record of its opening.
    pub opened: &'a [u8],
}

/// Gives a closing back with the reason, so that it can be tried again.
#[derive(Debug)]
pub struct NotClosed {
    /// As it was given; `None` when the store was shut down meanwhile, which is then the end of it.
    pub closing: Option<Box<Closing>>,
    /// Why it is not on disk.
    pub error: StoreError,
}

/// An operation on its way to the writer.
pub(super) enum Operation {
    Open(Box<Opening>, Queue, oneshot::Sender<Result<Opened, OpenError>>),
    Close(Box<Closing>, oneshot::Sender<Result<(), NotClosed>>),
    Append(Entry, oneshot::Sender<Result<(), StoreError>>),
    Take(Claim, DecisionId, Timestamp, oneshot::Sender<Result<bool, StoreError>>),
    Release(Freeing, Entry, oneshot::Sender<Result<usize, StoreError>>),
    Abandon(Abandoned),
    Stop(oneshot::Sender<()>),
    #[cfg(test)]
    Inspect(Box<dyn FnOnce(&rusqlite::Connection) + Send>),
    #[cfg(test)]
    Hold(oneshot::Sender<()>, oneshot::Receiver<()>),
}

/// What an operation did, once it is committed.
pub(super) enum Effect {
    Opened,
    Conflict(usize),
    Exhausted(usize, Option<Timestamp>),
    Repeated(Stored),
    Released(usize),
    Done,
}

impl Operation {
    /// Whether nobody waits for the opening any more; making it would only leave it to be abandoned.
    pub(super) fn is_cancelled(&self) -> bool {
        matches!(self, Self::Open(_, _, reply) if reply.is_closed())
    }

    pub(super) fn into_closing(self) -> Option<Box<Closing>> {
        if let Self::Close(closing, _) = self { Some(closing) } else { None }
    }

    /// Tells the caller. Gives back what the caller's disappearance leaves to be done.
    pub(super) fn answer(self, result: Result<Effect, StoreError>) -> Option<Self> {
        match self {
            Self::Open(opening, queue, reply) => {
                let answer = match result {
                    Ok(Effect::Conflict(claim)) => Err(OpenError::Conflict { claim }),
                    Ok(Effect::Exhausted(claim, until)) => Err(OpenError::Exhausted { claim, until }),
                    Ok(Effect::Repeated(stored)) => Err(OpenError::Repeated(stored)),
                    Ok(_) => Ok(Opened {
                        decision: opening.decision,
                        request: opening.request,
                        answer_expires: opening.answer_expires,
                        claims: opening.claims.into_iter().map(|claim| (claim.kind, claim.key)).collect(),
                        queue: Some(queue),
                    }),
                    Err(error) => Err(error.into()),
                };
                // Whoever asked is gone, so nothing was sent and everything becomes free again.
                if let Err(Ok(mut opened)) = reply.send(answer) {
                    return Some(Self::Abandon(opened.abandon(Release::All)));
                }
            }
            Self::Close(mut closing, reply) => {
                let answer = match result {
                    Ok(_) => {
                        closing.opened.settle();
                        Ok(())
                    }
                    Err(error) => Err(NotClosed { closing: Some(closing), error }),
                };
                // A caller that is gone drops the closing, which records the decision as interrupted.
                drop(reply.send(answer));
            }
            Self::Append(_, reply) => drop(reply.send(result.map(|_| ()))),
            Self::Take(.., reply) => drop(reply.send(result.map(|effect| matches!(effect, Effect::Done)))),
            Self::Release(_, _, reply) => {
                drop(reply.send(result.map(|effect| if let Effect::Released(count) = effect { count } else { 0 })));
            }
            Self::Abandon(abandoned) => {
                if let Err(error) = result {
                    tracing::warn!(decision = %abandoned.decision, %error, "interruption not recorded");
                }
            }
            Self::Stop(reply) => drop(reply.send(())),
            #[cfg(test)]
            Self::Inspect(_) | Self::Hold(..) => {}
        }
        None
    }
}

impl fmt::Debug for Opening {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Opening({}, {} claims)", self.decision, self.claims.len())
    }
}
