//! Where what happened stays: the journal, what is looked up beside it, and the accounts; in one SQLite file, or on a
//! PostgreSQL server.
//!
//! What is read is asked by one text wherever both databases take it; what the engine writes goes by each one's own
//! way through the fence.

mod archive;
pub(crate) mod columns;
mod dead_letters;
mod letters;
mod library;
mod lock;
pub(crate) mod migrations;
mod month;
mod open_error;
pub(crate) mod postgres;
pub(crate) mod read;
mod removal;
mod rows;
pub(crate) mod sqlite;

use std::path::PathBuf;
use std::time::Duration;

use async_trait::async_trait;
use spotter_actors::{
    Append, Claim, EventRow, Journal, LetterId, LetterRow, Outcome, Reminder, Resident, SnapshotWrite,
    StoreError, Stored,
};
use spotter_protocol::{Address, CommandId, GymId, StreamId, Timestamp, UserId, Version};
use tracing::warn;
use uuid::Uuid;

pub use archive::{KeptRow, OldMonth, TakenAway};
pub(crate) use lock::Lock;
pub use lock::LockError;
pub use month::Month;
pub use open_error::OpenError;
pub use postgres::{Server, Void};
pub use removal::Removed;

use crate::db::{Db, Pool};
pub(crate) use postgres::{Tenure, View};

/// How long a server is given to answer when its connections are closed.
const CLOSE_WITHIN: Duration = Duration::from_secs(5);

/// Which database.
#[derive(Clone, Debug)]
pub enum Database {
    /// A SQLite file.
    File(PathBuf),
    /// A PostgreSQL server.
    Server(Box<Server>),
}

impl std::fmt::Display for Database {
    /// As messages name it: no password.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::File(path) => write!(f, "{}", path.display()),
            Self::Server(server) => f.write_str(&server.name()),
        }
    }
}

/// The journal, the read models and the accounts.
#[derive(Debug)]
pub struct Store {
    db: Db,
    /// What the engine reads by.
    reads: Pool,
    incarnation: Uuid,
    kept: Kept,
}

/// How the engine's writes are kept.
#[derive(Debug)]
enum Kept {
    File(sqlite::File),
    Server {
        connections: postgres::Connections,
        /// A tool has none.
        tenure: Option<Tenure>,
    },
}

impl Store {
    /// Opens a database for a tool, beside a node that may be running. A tool writes only tables that no entity owns.
    /// A file and its directory are made where they are missing.
    ///
    /// # Errors
    /// See [`OpenError`]; [`OpenError::Lock`] when the tables of a file are out of date and a node serves from it.
    pub async fn open(database: &Database) -> Result<Self, OpenError> {
        match database {
            Database::File(path) => Ok(Self::on_file(sqlite::File::open(path).await?)),
            Database::Server(server) => {
                let connections = server.connect().await?;
                let incarnation = connections.incarnation().await;
                let incarnation =
                    incarnation.map_err(|source| OpenError::Server { server: server.name(), source })?;
                Ok(Self::on_server(connections, incarnation, None))
            }
        }
    }

    /// Opens a database only to read it, beside a node that may be running: nothing is made, and tables that are out of
    /// date stay so.
    ///
    /// # Errors
    /// See [`OpenError`]; [`OpenError::Absent`], [`OpenError::Behind`] or [`OpenError::Newer`] when there are no tables
    /// of this build.
    pub async fn reading(database: &Database) -> Result<Pool, OpenError> {
        match database {
            Database::File(path) => sqlite::File::reading(path).await,
            Database::Server(server) => server.reading().await,
        }
    }

    /// Opens a database to serve from it on `address`, and claims every shard under a new epoch, so that nothing
    /// claimed before can still write. A file is locked until the store is dropped; a server that another node serves
    /// from is waited for until that one has fallen silent, for some seconds at most.
    ///
    /// # Errors
    /// See [`OpenError`]; [`OpenError::Lock`] or [`OpenError::Served`] when another process serves from it.
    pub async fn open_serving(database: &Database, address: &str) -> Result<(Self, Claim), OpenError> {
        match database {
            Database::File(path) => {
                let (file, claim) = sqlite::File::open_serving(path, address).await?;
                Ok((Self::on_file(file), claim))
            }
            Database::Server(server) => {
                let connections = server.connect().await?;
                let (claim, tenure) = postgres::begin(server, &connections, address).await?;
                let incarnation = tenure.incarnation;
                Ok((Self::on_server(connections, incarnation, Some(tenure)), claim))
            }
        }
    }

    /// Opens a server to serve a share of it on `address`, beside others that do: nothing is claimed yet. One that serves
    /// alone is waited for until it has fallen silent, for some seconds at most.
    ///
    /// # Errors
    /// See [`OpenError`]; [`OpenError::Served`] when another serves alone.
    pub async fn join(server: &Server, address: &str) -> Result<Self, OpenError> {
        let connections = server.connect().await?;
        let tenure = Tenure::join(server, &connections, address).await?;
        let incarnation = tenure.incarnation;
        Ok(Self::on_server(connections, incarnation, Some(tenure)))
    }

    /// Brings the tables of a database up to this build.
    ///
    /// # Errors
    /// See [`OpenError`].
    pub async fn migrate(database: &Database) -> Result<(), OpenError> {
        match database {
            Database::File(path) => sqlite::File::open(path).await.map(|_| ()),
            Database::Server(server) => server.migrate().await,
        }
    }

    fn on_file(file: sqlite::File) -> Self {
        let db = file.db();
        Self { reads: db.reader.clone(), incarnation: file.incarnation, db, kept: Kept::File(file) }
    }

