//! The accept loop: one task per connection, never more than the limit.

use std::sync::Arc;
use std::time::Duration;

use hyper_util::server::graceful::GracefulShutdown;
use tokio_util::sync::CancellationToken;

use super::listener::Bound;
use super::{Shared, connection};

/// After a failed accept (descriptors used up) the loop waits this long and does not spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Accepts until stopped. A connection beyond the limit waits in the kernel's backlog.
pub(super) async fn accept(bound: Bound, shared: Arc<Shared>, stop: CancellationToken, drain: Arc<GracefulShutdown>) {
    loop {
        let permit = tokio::select! {
            () = stop.cancelled() => return,
            permit = Arc::clone(&shared.connections).acquire_owned() => permit,
        };
        // The semaphore is never closed.
        let Ok(permit) = permit else { return };
        let accepted = tokio::select! {
            () = stop.cancelled() => return,
            accepted = bound.socket.accept() => accepted,
        };
        match accepted {
            Ok((socket, remote)) => {
                // Answers are written whole; waiting to merge them only delays.
                let _best_effort = socket.set_nodelay(true);
                let turn = shared.addresses.as_ref().map(|addresses| addresses.take(remote.ip()));
                if matches!(turn, Some(None)) {
                    tracing::debug!(%remote, "this address has as many connections as it may");
                    continue;
                }
                let plan = shared.plans.load().get(&*bound.name).cloned();
                let Some(plan) = plan else { continue };
                let (shared, stop, name) = (Arc::clone(&shared), stop.clone(), Arc::clone(&bound.name));
                // The drain waits for it.
                let watched = drain.watcher();
                tokio::spawn(async move {
                    connection::serve(socket, remote, name, plan, shared, stop).await;
                    // All live as long as the connection.
                    drop((permit, turn, watched));
                });
            }
            Err(error) => {
                tracing::warn!(%error, listener = &*bound.name, "accept failed");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}
