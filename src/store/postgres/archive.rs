//! Months of a server: each is a part of the journal, which goes at once.

use std::collections::BTreeSet;

use spotter_actors::Claim;
use spotter_protocol::SHARDS;
use sqlx::{AssertSqlSafe, Connection, PgConnection, Row};

use super::super::{Month, TakenAway};
use super::Connections;
use super::statement::Held;
use super::tenure::Tenure;

/// How long commits may be kept waiting by a month that somebody reads.
const LOCK_TIMEOUT: &str = "SET LOCAL lock_timeout = '500ms'";
/// What the server says of a lock that was not had in time.
const LOCKED: &str = "55P03";

impl Connections {
    /// The months before `boundary` that have a part.
    pub(in super::super) async fn months_before(&self, boundary: Month) -> sqlx::Result<Vec<Month>> {
        let parts = sqlx::query_scalar(
            "SELECT relname::text FROM pg_inherits JOIN pg_class ON pg_class.oid = inhrelid
             WHERE inhparent = 'journal'::regclass ORDER BY relname",
        );
        let parts: Vec<String> = parts.fetch_all(&self.recovery).await?;
        Ok(parts.iter().filter_map(|part| Month::of_part(part)).filter(|month| *month < boundary).collect())
    }

    /// Takes away the part for a month.
    pub(in super::super) async fn take_away(
        &self,
        tenure: &Tenure,
        claim: &Claim,
        month: Month,
    ) -> sqlx::Result<TakenAway> {
        let taken = self.lanes.run(async |lane| {
            let mut transaction = lane.connection.begin().await?;
            let taken = take_away_in(&mut transaction, tenure, claim, month).await?;
            match taken {
                TakenAway::Whole => transaction.commit().await?,
                TakenAway::Partly | TakenAway::LivedIn(_) | TakenAway::Fenced | TakenAway::Busy => {
                    transaction.rollback().await?
                }
            }
            Ok(taken)
        });
        match taken.await {
            Err(sqlx::Error::Database(error)) if error.code().is_some_and(|code| code == LOCKED) => {
                Ok(TakenAway::Busy)
            }
            taken => taken,
        }
    }
}

async fn take_away_in(
    transaction: &mut PgConnection,
    tenure: &Tenure,
    claim: &Claim,
    month: Month,
) -> sqlx::Result<TakenAway> {
    sqlx::query(LOCK_TIMEOUT).execute(&mut *transaction).await?;
    let shards = (0_i16..).zip(&claim.epochs);
    let shards: BTreeSet<Held> = shards.filter_map(|(shard, epoch)| Some((shard, (*epoch)?.0))).collect();
    if shards.len() < usize::from(SHARDS) || !tenure.holds(transaction, claim.node, &shards).await? {
        return Ok(TakenAway::Fenced);
    }
    // From here on no commit is under way, and none begins: what is looked at next stays so. Of the parts only the one
    // that goes is locked.
    sqlx::query("LOCK TABLE ONLY journal IN ACCESS EXCLUSIVE MODE").execute(&mut *transaction).await?;
    let streams = month.streams();
    let (first, end) = (streams.start.0, streams.end.0);
    let residents =
        sqlx::query("SELECT count(*) AS residents FROM entities WHERE stream >= $1 AND stream < $2");
    let residents = residents.bind(first).bind(end).fetch_one(&mut *transaction).await?;
    let residents: i64 = residents.try_get("residents")?;
    if residents > 0 {
        return Ok(TakenAway::LivedIn(residents.unsigned_abs()));
    }
    let part = format!("DROP TABLE IF EXISTS {}", month.part());
    sqlx::query(AssertSqlSafe(part)).execute(&mut *transaction).await?;
    Ok(TakenAway::Whole)
}
