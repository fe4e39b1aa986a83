//! The PostgreSQL store: a server that several may reach and one spotter serves from. Who serves holds a lease that
//! it renews each second by the server's clock; whoever takes over raises every epoch, and what the one before still
//! sends writes nothing.

mod archive;
mod commit;
mod heads;
mod lanes;
mod statement;
mod tables;
mod tenure;

use std::collections::{BTreeMap, BTreeSet};
use std::io::ErrorKind;
use std::sync::Arc;
use std::time::Duration;

use spotter_actors::{Append, Epoch, Outcome, SnapshotWrite};
use spotter_protocol::Shard;
use sqlx::migrate::{Migrate, Migrator};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{ConnectOptions, Connection, PgConnection, PgPool, Row};
use uuid::Uuid;

use lanes::Lanes;
#[cfg(test)]
pub(crate) use tenure::Member;
pub use tenure::Void;
pub(super) use tenure::begin;
pub(crate) use tenure::{Tenure, View};

use super::OpenError;
use super::migrations::{compare, migration};
use crate::db::{Db, Pool, in_time};

/// The oldest server that has what the statements need.
pub(crate) const OLDEST: i32 = 150_000;
/// How long a caller waits for a connection; then the store counts as away.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a connection is not asked whether it is alive after its last use.
const TRUSTED: Duration = Duration::from_secs(1);
/// How soon one that is alive answers.
const ALIVE_WITHIN: Duration = Duration::from_secs(1);
/// Connections beside those of the lanes: the lease, and an archive that takes a month away.
const LANES_SHARE: u32 = 2;
/// Connections that change accounts; they follow one another anyway.
const ACCOUNT_WRITERS: u32 = 2;
/// Connections that read entities, which nothing else may use: who wakes must not wait behind pages of history.
const RECOVERY_MAX: u32 = 8;
/// What the server ends by itself, so that no connection of a node that is paused or cut off holds a lock for long.
const LIMITS: [(&str, &str); 4] = [
    ("statement_timeout", "5s"),
    ("lock_timeout", "3s"),
    ("idle_in_transaction_session_timeout", "2s"),
    ("tcp_user_timeout", "5s"),
];
/// Entities are only ever looked up by key; with statistics that are still those of an empty table the server would
/// read all of a large one. What is given has to be the outer side as well, so what is looked up stands in a subquery
/// that is joined laterally, with `OFFSET 0`, where it matters: such a subquery is looked into for each row given.
/// The ways that are switched off count so much in the estimates that the server would compile what takes a tenth of a
/// millisecond.
const BY_KEY: [(&str, &str); 6] = [
    ("enable_seqscan", "off"),
    ("enable_bitmapscan", "off"),
    ("enable_hashjoin", "off"),
    ("enable_mergejoin", "off"),
    ("plan_cache_mode", "force_generic_plan"),
    ("jit", "off"),
];

/// How a server is used.
#[derive(Clone, Debug)]
pub struct Server {
    /// Where it is, and as whom.
    pub options: PgConnectOptions,
    /// Statements of the journal in flight at once.
    pub lanes: u32,
    /// Connections that answer questions of people.
    pub readers: u32,
    /// Whether it may serve although it does not flush what it acknowledges.
    pub allow_unsafe: bool,
    /// Whether tables that are out of date are brought up to date.
    pub migrate: bool,
}

/// The connections to a server.
#[derive(Debug)]
pub(super) struct Connections {
    /// Of the lanes, and of what takes turns with them.
    lanes: Arc<Lanes>,
    /// Of entities that wake and subscribers that catch up.
    pub(super) recovery: PgPool,
    pub(super) db: Db,
}

impl Server {
    /// The server as an error names it: no password.
    pub(crate) fn name(&self) -> String {
        let database = self.options.get_database().unwrap_or_else(|| self.options.get_username());
        format!("postgres://{}:{}/{database}", self.options.get_host(), self.options.get_port())
    }

    /// Without the server's remarks on what it was asked to do.
    fn quiet(&self) -> PgConnectOptions {
        self.options.clone().options([("client_min_messages", "warning")])
    }

    fn failed(&self, source: sqlx::Error) -> OpenError {
        let server = self.name();
        if self.is_about_tls(&source) {
            return OpenError::Tls { server, source };
        }
        OpenError::Server { server, source }
    }

    /// Whether it was TLS that failed. A certificate that is not trusted comes as bytes that mean nothing, and a file
    /// of certificates that is not there as one that is not found.
    fn is_about_tls(&self, error: &sqlx::Error) -> bool {
        if matches!(error, sqlx::Error::Tls(_)) {
            return true;
        }
        let sqlx::Error::Io(error) = error else { return false };
        // The file of a socket may be missing, too.
        let is_absent = error.kind() == ErrorKind::NotFound && self.options.get_socket().is_none();
        is_absent || error.kind() == ErrorKind::InvalidData
    }

