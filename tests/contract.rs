//! The stores keep the contract that every journal keeps.

#![allow(clippy::unwrap_used, reason = "what a test cannot do without, it fails without")]

#[path = "support/postgres.rs"]
mod postgres;
#[path = "support/store.rs"]
mod store;

use async_trait::async_trait;
use spotter::db;
use spotter_actors::contract::Subject;
use spotter_actors::{Claim, DeadLetters, Journal};
use spotter_protocol::{Reps, SessionId, SetId, Shard, UserId};
use store::Serving;
use uuid::Uuid;

#[async_trait]
impl Subject for Serving {
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
        let stolen = db::query("UPDATE shards SET epoch = epoch + 1, node = $1 WHERE shard = $2");
        let stolen = stolen.bind(Uuid::from_u128(2)).bind(shard.number());
        assert_eq!(stolen.execute(&self.store.db().writer).await.unwrap(), 1);
    }

    async fn sets_of(&self, owner: UserId) -> Vec<(SessionId, SetId, Option<Reps>)> {
        let rows = db::query("SELECT session, set_id, reps FROM sets WHERE owner = $1 ORDER BY 1, 2");
        let rows = rows.bind(owner.0).fetch_all(&self.store.db().reader).await.unwrap();
        let reps = |reps: Option<u32>| reps.map(|reps| Reps::new(reps).unwrap());
        let set = |row: &db::Row| {
            let (session, set) = (row.get("session").unwrap(), row.get("set_id").unwrap());
            (SessionId(session), SetId(set), reps(row.get("reps").unwrap()))
        };
        rows.iter().map(set).collect()
    }
}

mod on_a_file {
    spotter_actors::contract_tests!(crate::store::on_file);
}

mod on_a_server {
    spotter_actors::contract_tests!(crate::store::on_server);
}
