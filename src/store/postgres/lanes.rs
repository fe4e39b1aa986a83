//! The connections that write entities. A lane has one for as long as it works: nothing is asked between two commits.

use std::sync::{Mutex, MutexGuard, PoisonError};

use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions, Connection, PgConnection};
use tokio::time::Instant;

use super::heads::Heads;
use super::{ACQUIRE_TIMEOUT, TRUSTED, is_alive};
use crate::db::{in_time, within};

/// A connection, and what went over it.
#[derive(Debug)]
pub(super) struct Lane {
    pub(super) connection: PgConnection,
    pub(super) heads: Heads,
}

/// Connections of the lanes and of what takes turns with them: no more than work at once.
#[derive(Debug)]
pub(super) struct Lanes {
    options: PgConnectOptions,
    /// Those that wait, and since when; nothing once the store is closed.
    waiting: Mutex<Option<Vec<(Lane, Instant)>>>,
}

impl Lanes {
    pub(super) fn new(options: PgConnectOptions) -> Self {
        Self { options, waiting: Mutex::new(Some(Vec::new())) }
    }

    /// Does something on a connection, which is closed when that fails or takes too long: nothing of it then waits for
    /// whoever has the connection next. A transaction of it must have ended.
    pub(super) async fn run<T>(
        &self,
        work: impl AsyncFnOnce(&mut Lane) -> sqlx::Result<T>,
    ) -> sqlx::Result<T> {
        let mut lane = self.take().await?;
        let done = in_time(work(&mut lane)).await?;
        if let Some(waiting) = &mut *self.lock() {
            waiting.push((lane, Instant::now()));
        }
        Ok(done)
    }

    /// The connection that was used last, when it is alive; else a new one.
    async fn take(&self) -> sqlx::Result<Lane> {
        while let Some((mut lane, since)) = self.pop()? {
            if since.elapsed() < TRUSTED || is_alive(&mut lane.connection).await {
                return Ok(lane);
            }
        }
        let connection = within(ACQUIRE_TIMEOUT, self.options.connect()).await?;
        Ok(Lane { connection, heads: Heads::default() })
    }

    fn pop(&self) -> sqlx::Result<Option<(Lane, Instant)>> {
        Ok(self.lock().as_mut().ok_or(sqlx::Error::PoolClosed)?.pop())
    }

    /// Ends the connections; whoever asks later is told that the store is away.
    pub(super) async fn close(&self) {
        let waiting = self.lock().take();
        for (lane, _) in waiting.into_iter().flatten() {
            // The server notices by itself when it does not hear the farewell.
            let _ = lane.connection.close().await;
        }
    }

    fn lock(&self) -> MutexGuard<'_, Option<Vec<(Lane, Instant)>>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
