//! Questions beside the writer, over a connection of their own.
//!
//! Other proxies write too, so the database is asked each time. Questions are sent one behind the other without
//! waiting; none waits longer than an answer may take.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::sleep;

use super::session::Session;
use super::trouble::Trouble;
use super::{PostgresSettings, bindings, book};
use crate::model::binding::Binding;
use crate::model::digest::Digest;
use crate::model::time::Timestamp;
use crate::store::error::StoreError;
use crate::store::operation::Stored;

/// Asks the database; clones share the connection.
#[derive(Clone)]
pub(in crate::store) struct Questions(Arc<watch::Sender<Link>>);

/// The connection as it is now.
#[derive(Clone)]
enum Link {
    Up(Arc<Session>),
    Away,
    Closed,
}

impl Questions {
    /// Over an open connection.
    pub(super) fn new(session: Session) -> Self {
        Self(Arc::new(watch::channel(Link::Up(Arc::new(session))).0))
    }

    /// Opens the connection anew when it ends, until the store is closed.
    pub(super) async fn keep(self, settings: Arc<PostgresSettings>) {
        let mut closed = self.0.subscribe();
        let work = async {
            loop {
                let link = self.0.borrow().clone();
                match link {
                    Link::Closed => return,
                    Link::Up(session) => {
                        session.ended().await;
                        self.replace(Link::Away);
                    }
                    Link::Away => match Session::open(&settings).await {
                        Ok(session) => self.replace(Link::Up(Arc::new(session))),
                        Err(_) => sleep(PAUSE).await,
                    },
                }
            }
        };
        tokio::select! {
            () = work => {}
            _ = closed.wait_for(|link| matches!(link, Link::Closed)) => {}
        }
    }

    /// What is stored for a request.
    pub(in crate::store) async fn answer(
        &self,
        request: &Digest,
        now: Timestamp,
    ) -> Result<Option<Stored>, StoreError> {
        let session = self.session()?;
        let found = told(&session, book::stored(&session, request).await)?;
        Ok(match found {
            // Its window has ended, and it was not purged yet.
            Some((Stored::Answer(_), expires)) if expires <= now => None,
            found => found.map(|(stored, _)| stored),
        })
    }

    /// Who owns a client.
    pub(in crate::store) async fn binding(
        &self,
        upstream: &str,
        client_id: &str,
    ) -> Result<Option<Binding>, StoreError> {
        let session = self.session()?;
        told(&session, bindings::find(&session, upstream, client_id).await)
    }

    /// A client whose registration access token has one of these fingerprints.
    pub(in crate::store) async fn token_owner(
        &self,
        fingerprints: &[Digest],
    ) -> Result<Option<(String, String)>, StoreError> {
        let session = self.session()?;
        told(&session, bindings::find_by_token(&session, fingerprints).await)
    }

    /// Closes the connection.
    pub(in crate::store) fn stop(&self) {
        self.0.send_replace(Link::Closed);
    }

    fn session(&self) -> Result<Arc<Session>, StoreError> {
        match &*self.0.borrow() {
            Link::Up(session) => Ok(Arc::clone(session)),
            Link::Away => Err(StoreError::Database { reason: "not connected".into() }),
            Link::Closed => Err(StoreError::Closed),
        }
    }

    /// Closed stays closed.
    fn replace(&self, link: Link) {
        self.0.send_if_modified(|now| {
            let open = !matches!(now, Link::Closed);
            if open {
                *now = link;
            }
            open
        });
    }
}

/// A connection that did not answer is not asked again.
fn told<T>(session: &Session, result: Result<T, Trouble>) -> Result<T, StoreError> {
    result.map_err(|trouble| {
        if matches!(trouble, Trouble::Lost(_)) {
            session.cut();
        }
        trouble.into_error()
    })
}

const PAUSE: Duration = Duration::from_millis(500);