    /// Connects, once it is known that the server keeps what it acknowledges and its tables are this build's.
    pub(super) async fn connect(&self) -> Result<Connections, OpenError> {
        let mut connection = self.quiet().connect().await.map_err(|source| self.failed(source))?;
        self.check(&mut connection).await?;
        self.bring_up_to_date(&mut connection, self.migrate).await?;
        connection.close().await.map_err(|source| self.failed(source))?;
        let lanes = Arc::new(Lanes::new(self.connect_options(&BY_KEY)));
        let recovery = self.pool(RECOVERY_MAX, &BY_KEY);
        let writer = Pool::Postgres(self.pool(ACCOUNT_WRITERS, &[]));
        let reader = Pool::Postgres(self.pool(self.readers, &[]));
        Ok(Connections { lanes, recovery, db: Db { writer, reader } })
    }

    /// Brings the tables up to date, whether or not that is set.
    pub(super) async fn migrate(&self) -> Result<(), OpenError> {
        let mut connection = self.quiet().connect().await.map_err(|source| self.failed(source))?;
        self.check(&mut connection).await?;
        self.bring_up_to_date(&mut connection, true).await
    }

    /// Connections to read from, once it is known that the tables are this build's.
    pub(super) async fn reading(&self) -> Result<Pool, OpenError> {
        // Asked by a connection of its own: it says why it cannot, where a pool would say that none came in time.
        let connection = self.options.clone().connect().await.map_err(|source| self.failed(source))?;
        connection.close().await.map_err(|source| self.failed(source))?;
        let pool = Pool::Postgres(self.pool(self.readers, &[]));
        compare(&pool, &self.name()).await.map_err(|source| self.failed(source))??;
        Ok(pool)
    }

    /// How many connections a node opens at most: of the lanes, the recovery, the accounts, the readers, and the one
    /// that looks at the tables first.
    pub(crate) fn connections(&self) -> u32 {
        self.lanes + LANES_SHARE + RECOVERY_MAX + ACCOUNT_WRITERS + self.readers + 1
    }

    fn pool(&self, connections: u32, settings: &[(&str, &str)]) -> PgPool {
        PgPoolOptions::new()
            .max_connections(connections)
            .acquire_timeout(ACQUIRE_TIMEOUT)
            .max_lifetime(None)
            // Only connections that were of no use for a while are asked whether they are alive, and not for long.
            .test_before_acquire(false)
            .before_acquire(|connection, meta| {
                Box::pin(async move { Ok(meta.idle_for < TRUSTED || is_alive(connection).await) })
            })
            // A connection that still owes an answer that was given up keeps no place in the pool.
            .after_release(|connection, _| Box::pin(async move { Ok(is_alive(connection).await) }))
            .connect_lazy_with(self.connect_options(settings))
    }

    fn connect_options(&self, settings: &[(&str, &str)]) -> PgConnectOptions {
        let settings = LIMITS.iter().chain(settings).copied();
        self.options.clone().options(settings).disable_statement_logging()
    }

    /// Whether the server is new enough and flushes what it acknowledges.
    async fn check(&self, connection: &mut PgConnection) -> Result<(), OpenError> {
        let said = sqlx::query(
            "SELECT current_setting('server_version_num')::int AS number, current_setting('server_version') AS version,
                 current_setting('fsync') AS fsync, current_setting('full_page_writes') AS full_page_writes,
                 current_setting('synchronous_commit') AS synchronous_commit",
        );
        let said = said.fetch_one(connection).await.map_err(|source| self.failed(source))?;
        let failed = |source| self.failed(source);
        let number: i32 = said.try_get("number").map_err(failed)?;
        if number < OLDEST {
            let version = said.try_get("version").map_err(failed)?;
            return Err(OpenError::TooOld { server: self.name(), version });
        }
        for setting in ["fsync", "full_page_writes", "synchronous_commit"] {
            let value: String = said.try_get(setting).map_err(failed)?;
            if value == "off" && !self.allow_unsafe {
                return Err(OpenError::Unsafe { server: self.name(), setting });
            }
            if value == "off" {
                tracing::warn!(
                    setting,
                    "the server may lose what was acknowledged: allowed by postgres.allow_unsafe"
                );
            }
        }
        Ok(())
    }

