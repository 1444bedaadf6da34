//! One connection to the database, and the bounds of everything on it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::AbortHandle;
use tokio::time::timeout;
use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, Row, Statement};

use super::PostgresSettings;
use super::connector::Tls;
use super::trouble::Trouble;

/// A value of a statement.
pub(super) type Value<'v> = &'v (dyn ToSql + Sync);

/// An open connection. Dropped, it is cut.
pub(super) struct Session {
    client: Client,
    driver: AbortHandle,
    /// Without a sender once the connection has ended.
    alive: watch::Receiver<()>,
    /// By their text: each is prepared once on a connection.
    statements: Mutex<HashMap<&'static str, Statement>>,
}

impl Session {
    /// Connects, within [`CONNECT`].
    pub(super) async fn open(settings: &PostgresSettings) -> Result<Self, Trouble> {
        let mut config = settings.url.config().clone();
        config.connect_timeout(CONNECT).tcp_user_timeout(DEAD_PEER).keepalives_idle(KEEPALIVE);
        let mut tls = (*settings.tls).clone();
        tls.alpn_protocols = vec![b"postgresql".to_vec()];
        let connecting = config.connect(Tls(Arc::new(tls)));
        let (client, connection) = timeout(CONNECT, connecting).await.map_err(|_| Trouble::slow())??;
        let (living, alive) = watch::channel(());
        let driver = tokio::spawn(async move {
            let _living = living;
            if let Err(error) = connection.await {
                tracing::warn!(error = %Trouble::from(error).into_error(), "connection to the database ended");
            }
        });
        let session = Self { client, driver: driver.abort_handle(), alive, statements: Mutex::default() };
        session.batch(SET_UP).await?;
        Ok(session)
    }

    /// Resolves when the connection has ended.
    pub(super) async fn ended(&self) {
        let mut alive = self.alive.clone();
        while alive.changed().await.is_ok() {}
    }

    /// Ends it at once: an answer that did not come in time may still come, and would be taken for the next one.
    pub(super) fn cut(&self) {
        self.driver.abort();
    }

    /// Ends it; locks of the session are free when this returns.
    pub(super) async fn close(self) {
        drop(self.batch("SELECT pg_advisory_unlock_all()").await);
    }

    /// Statements without values, one after the other.
    pub(super) async fn batch(&self, sql: &str) -> Result<(), Trouble> {
        bounded(self.client.batch_execute(sql)).await
    }

    /// Statements without values that may wait for another proxy's migration, or do one.
    pub(super) async fn patient(&self, sql: &str) -> Result<(), Trouble> {
        match timeout(MIGRATION, self.client.batch_execute(sql)).await {
            Ok(result) => Ok(result?),
            Err(_) => Err(Trouble::slow()),
        }
    }

    /// Runs a statement; gives the count of rows that it touched.
    pub(super) async fn execute(&self, sql: &'static str, values: &[Value<'_>]) -> Result<u64, Trouble> {
        let statement = self.prepare(sql).await?;
        bounded(self.client.execute(&statement, values)).await
    }

    /// Runs a statement; gives its rows.
    pub(super) async fn query(&self, sql: &'static str, values: &[Value<'_>]) -> Result<Vec<Row>, Trouble> {
        let statement = self.prepare(sql).await?;
        bounded(self.client.query(&statement, values)).await
    }

    /// Runs a statement; gives its only row, if there is one.
    pub(super) async fn row(&self, sql: &'static str, values: &[Value<'_>]) -> Result<Option<Row>, Trouble> {
        Ok(self.query(sql, values).await?.into_iter().next())
    }

    /// Prepares a statement, so that the next use of it is sent at once.
    pub(super) async fn prepare(&self, sql: &'static str) -> Result<Statement, Trouble> {
        let known = self.statements.lock().unwrap_or_else(PoisonError::into_inner).get(sql).cloned();
        if let Some(statement) = known {
            return Ok(statement);
        }
        let statement = bounded(self.client.prepare(sql)).await?;
        self.statements.lock().unwrap_or_else(PoisonError::into_inner).insert(sql, statement.clone());
        Ok(statement)
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.cut();
    }
}

async fn bounded<T>(work: impl Future<Output = Result<T, tokio_postgres::Error>>) -> Result<T, Trouble> {
    match timeout(ANSWER, work).await {
        Ok(result) => Ok(result?),
        Err(_) => Err(Trouble::slow()),
    }
}

/// Bounds that the server keeps, for when this side cannot: a lock is waited for as long as a caller waits (2 s), a
/// statement takes not much longer, an idle transaction (a proxy that was stopped) 5 s, and peers that vanished 20 s.
const SET_UP: &str = "
    SET search_path TO dcrgate;
    SET statement_timeout TO '2500ms';
    SET lock_timeout TO '2s';
    SET idle_in_transaction_session_timeout TO '5s';
    SET tcp_keepalives_idle TO 5;
    SET tcp_keepalives_interval TO 5;
    SET tcp_keepalives_count TO 3;
    SET tcp_user_timeout TO '20s';
    SET client_min_messages TO 'warning'";

/// For a connection, TLS and login: nothing was asked yet, so failing early is safe.
const CONNECT: Duration = Duration::from_secs(2);
/// For the answer to one statement: longer than the server takes to give up by itself.
const ANSWER: Duration = Duration::from_secs(3);
/// For a peer that does not acknowledge what was sent.
const DEAD_PEER: Duration = Duration::from_secs(20);
const KEEPALIVE: Duration = Duration::from_secs(5);
/// For a step of a migration, and for the one of another proxy.
const MIGRATION: Duration = Duration::from_secs(120);
