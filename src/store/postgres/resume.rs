//! While the database is away: operations are refused at once, and it is looked for until it is back.

use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::sleep;

use super::lease::{self, Position};
use super::session::Session;
use super::trouble::Trouble;
use super::writer::Writer;
use crate::store::error::StoreError;
use crate::store::operation::Operation;

/// Connects again and finds out what became of a commit without an answer. Gives the operation to stop, if one
/// came, when there is nothing to go on with.
pub(super) async fn regain(
    writer: &mut Writer,
    queue: &mut mpsc::Receiver<Operation>,
    batch: &mut Vec<Operation>,
) -> Result<Session, Option<Operation>> {
    let mut pause = FIRST_PAUSE;
    loop {
        // What waits is not refused before the first attempt has failed: mostly the database is there.
        let error = match attempt(writer).await {
            Ok((session, position)) => {
                go_on(writer, position, batch);
                return Ok(session);
            }
            Err(Trouble::Failed(error @ StoreError::WriterInUse { .. })) => {
                return Err(refuse_all(writer, queue, batch, &error).await);
            }
            Err(trouble) => trouble.into_error(),
        };
        *batch = refuse(std::mem::take(batch), &error);
        let waiting = sleep(pause);
        tokio::pin!(waiting);
        loop {
            tokio::select! {
                () = &mut waiting => break,
                operation = queue.recv() => match operation {
                    None => return Err(None),
                    Some(stop @ Operation::Stop(_)) => return Err(Some(stop)),
                    Some(operation) => batch.extend(refuse(vec![operation], &error)),
                },
            }
        }
        pause = (pause * 2).min(LAST_PAUSE);
    }
}

async fn attempt(writer: &Writer) -> Result<(Session, Position), Trouble> {
    let session = Session::open(&writer.settings).await?;
    // It is held by our own connection that was lost until the server notices; the epoch guards us meanwhile.
    if !lease::try_lock(&session, &writer.name).await? {
        tracing::debug!("the name of this writer is still locked");
    }
    let position = lease::find(&session, &writer.name, writer.at.epoch).await?;
    Ok((session, position))
}

/// Settles a commit that was in doubt, and takes the position that the database tells.
fn go_on(writer: &mut Writer, position: Position, batch: &mut Vec<Operation>) {
    match writer.doubt.take() {
        Some(done) if done.at == position => writer.settle(done, batch),
        Some(done) => batch.splice(0..0, done.batch).for_each(drop),
        None => {}
    }
    if writer.at != position {
        tracing::error!(
            expected = writer.at.head.seq,
            found = position.head.seq,
            "the database is not where this writer left it: it was restored, or failed over and lost entries"
        );
        writer.at = position;
    }
    tracing::info!("the database is back");
}

/// Answers with the error. Gives back what nobody waits for and must be done all the same: ends of decisions whose
/// callers went away.
pub(super) fn refuse(batch: Vec<Operation>, error: &StoreError) -> Vec<Operation> {
    let (kept, told): (Vec<_>, Vec<_>) =
        batch.into_iter().partition(|operation| error.may_pass() && matches!(operation, Operation::Abandon(_)));
    for operation in told {
        drop(operation.answer(Err(error.clone())));
    }
    kept
}

/// Answers with the error until the store is closed: another process has this writer's name.
pub(super) async fn refuse_all(
    writer: &Writer,
    queue: &mut mpsc::Receiver<Operation>,
    batch: &mut Vec<Operation>,
    error: &StoreError,
) -> Option<Operation> {
    tracing::error!(writer = &*writer.name, %error, "this process records nothing any more; restart it");
    refuse(std::mem::take(batch), error);
    loop {
        match queue.recv().await {
            None => return None,
            Some(stop @ Operation::Stop(_)) => return Some(stop),
            Some(operation) => drop(refuse(vec![operation], error)),
        }
    }
}

const FIRST_PAUSE: Duration = Duration::from_millis(50);
/// A database that is back is noticed within this.
const LAST_PAUSE: Duration = Duration::from_secs(1);