    fn on_server(connections: postgres::Connections, incarnation: Uuid, tenure: Option<Tenure>) -> Self {
        Self {
            db: connections.db.clone(),
            reads: Pool::Postgres(connections.recovery.clone()),
            incarnation,
            kept: Kept::Server { connections, tenure },
        }
    }

    /// The connections, for the tables that no entity owns. In a file, whoever takes the writing one keeps the journal
    /// waiting: hold it for one short transaction.
    pub fn db(&self) -> Db {
        self.db.clone()
    }

    /// Moves what is committed from a file's log into the file, beside the commits that go on. Called often,
    /// it keeps that work off the path of an acknowledgement; missed, it costs speed and nothing else. A server does
    /// so by itself.
    ///
    /// # Errors
    /// When the file does not answer.
    pub async fn checkpoint(&self) -> Result<(), StoreError> {
        match &self.kept {
            Kept::File(file) => file.checkpoint().await.map_err(failed),
            Kept::Server { .. } => Ok(()),
        }
    }

    /// The place of a node among those that serve from a server.
    pub(crate) fn tenure(&self) -> Option<&Tenure> {
        match &self.kept {
            Kept::Server { tenure, .. } => tenure.as_ref(),
            Kept::File(_) => None,
        }
    }

    /// Keeps the right to serve, and ends when it is lost; with a file, whose lock is held, never.
    pub async fn until_void(&self) -> Void {
        match &self.kept {
            Kept::Server { tenure: Some(tenure), .. } => tenure.until_void().await,
            Kept::Server { tenure: None, .. } | Kept::File(_) => std::future::pending().await,
        }
    }

    /// Waits for what is being written and read, and closes the database; whoever asks later is told that the store is
    /// away. The lock of a file stays until the store is dropped. A store that is dropped without this loses nothing.
    pub async fn close(&self) {
        match &self.kept {
            Kept::File(file) => file.close().await,
            Kept::Server { connections, tenure } => {
                let closed = async {
                    if let Some(tenure) = tenure {
                        tenure.end().await;
                    }
                    connections.close().await;
                };
                // One that does not answer is not waited for: it notices by itself.
                if tokio::time::timeout(CLOSE_WITHIN, closed).await.is_err() {
                    warn!("the server does not answer: its connections are left open");
                }
            }
        }
    }
}

/// What the store says when the database does not answer, or answers with what this build cannot read.
fn failed(error: sqlx::Error) -> StoreError {
    let is_unreadable = matches!(error, sqlx::Error::ColumnDecode { .. } | sqlx::Error::Decode(_));
    if is_unreadable { StoreError::Unreadable(error.into()) } else { StoreError::Unavailable(error.into()) }
}

#[async_trait]
impl Journal for Store {
    fn incarnation(&self) -> Uuid {
        self.incarnation
    }

    async fn commit(&self, node: Uuid, batch: &[Append]) -> Result<Vec<Outcome>, StoreError> {
        match &self.kept {
            Kept::File(file) => file.commit(node, batch).await.map_err(failed),
            Kept::Server { connections, tenure: Some(tenure) } => {
                connections.commit(tenure, node, batch).await.map_err(failed)
            }
            Kept::Server { tenure: None, .. } => Ok(vec![Outcome::Fenced; batch.len()]),
        }
    }

    async fn save(&self, node: Uuid, snapshots: &[SnapshotWrite]) -> Result<(), StoreError> {
        match &self.kept {
            Kept::File(file) => file.save(node, snapshots).await.map_err(failed),
            Kept::Server { connections, tenure: Some(tenure) } => {
                connections.save(tenure, node, snapshots).await.map_err(failed)
            }
            Kept::Server { tenure: None, .. } => Ok(()),
        }
    }

    async fn load_all(
        &self,
        gym: GymId,
        addresses: &[Address],
    ) -> Result<Vec<(Address, Stored)>, StoreError> {
        read::load_all(&self.reads, gym, addresses).await.map_err(failed)
    }

    async fn events(
        &self,
        gym: GymId,
        address: Address,
        since: Version,
        limit: u32,
    ) -> Result<Option<Vec<EventRow>>, StoreError> {
        read::events(&self.reads, gym, address, since, limit).await.map_err(failed)
    }

    async fn running(&self, gym: GymId, owners: &[UserId]) -> Result<Vec<(Address, Version)>, StoreError> {
        read::running(&self.reads, gym, owners).await.map_err(failed)
    }

    async fn letters(
        &self,
        gym: GymId,
        recipient: UserId,
        limit: u32,
    ) -> Result<Vec<(LetterId, LetterRow)>, StoreError> {
        letters::to(&self.reads, gym, recipient, limit).await.map_err(failed)
    }

    async fn recipients(&self, after: UserId, limit: u32) -> Result<Vec<(GymId, UserId)>, StoreError> {
        letters::recipients(&self.reads, after, limit).await.map_err(failed)
    }

    async fn reminders(&self, until: Timestamp, limit: u32) -> Result<Vec<Reminder>, StoreError> {
        letters::reminders(&self.reads, until, limit).await.map_err(failed)
    }

    async fn begun_before(
        &self,
        boundary: StreamId,
        after: StreamId,
        limit: u32,
    ) -> Result<Vec<Resident>, StoreError> {
        read::begun_before(&self.reads, boundary, after, limit).await.map_err(failed)
    }

    async fn version_of(
        &self,
        gym: GymId,
        address: Address,
        command: CommandId,
    ) -> Result<Option<Version>, StoreError> {
        read::version_of(&self.reads, gym, address, command).await.map_err(failed)
    }
}
