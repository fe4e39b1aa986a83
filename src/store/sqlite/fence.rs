//! The fence of a transaction that takes rows away: nothing it does is done under a claim that was lost.

use serde_json::json;
use spotter_actors::Epoch;
use sqlx::{Row, SqliteConnection};
use uuid::Uuid;

use super::blob;
use crate::db::json_list;

/// Whether `node` holds shards, by number, under these epochs: inside a transaction that writes, until it ends.
pub(in super::super) async fn holds(
    connection: &mut SqliteConnection,
    node: Uuid,
    shards: &[(u16, Epoch)],
) -> sqlx::Result<bool> {
    let claimed = shards.iter().map(|(shard, epoch)| json!([shard, epoch.0]));
    let held = sqlx::query(
        "SELECT count(*) AS held FROM json_each(?) AS claimed
         CROSS JOIN shards ON shards.shard = claimed.value ->> 0 AND shards.epoch = claimed.value ->> 1
         WHERE shards.node = ?",
    );
    let held = held.bind(json_list(claimed)).bind(blob(node)).fetch_one(connection).await?;
    Ok(held.try_get::<i64, _>("held")?.unsigned_abs() == shards.len() as u64)
}
