//! Who serves from a server. Whoever does renews a row each second by the server's clock; another may take over once
//! that row has been silent for longer than any renewal takes. Nothing is written for want of a good clock: the epochs
//! decide, and this only decides when they are raised.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use spotter_actors::{Claim, Epoch};
use spotter_protocol::SHARDS;
use sqlx::{Connection, PgConnection, Row};
use tokio::sync::Notify;
use tokio::time::{Instant, MissedTickBehavior};
use tracing::{info, warn};
use uuid::Uuid;

use super::super::OpenError;
use super::lanes::Lanes;
use super::statement::{Held, Statement, TIMELINE, Writer};
use super::{Connections, Server};

/// How often a lease is renewed.
const RENEW_EVERY: Duration = Duration::from_secs(1);
/// How long whoever serves must have been silent before another takes over, in microseconds.
const SILENT: i64 = 3_500_000;
/// How long a start waits for one that serves to fall silent: as it does when it was killed a moment ago.
const WAIT: Duration = Duration::from_secs(6);
/// How often a start that waits looks again.
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// Renewals between two looks whether the journal has a part for the month to come.
const RENEWALS_A_MONTH_CHECK: u64 = 3600;

/// The microseconds since 1970 by the server's clock.
macro_rules! now {
    () => {
        "(extract(epoch FROM clock_timestamp()) * 1000000)::bigint"
    };
}

/// Why a node may serve no longer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Void {
    /// Another spotter has taken over.
    TakenOver {
        /// Where that one is reached.
        by: String,
    },
    /// The server is not where it was: it was promoted without all that was acknowledged, or is another. All that this
    /// node knows is void, and it begins anew.
    Rewound,
}

/// The right to serve, while it is renewed.
#[derive(Debug)]
pub(in super::super) struct Tenure {
    node: Uuid,
    /// The course of the server's history in which the shards were claimed.
    timeline: String,
    pub(in super::super) incarnation: Uuid,
    /// Which server it is; a copy that became a server of its own has another number.
    system: i64,
    /// The epoch of the first shard.
    epoch: i64,
    /// The newest renewal that is known to be durable, by the server's clock. One is never before it, whatever that
    /// clock does: a server on which one is has lost it.
    renewed_at: AtomicI64,
    lanes: Arc<Lanes>,
    look: Notify,
}

