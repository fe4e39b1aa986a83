//! Who serves from a server. Whoever does renews a row each second by the server's clock; another may take over once
//! that row has been silent for longer than any renewal takes. Nothing is written for want of a good clock: the epochs
//! decide, and this only decides when they are raised. One that serves alone holds every shard and lets nobody join; what
//! several do with theirs is in `members`.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use spotter_actors::{Claim, Claims, Epoch};
use spotter_protocol::Shard;
use sqlx::postgres::PgRow;
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
/// How long after the start of a renewal that succeeded a node is sure of what it holds.
const SURE_FOR: Duration = Duration::from_secs(3);
/// How long whoever serves must have been silent before another takes over, in microseconds: longer than it is sure.
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

mod members;

#[cfg(test)]
pub(crate) use members::Member;
pub(crate) use members::View;

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
pub(crate) struct Tenure {
    pub(crate) claims: Arc<Claims>,
    /// The course of the server's history in which the shards were claimed.
    timeline: String,
    pub(in super::super) incarnation: Uuid,
    /// Which server it is; a copy that became a server of its own has another number.
    system: i64,
    /// Which database of it.
    database: i64,
    /// The newest renewal that is known to be durable, by the server's clock. One is never before it, whatever that
    /// clock does: a server on which one is has lost it.
    renewed_at: AtomicI64,
    /// Renewals so far.
    renewals: AtomicU64,
    lanes: Arc<Lanes>,
    look: Notify,
}

/// Waits until nobody else serves, and claims every shard under a new epoch.
pub(in super::super) async fn begin(
    server: &Server,
    connections: &Connections,
    address: &str,
) -> Result<(Claim, Tenure), OpenError> {
    let claims = Arc::new(Claims::none(Uuid::new_v4()));
    let tenure = await_turn(server, connections, claims, address, Holding::Everything).await?;
    Ok((tenure.claims.now(), tenure))
}

/// What a node holds when it begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Holding {
    /// Every shard, and nobody else any.
    Everything,
    /// Nothing yet, beside others that share.
    AShare,
}

