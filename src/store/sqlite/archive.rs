//! Months of a file. Their rows go some thousands at a time, so that the commits of athletes get in between.

use spotter_actors::Claim;
use spotter_protocol::{SHARDS, StreamId, Timestamp};
use sqlx::{Connection, SqliteConnection};

use super::super::{Month, TakenAway};
use super::fence::holds;
use super::{File, blob, uuid};

/// Rows that one transaction takes away.
const ROWS_MAX: u32 = 5_000;

impl File {
    /// The months before `boundary` that have rows: from each to the first row behind it.
    pub(in super::super) async fn months_before(&self, boundary: Month) -> sqlx::Result<Vec<Month>> {
        let mut months = Vec::new();
        let (mut from, until) = (StreamId::least_at(Timestamp(0)), StreamId::least_at(boundary.begins()));
        loop {
            let first =
                sqlx::query_scalar("SELECT min(stream) FROM journal WHERE stream >= ? AND stream < ?");
            let first = first.bind(blob(from.0)).bind(blob(until.0));
            let first: Option<Vec<u8>> = first.fetch_one(&self.reader).await?;
            let Some(first) = first else { return Ok(months) };
            let month = Month::of(StreamId(uuid(first)?).minted_at());
            months.push(month);
            from = month.streams().end;
        }
    }

    /// Takes away the next rows of a month.
    pub(in super::super) async fn take_away(&self, claim: &Claim, month: Month) -> sqlx::Result<TakenAway> {
        let mut connection = self.writer.acquire().await?;
        let taken = take_away_on(&mut connection, claim, month).await;
        if taken.is_err() {
            connection.close_on_drop();
        }
        taken
    }
}

async fn take_away_on(
    connection: &mut SqliteConnection,
    claim: &Claim,
    month: Month,
) -> sqlx::Result<TakenAway> {
    let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await?;
    let shards = (0_u16..).zip(&claim.epochs);
    let shards: Vec<_> = shards.filter_map(|(shard, epoch)| Some((shard, (*epoch)?))).collect();
    if shards.len() < usize::from(SHARDS) || !holds(&mut transaction, claim.node, &shards).await? {
        return Ok(TakenAway::Fenced);
    }
    let streams = month.streams();
    let (first, end) = (blob(streams.start.0), blob(streams.end.0));
    let residents = sqlx::query_scalar("SELECT count(*) FROM entities WHERE stream >= ? AND stream < ?");
    let residents: i64 = residents.bind(&first).bind(&end).fetch_one(&mut *transaction).await?;
    if residents > 0 {
        return Ok(TakenAway::LivedIn(residents.unsigned_abs()));
    }
    let rows = sqlx::query(
        "DELETE FROM journal WHERE (stream, version) IN (
             SELECT stream, version FROM journal WHERE stream >= ? AND stream < ? ORDER BY stream, version LIMIT ?)",
    );
    let rows = rows.bind(&first).bind(&end).bind(ROWS_MAX).execute(&mut *transaction).await?;
    transaction.commit().await?;
    Ok(if rows.rows_affected() < ROWS_MAX.into() { TakenAway::Whole } else { TakenAway::Partly })
}
