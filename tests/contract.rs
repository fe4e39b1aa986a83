//! The SQLite store keeps the contract that every store keeps.

#![expect(clippy::unwrap_used, reason = "what a test cannot do without, it fails without")]

use std::path::PathBuf;

use async_trait::async_trait;
use spotter::store::SqliteStore;
use spotter_actors::contract::Subject;
use spotter_actors::{Claim, DeadLetters, Journal, contract_tests};
use spotter_protocol::{Reps, SessionId, SetId, Shard, UserId};
use sqlx::Row;
use tempfile::TempDir;
use uuid::Uuid;

struct Sqlite {
    store: SqliteStore,
    claim: Claim,
    _directory: TempDir,
}

#[async_trait]
impl Subject for Sqlite {
    fn journal(&self) -> &dyn Journal {
        &self.store
    }

    fn dead_letters(&self) -> &dyn DeadLetters {
        &self.store
    }

    fn claim(&self) -> &Claim {
        &self.claim
    }

    async fn steal(&self, shard: Shard) {
        let stolen = sqlx::query("UPDATE shards SET epoch = epoch + 1, node = ? WHERE shard = ?");
        let stolen = stolen.bind(Uuid::from_u128(2).as_bytes().to_vec()).bind(shard.number());
        stolen.execute(&self.store.db().writer).await.unwrap();
    }

    async fn sets_of(&self, owner: UserId) -> Vec<(SessionId, SetId, Option<Reps>)> {
        let rows = sqlx::query("SELECT session, set_id, reps FROM sets WHERE owner = ? ORDER BY 1, 2");
        let rows = rows.bind(owner.0.as_bytes().to_vec()).fetch_all(&self.store.db().reader).await.unwrap();
        let id = |bytes: Vec<u8>| Uuid::from_slice(&bytes).unwrap();
        let reps = |reps: Option<u32>| reps.map(|reps| Reps::new(reps).unwrap());
        rows.iter().map(|row| (SessionId(id(row.get(0))), SetId(id(row.get(1))), reps(row.get(2)))).collect()
    }
}

async fn open() -> Sqlite {
    let directory = tempfile::tempdir().unwrap();
    let path: PathBuf = directory.path().join("spotter.db");
    let (store, claim) = SqliteStore::open_serving(&path).await.unwrap();
    Sqlite { store, claim, _directory: directory }
}

contract_tests!(open);