/// Waits until nobody else serves, and claims every shard under a new epoch.
pub(in super::super) async fn begin(
    server: &Server,
    connections: &Connections,
    address: &str,
) -> Result<(Claim, Tenure), OpenError> {
    let failed = |source| server.failed(source);
    let node = Uuid::new_v4();
    let until = Instant::now() + WAIT;
    let mut told = false;
    loop {
        let (who, silent) = match take_turn(&connections.lanes, node, address).await.map_err(failed)? {
            Turn::Ours(taken) => {
                let Taken { claim, timeline, system, incarnation, renewed_at } = *taken;
                let epoch = claim.epochs.first().copied().flatten().map_or(0, |epoch| epoch.0);
                let (renewed_at, lanes, look) =
                    (renewed_at.into(), Arc::clone(&connections.lanes), Notify::new());
                return Ok((
                    claim,
                    Tenure { node, timeline, incarnation, system, epoch, renewed_at, lanes, look },
                ));
            }
            Turn::Theirs { who, silent } => (who, silent),
        };
        if Instant::now() >= until {
            return Err(OpenError::Served { server: server.name(), by: who, silent_ms: silent / 1000 });
        }
        if !told {
            info!(%who, silent_ms = silent / 1000, "another spotter serves from this database: waiting for it to end");
            told = true;
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// Whose turn it is to serve.
enum Turn {
    Ours(Box<Taken>),
    /// Of another, which has been silent for so many microseconds.
    Theirs {
        who: String,
        silent: i64,
    },
}

/// Takes over, unless another serves.
async fn take_turn(lanes: &Lanes, node: Uuid, address: &str) -> sqlx::Result<Turn> {
    let turn = lanes.run(async |lane| {
        let mut transaction = lane.connection.begin().await?;
        if let Some((who, silent)) = serving(&mut transaction).await? {
            transaction.rollback().await?;
            return Ok(Turn::Theirs { who, silent });
        }
        let taken = take_over(&mut transaction, node, address).await?;
        transaction.commit().await?;
        Ok(Turn::Ours(Box::new(taken)))
    });
    turn.await
}

/// Whoever serves, and for how many microseconds it has been silent. Who asks holds off others that ask.
async fn serving(connection: &mut PgConnection) -> sqlx::Result<Option<(String, i64)>> {
    sqlx::query("SELECT pg_advisory_xact_lock(hashtext('spotter claim'))").execute(&mut *connection).await?;
    // Under the row's lock: a renewal under way is waited for, and one that comes later finds the row gone.
    let silent = concat!("DELETE FROM nodes WHERE renewed_at < ", now!(), " - $1");
    sqlx::query(silent).bind(SILENT).execute(&mut *connection).await?;
    let newest = concat!(
        "SELECT address, ",
        now!(),
        " - renewed_at AS silent FROM nodes ORDER BY renewed_at DESC LIMIT 1"
    );
    let newest = sqlx::query(newest).fetch_optional(connection).await?;
    newest.map(|row| Ok((row.try_get("address")?, row.try_get("silent")?))).transpose()
}

struct Taken {
    claim: Claim,
    timeline: String,
    system: i64,
    incarnation: Uuid,
    renewed_at: i64,
}

async fn take_over(connection: &mut PgConnection, node: Uuid, address: &str) -> sqlx::Result<Taken> {
    let listed = concat!(
        "INSERT INTO nodes (node, address, build, started_at, renewed_at) VALUES ($1, $2, $3, ",
        now!(),
        ", ",
        now!(),
        ") RETURNING renewed_at"
    );
    let listed = sqlx::query_scalar(listed).bind(node).bind(address).bind(env!("CARGO_PKG_VERSION"));
    let renewed_at: i64 = listed.fetch_one(&mut *connection).await?;
    // In the order in which appends lock them.
    let claimed = sqlx::query(
        "WITH every AS MATERIALIZED (SELECT shard FROM shards ORDER BY shard FOR UPDATE)
         UPDATE shards SET epoch = epoch + 1, node = $1 FROM every WHERE shards.shard = every.shard
         RETURNING shards.shard, shards.epoch",
    );
    let mut epochs = vec![None; usize::from(SHARDS)];
    for row in claimed.bind(node).fetch_all(&mut *connection).await? {
        let shard = usize::try_from(row.try_get::<i16, _>("shard")?).unwrap_or(usize::MAX);
        if let Some(place) = epochs.get_mut(shard) {
            *place = Some(Epoch(row.try_get("epoch")?));
        }
    }
    // A dump that is put back on the same server has a database of another number.
    let place = format!(
        "SELECT {TIMELINE} AS timeline, (SELECT system_identifier FROM pg_control_system()) AS system,
             (SELECT oid::bigint FROM pg_database WHERE datname = current_database()) AS database"
    );
    let place = sqlx::query(sqlx::AssertSqlSafe(place)).fetch_one(&mut *connection).await?;
    let (timeline, system): (String, i64) = (place.try_get("timeline")?, place.try_get("system")?);
    let database: i64 = place.try_get("database")?;
    let incarnation = sqlx::query_scalar(
        "UPDATE meta SET timeline = $1,
             incarnation = CASE WHEN timeline IN ('', $1) THEN incarnation ELSE gen_random_uuid() END
         RETURNING incarnation",
    );
    let incarnation =
        incarnation.bind(format!("{system}/{timeline}/{database}")).fetch_one(&mut *connection).await?;
    open_months(connection).await?;
    Ok(Taken { claim: Claim { node, epochs }, timeline, system, incarnation, renewed_at })
}

/// Makes the journal's parts for this month and the next.
async fn open_months(connection: &mut PgConnection) -> sqlx::Result<()> {
    let months = "SELECT spotter_open_month(month::date)
         FROM generate_series(timezone('UTC', now()), timezone('UTC', now()) + interval '1 month', '1 month') AS month";
    sqlx::query(months).execute(connection).await.map(|_| ())
}

impl Tenure {
    /// What `node` writes under.
    pub(super) fn writer(&self, node: Uuid) -> Writer {
        Writer { node, timeline: self.timeline.clone() }
    }

    /// Whether `node` holds the shards: from here on, until the transaction ends. When it does not, the right to serve is
    /// looked at soon.
    pub(super) async fn holds(
        &self,
        transaction: &mut PgConnection,
        node: Uuid,
        shards: &BTreeSet<Held>,
    ) -> sqlx::Result<bool> {
        let fence = Statement::under(&self.writer(node), shards)?;
        let is_held = fence.run_whole(transaction).await? == *shards;
        if !is_held {
            self.doubt();
        }
        Ok(is_held)
    }

    /// Looks soon whether the right to serve is still there: something that was written did not go in.
    pub(super) fn doubt(&self) {
        self.look.notify_one();
    }

    /// Renews the lease each second, until this node may serve no longer. A server that does not answer is asked again:
    /// nobody can take over on it meanwhile.
    pub(in super::super) async fn until_void(&self) -> Void {
        let mut renewals = tokio::time::interval(RENEW_EVERY);
        renewals.set_missed_tick_behavior(MissedTickBehavior::Delay);
        for renewal in 0_u64.. {
            tokio::select! {
                _ = renewals.tick() => {}
                () = self.look.notified() => {}
            }
            match self.renew().await {
                Ok(Some(void)) => return void,
                Ok(None) => {}
                Err(error) => warn!(%error, "the lease is not renewed: asking again"),
            }
            if renewal % RENEWALS_A_MONTH_CHECK == RENEWALS_A_MONTH_CHECK - 1
                && let Err(error) = self.open_months().await
            {
                warn!(%error, "the journal has no part for the month to come yet: asking again");
            }
        }
        std::future::pending().await
    }

    async fn open_months(&self) -> sqlx::Result<()> {
        self.lanes.run(async |lane| open_months(&mut lane.connection).await).await
    }

    /// Renews the lease, or says why that cannot be.
    async fn renew(&self) -> sqlx::Result<Option<Void>> {
        self.lanes.run(async |lane| self.renew_on(&mut lane.connection).await).await
    }

    async fn renew_on(&self, connection: &mut PgConnection) -> sqlx::Result<Option<Void>> {
        let renewed = format!(
            "WITH renewed AS (
                 UPDATE nodes SET renewed_at = greatest({}, renewed_at + 1) WHERE node = $1 AND renewed_at >= $2
                 RETURNING renewed_at)
             SELECT (SELECT renewed_at FROM renewed) AS renewed_at, {TIMELINE} AS timeline,
                 (SELECT system_identifier FROM pg_control_system()) AS system",
            now!()
        );
        let renewed = sqlx::query(sqlx::AssertSqlSafe(renewed)).bind(self.node);
        let row = renewed.bind(self.renewed_at.load(Ordering::Relaxed)).fetch_one(&mut *connection).await?;
        let is_same = row.try_get::<String, _>("timeline")? == self.timeline
            && row.try_get::<i64, _>("system")? == self.system;
        if let Some(renewed_at) = row.try_get("renewed_at")?
            && is_same
        {
            self.renewed_at.store(renewed_at, Ordering::Relaxed);
            return Ok(None);
        }
        // Asked anew: the first statement may have waited for the one that took over, and does not see what it wrote.
        let now = sqlx::query(
            "SELECT epoch, (SELECT address FROM nodes ORDER BY started_at DESC LIMIT 1) AS newest
             FROM shards ORDER BY shard LIMIT 1",
        );
        let now = now.fetch_one(&mut *connection).await?;
        if is_same && now.try_get::<i64, _>("epoch")? > self.epoch {
            let by: Option<String> = now.try_get("newest")?;
            return Ok(Some(Void::TakenOver { by: by.unwrap_or_else(|| "nobody any more".to_owned()) }));
        }
        // A copy that was put in place of the server does not know that it is one.
        let another = "UPDATE meta SET incarnation = gen_random_uuid()";
        sqlx::query(another).execute(connection).await?;
        Ok(Some(Void::Rewound))
    }

    /// Ends the lease, so that the next one to start need not wait.
    pub(in super::super) async fn end(&self) {
        let ended = self.lanes.run(async |lane| {
            let listed = sqlx::query("DELETE FROM nodes WHERE node = $1").bind(self.node);
            listed.execute(&mut lane.connection).await
        });
        if let Err(error) = ended.await {
            warn!(%error, "the lease ends by itself in a few seconds");
        }
    }
}