    /// Compares the tables with this build's; makes up what is missing when that is wished. The migrator holds an
    /// advisory lock meanwhile: of two that start at once one waits.
    async fn bring_up_to_date(&self, connection: &mut PgConnection, wished: bool) -> Result<(), OpenError> {
        let migrations = migrations();
        let failed = |source| OpenError::migration(self.name(), source);
        if !wished {
            connection.ensure_migrations_table(&migrations.table_name).await.map_err(failed)?;
            let applied = connection.list_applied_migrations(&migrations.table_name).await.map_err(failed)?;
            let missing = migrations.iter().count().saturating_sub(applied.len());
            if missing > 0 {
                return Err(OpenError::Behind { server: self.name(), missing });
            }
        }
        migrations.run_direct(None, connection, false).await.map_err(failed)
    }
}

impl Connections {
    /// The name of the history this server has.
    pub(super) async fn incarnation(&self) -> sqlx::Result<Uuid> {
        sqlx::query_scalar("SELECT incarnation FROM meta").fetch_one(&self.recovery).await
    }

    /// Writes a batch and answers each append in order; what `node` does not hold is fenced.
    pub(super) async fn commit(
        &self,
        tenure: &Tenure,
        node: Uuid,
        batch: &[Append],
    ) -> sqlx::Result<Vec<Outcome>> {
        let outcomes = commit::commit(&self.lanes, &tenure.writer(node), batch).await?;
        if outcomes.contains(&Outcome::Fenced) {
            tenure.doubt();
        }
        Ok(outcomes)
    }

    /// Writes snapshots with their rows.
    pub(super) async fn save(
        &self,
        tenure: &Tenure,
        node: Uuid,
        snapshots: &[SnapshotWrite],
    ) -> sqlx::Result<()> {
        commit::save(&self.lanes, &tenure.writer(node), snapshots).await
    }

    /// Whether `node` holds shards under these epochs: from here on, until the transaction ends. What the transaction
    /// asks is then looked up by key.
    pub(super) async fn holds(
        &self,
        transaction: &mut PgConnection,
        tenure: &Tenure,
        node: Uuid,
        shards: &BTreeMap<Shard, Epoch>,
    ) -> sqlx::Result<bool> {
        let shards: BTreeSet<_> =
            shards.iter().map(|(shard, epoch)| statement::held(*shard, *epoch)).collect();
        if !in_time(tenure.holds(transaction, node, &shards)).await? {
            return Ok(false);
        }
        let (names, values): (Vec<&str>, Vec<&str>) = BY_KEY.into_iter().unzip();
        let by_key = "SELECT set_config(name, value, true) FROM unnest($1, $2) AS given (name, value)";
        in_time(sqlx::query(by_key).bind(names).bind(values).execute(transaction)).await?;
        Ok(true)
    }

    pub(super) async fn close(&self) {
        self.lanes.close().await;
        self.recovery.close().await;
        self.db.writer.close().await;
        self.db.reader.close().await;
    }
}

/// Whether a connection answers soon. One that does not is closed by its pool: it died, or fell silent.
async fn is_alive(connection: &mut PgConnection) -> bool {
    tokio::time::timeout(ALIVE_WITHIN, connection.ping()).await.is_ok_and(|answer| answer.is_ok())
}

/// Every change to the tables, in order, with the numbers they have in SQLite. One that has been applied is never
/// edited.
pub(super) fn migrations() -> Migrator {
    Migrator::with_migrations(vec![
        migration(1, "journal", include_str!("../../migrations/postgres/0001_journal.sql")),
        migration(2, "accounts", include_str!("../../migrations/postgres/0002_accounts.sql")),
        migration(3, "sets by movement", include_str!("../../migrations/postgres/0003_sets_by_movement.sql")),
        migration(4, "letters", include_str!("../../migrations/postgres/0004_letters.sql")),
        migration(5, "dead letters", include_str!("../../migrations/postgres/0005_dead_letters.sql")),
        migration(6, "policy version", include_str!("../../migrations/postgres/0006_policy_version.sql")),
        migration(7, "streams", include_str!("../../migrations/postgres/0007_streams.sql")),
        migration(8, "nodes", include_str!("../../migrations/postgres/0008_nodes.sql")),
        migration(9, "archive", include_str!("../../migrations/postgres/0009_archive.sql")),
        migration(10, "snapshots", include_str!("../../migrations/postgres/0010_snapshots.sql")),
        migration(11, "keys", include_str!("../../migrations/postgres/0011_keys.sql")),
        migration(12, "gyms that leave", include_str!("../../migrations/postgres/0012_gyms_that_leave.sql")),
        migration(13, "bests", include_str!("../../migrations/postgres/0013_bests.sql")),
        migration(14, "cluster", include_str!("../../migrations/postgres/0014_cluster.sql")),
        migration(15, "samples", include_str!("../../migrations/postgres/0015_samples.sql")),
    ])
}