async fn await_turn(
    server: &Server,
    connections: &Connections,
    claims: Arc<Claims>,
    address: &str,
    holding: Holding,
) -> Result<Tenure, OpenError> {
    let failed = |source| server.failed(source);
    let until = Instant::now() + WAIT;
    let mut told = false;
    loop {
        let turn = take_turn(&connections.lanes, &claims, address, holding).await.map_err(failed)?;
        let (who, silent) = match turn {
            Turn::Ours(place) => {
                let Place { timeline, system, database, incarnation, renewed_at } = *place;
                let (renewed_at, renewals) = (renewed_at.into(), AtomicU64::new(0));
                let (lanes, look) = (Arc::clone(&connections.lanes), Notify::new());
                return Ok(Tenure {
                    claims,
                    timeline,
                    incarnation,
                    system,
                    database,
                    renewed_at,
                    renewals,
                    lanes,
                    look,
                });
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
    Ours(Box<Place>),
    /// Of another, which has been silent for so many microseconds.
    Theirs {
        who: String,
        silent: i64,
    },
}

/// Takes a place among those who serve, unless another serves alone, or this one is to be alone and another serves.
async fn take_turn(lanes: &Lanes, claims: &Claims, address: &str, holding: Holding) -> sqlx::Result<Turn> {
    let begun = Instant::now();
    let turn = lanes.run(async |lane| {
        let mut transaction = lane.connection.begin().await?;
        if let Some((who, silent)) = serving(&mut transaction, holding).await? {
            transaction.rollback().await?;
            return Ok(Turn::Theirs { who, silent });
        }
        let place = take_place(&mut transaction, claims.node(), address, holding).await?;
        let claimed = match holding {
            Holding::Everything => claim_all(&mut transaction, claims.node()).await?,
            Holding::AShare => Vec::new(),
        };
        transaction.commit().await?;
        claims.renew(begun, SURE_FOR);
        claimed.into_iter().for_each(|(shard, epoch)| claims.take(shard, epoch));
        Ok(Turn::Ours(Box::new(place)))
    });
    turn.await
}

/// Whoever serves and is in the way, and for how many microseconds it has been silent. Who asks holds off others that
/// ask.
async fn serving(connection: &mut PgConnection, holding: Holding) -> sqlx::Result<Option<(String, i64)>> {
    sqlx::query("SELECT pg_advisory_xact_lock(hashtext('spotter claim'))").execute(&mut *connection).await?;
    // Under the row's lock: a renewal under way is waited for, and one that comes later finds the row gone. Of those who
    // share one that has just come condemns nobody: when the server stood still, all have been silent.
    let silent = concat!("DELETE FROM nodes WHERE renewed_at < ", now!(), " - $1 AND NOT (shares AND $2)");
    let shares = holding == Holding::AShare;
    sqlx::query(silent).bind(SILENT).bind(shares).execute(&mut *connection).await?;
    let newest = concat!(
        "SELECT address, ",
        now!(),
        " - renewed_at AS silent FROM nodes WHERE NOT (shares AND $1) ORDER BY renewed_at DESC LIMIT 1"
    );
    let newest = sqlx::query(newest).bind(shares).fetch_optional(connection).await?;
    newest.map(|row| Ok((row.try_get("address")?, row.try_get("silent")?))).transpose()
}

/// Where a node has its place in the history of a server.
struct Place {
    timeline: String,
    system: i64,
    database: i64,
    incarnation: Uuid,
    renewed_at: i64,
}

/// Every shard, under a new epoch.
async fn claim_all(connection: &mut PgConnection, node: Uuid) -> sqlx::Result<Vec<(Shard, Epoch)>> {
    // In the order in which appends lock them.
    let claimed = sqlx::query(
        "WITH every AS MATERIALIZED (SELECT shard FROM shards ORDER BY shard FOR UPDATE)
         UPDATE shards SET epoch = epoch + 1, node = $1 FROM every WHERE shards.shard = every.shard
         RETURNING shards.shard, shards.epoch",
    );
    claimed.bind(node).fetch_all(connection).await?.iter().map(shard_of).collect()
}

/// A shard and its epoch.
fn shard_of(row: &PgRow) -> sqlx::Result<(Shard, Epoch)> {
    let number: i16 = row.try_get("shard")?;
    let shard = u16::try_from(number).ok().and_then(|number| Shard::all().nth(number.into()));
    let shard = shard.ok_or_else(|| sqlx::Error::Decode(format!("there is no shard {number}").into()))?;
    Ok((shard, Epoch(row.try_get("epoch")?)))
}

async fn take_place(
    connection: &mut PgConnection,
    node: Uuid,
    address: &str,
    holding: Holding,
) -> sqlx::Result<Place> {
    let listed = concat!(
        "INSERT INTO nodes (node, address, build, started_at, renewed_at, shares) VALUES ($1, $2, $3, ",
        now!(),
        ", ",
        now!(),
        ", $4) RETURNING renewed_at"
    );
    let listed = sqlx::query_scalar(listed).bind(node).bind(address).bind(env!("CARGO_PKG_VERSION"));
    let listed = listed.bind(holding == Holding::AShare);
    let renewed_at: i64 = listed.fetch_one(&mut *connection).await?;
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
    Ok(Place { timeline, system, database, incarnation, renewed_at })
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
        loop {
            tokio::select! {
                _ = renewals.tick() => {}
                () = self.look.notified() => {}
            }
            match self.renew().await {
                Ok(Some(void)) => return void,
                Ok(None) => {}
                Err(error) => warn!(%error, "the lease is not renewed: asking again"),
            }
        }
    }

    async fn open_months(&self) -> sqlx::Result<()> {
        self.lanes.run(async |lane| open_months(&mut lane.connection).await).await
    }

    /// Renews the lease, or says why that cannot be.
    async fn renew(&self) -> sqlx::Result<Option<Void>> {
        let begun = Instant::now();
        let void = self.lanes.run(async |lane| self.renew_on(&mut lane.connection).await).await?;
        if void.is_none() {
            self.claims.renew(begun, SURE_FOR);
        }
        if self.renewals.fetch_add(1, Ordering::Relaxed) % RENEWALS_A_MONTH_CHECK
            == RENEWALS_A_MONTH_CHECK - 1
            && let Err(error) = self.open_months().await
        {
            warn!(%error, "the journal has no part for the month to come yet: asking again");
        }
        Ok(void)
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
        let renewed = sqlx::query(sqlx::AssertSqlSafe(renewed)).bind(self.claims.node());
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
            "SELECT EXISTS (SELECT 1 FROM nodes WHERE node = $1) AS listed,
                 (SELECT address FROM nodes ORDER BY started_at DESC LIMIT 1) AS newest",
        );
        let now = now.bind(self.claims.node()).fetch_one(&mut *connection).await?;
        // What was claimed here is in every later state of this history. So is the row, until another takes it away.
        let epochs = sqlx::query("SELECT shard, epoch FROM shards").fetch_all(&mut *connection).await?;
        let mut is_later = is_same && !now.try_get::<bool, _>("listed")?;
        for row in &epochs {
            let (shard, epoch) = shard_of(row)?;
            is_later &= self.claims.epoch(shard).is_none_or(|held| epoch >= held);
        }
        if is_later {
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
            let listed = sqlx::query("DELETE FROM nodes WHERE node = $1").bind(self.claims.node());
            listed.execute(&mut lane.connection).await
        });
        if let Err(error) = ended.await {
            warn!(%error, "the lease ends by itself in a few seconds");
        }
    }
}
