//! One batch in one transaction, and what became of it.

use tokio::time::timeout;

use super::book::{Book, Entries};
use super::lease::{self, Position};
use super::session::{Session, Value};
use super::trouble::Trouble;
use super::{locks, others};
use crate::model::time::Timestamp;
use crate::store::chain::Head;
use crate::store::error::StoreError;
use crate::store::operation::{Effect, Interruption, Operation};

/// How the operations of a batch stand to each other.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Isolation {
    /// One that fails undoes all.
    Together,
    /// Each in its own savepoint: one that breaks a constraint is undone alone.
    Apart,
}

/// What a transaction needs besides its operations.
pub(super) struct Work<'a> {
    pub(super) session: &'a Session,
    pub(super) writer: &'a str,
    pub(super) at: Position,
    pub(super) interrupted: fn(&Interruption<'_>) -> Vec<u8>,
    pub(super) now: Timestamp,
    pub(super) isolation: Isolation,
    /// Writers whose open decisions are to be ended.
    pub(super) dead: &'a [String],
}

/// A batch with the results that hold once it is committed.
pub(super) struct Done {
    pub(super) batch: Vec<Operation>,
    pub(super) results: Vec<Result<Effect, StoreError>>,
    /// Where the writer then stands.
    pub(super) at: Position,
}

/// What became of a batch.
pub(super) enum Fate {
    /// It is on disk.
    Committed(Done),
    /// Nothing of it is.
    Undone(Vec<Operation>, Trouble),
    /// The commit was sent, and no answer came.
    InDoubt(Done, StoreError),
}

/// Carries out a batch.
pub(super) async fn run(work: Work<'_>, batch: Vec<Operation>) -> Fate {
    let filled = match timeout(TRANSACTION, fill(&work, &batch)).await {
        Ok(filled) => filled,
        Err(_) => Err(Trouble::slow()),
    };
    let (results, book) = match filled {
        Ok(filled) => filled,
        Err(trouble) => {
            let undone = match trouble {
                Trouble::Lost(_) => Ok(()),
                _ => work.session.batch("ROLLBACK").await,
            };
            return Fate::Undone(batch, undone.err().unwrap_or(trouble));
        }
    };
    let at = Position { commits: work.at.commits + 1, head: book.head, ..work.at };
    let done = Done { batch, results, at };
    // Sent together: when the entries are not taken, the commit only undoes the rest.
    let (inserted, committed) =
        tokio::join!(book.entries.insert(work.session, work.writer), work.session.batch("COMMIT"));
    match (inserted, committed) {
        (Ok(()), Ok(())) => Fate::Committed(done),
        (Err(Trouble::Lost(error)), _) | (Ok(()), Err(Trouble::Lost(error))) => Fate::InDoubt(done, error),
        (Err(trouble), _) | (Ok(()), Err(trouble)) => Fate::Undone(done.batch, trouble),
    }
}

type Filled<'a> = (Vec<Result<Effect, StoreError>>, Book<'a>);

/// Everything but the last entries and the commit.
async fn fill<'a>(work: &Work<'a>, batch: &[Operation]) -> Result<Filled<'a>, Trouble> {
    begin(work, batch).await?;
    let mut book = Book {
        session: work.session,
        writer: work.writer,
        head: work.at.head,
        interrupted: work.interrupted,
        now: work.now,
        entries: Entries::default(),
    };
    let mut results = Vec::with_capacity(batch.len());
    for operation in batch {
        results.push(if operation.is_cancelled() {
            Err(StoreError::Stalled)
        } else {
            match work.isolation {
                Isolation::Together => Ok(book.apply(operation).await?),
                Isolation::Apart => apart(&mut book, operation).await?,
            }
        });
    }
    if !work.dead.is_empty() {
        others::end_open(&mut book, work.dead).await?;
    }
    // Known before it is sent together with the commit.
    book.entries.prepare(work.session).await?;
    Ok((results, book))
}

/// Begins, shows that the writer is the one it was, and takes the locks, in one round trip.
async fn begin(work: &Work<'_>, batch: &[Operation]) -> Result<(), Trouble> {
    let Work { session, writer, at, now, .. } = work;
    let now = now.unix_micros();
    let stripes = locks::stripes(batch);
    session.prepare(lease::BEAT).await?;
    session.prepare(locks::TAKE).await?;
    let alive: [Value<'_>; 3] = [writer, &at.epoch, &now];
    let keys: [Value<'_>; 2] = [&locks::CLASS, &stripes];
    let (begun, beat, locked) =
        tokio::join!(session.batch("BEGIN"), session.row(lease::BEAT, &alive), session.query(locks::TAKE, &keys),);
    begun?;
    let commits: Option<i64> = beat?.map(|row| row.try_get(0)).transpose()?;
    locked?;
    match commits {
        None => Err(lease::superseded(writer)),
        Some(commits) if commits == at.commits + 1 => Ok(()),
        // A database that was restored or failed over: where the writer stands has to be found out anew.
        Some(_) => Err(Trouble::Lost(StoreError::Database { reason: "the database is not the one it was".into() })),
    }
}

/// The outer error is the database's and the batch's; the inner one the operation's own.
async fn apart(book: &mut Book<'_>, operation: &Operation) -> Result<Result<Effect, StoreError>, Trouble> {
    let session = book.session;
    session.batch("SAVEPOINT operation").await?;
    let before: Head = book.head;
    let result = match book.apply(operation).await {
        Ok(effect) => book.flush().await.map(|()| effect),
        Err(trouble) => Err(trouble),
    };
    match result {
        Ok(effect) => {
            session.batch("RELEASE SAVEPOINT operation").await?;
            Ok(Ok(effect))
        }
        Err(Trouble::Failed(error @ StoreError::Constraint { .. })) => {
            book.head = before;
            book.entries = Entries::default();
            session.batch("ROLLBACK TO SAVEPOINT operation; RELEASE SAVEPOINT operation").await?;
            Ok(Err(error))
        }
        Err(trouble) => Err(trouble),
    }
}

/// For a whole batch: longer than any of its callers waits.
const TRANSACTION: std::time::Duration = std::time::Duration::from_secs(4);
