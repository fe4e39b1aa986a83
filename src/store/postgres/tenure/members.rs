//! Several that serve from one server, each its share of the shards. Who is there, who holds what, and the four ways in
//! which a shard changes hands: it is claimed when its holder is gone, handed over, taken from one that has fallen silent,
//! and given up by one that leaves. Each is one statement that says under which epoch it believes the shard to be.

use std::collections::BTreeSet;
use std::sync::Arc;

use spotter_actors::{Claims, Epoch};
use spotter_protocol::Shard;
use sqlx::Row;
use uuid::Uuid;

use super::super::{Connections, Server};
use super::{Holding, SILENT, Tenure, Void, await_turn, shard_of};
use crate::store::OpenError;

/// One of those who serve.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Member {
    pub(crate) node: Uuid,
    /// Where it listens.
    pub(crate) address: String,
    /// It is about to end.
    pub(crate) leaving: bool,
    /// Microseconds since it joined.
    pub(crate) age: i64,
    /// Microseconds since its lease was renewed.
    pub(crate) silent: i64,
}

impl Member {
    /// Whether it has been silent for so long that it does nothing any more.
    pub(crate) const fn is_dead(&self) -> bool {
        self.silent > SILENT
    }
}

/// Who serves, and what each holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct View {
    pub(crate) members: Vec<Member>,
    /// Of each shard, in order: the node that holds it, which may be gone, and the epoch.
    pub(crate) shards: Vec<(Option<Uuid>, Epoch)>,
}

impl Tenure {
    /// Joins those who serve; whoever serves alone is waited for until it has fallen silent, for some seconds at most.
    pub(in super::super::super) async fn join(
        server: &Server,
        connections: &Connections,
        address: &str,
    ) -> Result<Self, OpenError> {
        let claims = Arc::new(Claims::none(Uuid::new_v4()));
        await_turn(server, connections, claims, address, Holding::AShare).await
    }

    /// Names the database, whatever address it is reached at.
    pub(crate) fn database(&self) -> String {
        format!("{}-{}", self.system, self.database)
    }

    /// Comes when the lease is to be renewed before its time: something that was written did not go in.
    pub(crate) async fn doubted(&self) {
        self.look.notified().await;
    }

    /// Renews the lease and looks who is there, or says why this node may serve no longer. A node tells whether it leaves,
    /// and the policy version by which it has closed what was closed.
    pub(crate) async fn look(&self, leaving: bool, policy_version: i64) -> sqlx::Result<Result<View, Void>> {
        if let Some(void) = self.renew().await? {
            return Ok(Err(void));
        }
        let view = self.lanes.run(async |lane| {
            let told = sqlx::query(
                "UPDATE nodes SET leaving = $2, policy_version = $3
                 WHERE node = $1 AND (leaving, policy_version) <> ($2, $3)",
            );
            let told = told.bind(self.claims.node()).bind(leaving).bind(policy_version);
            told.execute(&mut lane.connection).await?;
            let members = concat!(
                "SELECT node, address, leaving, ",
                now!(),
                " - started_at AS age, ",
                now!(),
                " - renewed_at AS silent FROM nodes ORDER BY node"
            );
            let members = sqlx::query(members).fetch_all(&mut lane.connection).await?;
            let members = members.iter().map(|row| {
                Ok(Member {
                    node: row.try_get("node")?,
                    address: row.try_get("address")?,
                    leaving: row.try_get("leaving")?,
                    age: row.try_get("age")?,
                    silent: row.try_get("silent")?,
                })
            });
            let members = members.collect::<sqlx::Result<_>>()?;
            let shards = sqlx::query("SELECT shard, node, epoch FROM shards ORDER BY shard");
            let shards = shards.fetch_all(&mut lane.connection).await?;
            let shards = shards.iter().map(|row| Ok((row.try_get("node")?, Epoch(row.try_get("epoch")?))));
            Ok(View { members, shards: shards.collect::<sqlx::Result<_>>()? })
        });
        Ok(Ok(view.await?))
    }

    /// Claims shards whose holders are gone, those that are still under these epochs; answers which and their new epochs.
    pub(crate) async fn claim(&self, shards: &[(Shard, Epoch)]) -> sqlx::Result<Vec<(Shard, Epoch)>> {
        self.change(
            "WITH free AS MATERIALIZED (
                 SELECT shards.shard FROM shards
                 JOIN unnest($2::smallint[], $3::bigint[]) AS given (shard, epoch)
                     ON given.shard = shards.shard AND given.epoch = shards.epoch
                 WHERE NOT EXISTS (SELECT 1 FROM nodes WHERE nodes.node = shards.node)
                     AND EXISTS (SELECT 1 FROM nodes WHERE nodes.node = $1)
                 ORDER BY shards.shard FOR UPDATE OF shards)
             UPDATE shards SET epoch = epoch + 1, node = $1 FROM free WHERE shards.shard = free.shard
             RETURNING shards.shard, shards.epoch",
            self.claims.node(),
            shards,
        )
        .await
    }

    /// Hands shards of this node to another that is there and stays; answers which it has now, and their new epochs.
    /// Nothing may be under way to them any more.
    pub(crate) async fn hand_over(
        &self,
        to: Uuid,
        shards: &[(Shard, Epoch)],
    ) -> sqlx::Result<Vec<(Shard, Epoch)>> {
        let mine = shards.iter().filter(|(shard, epoch)| self.claims.epoch(*shard) == Some(*epoch));
        let mine: Vec<_> = mine.copied().collect();
        self.change(
            "WITH mine AS MATERIALIZED (
                 SELECT shards.shard FROM shards
                 JOIN unnest($2::smallint[], $3::bigint[]) AS given (shard, epoch)
                     ON given.shard = shards.shard AND given.epoch = shards.epoch
                 WHERE EXISTS (SELECT 1 FROM nodes WHERE nodes.node = $1 AND NOT nodes.leaving)
                 ORDER BY shards.shard FOR UPDATE OF shards)
             UPDATE shards SET epoch = epoch + 1, node = $1 FROM mine WHERE shards.shard = mine.shard
             RETURNING shards.shard, shards.epoch",
            to,
            &mine,
        )
        .await
    }

    /// Gives shards to `node` by a statement that checks their epochs.
    async fn change(
        &self,
        statement: &'static str,
        node: Uuid,
        shards: &[(Shard, Epoch)],
    ) -> sqlx::Result<Vec<(Shard, Epoch)>> {
        if shards.is_empty() {
            return Ok(Vec::new());
        }
        let (numbers, epochs): (Vec<i16>, Vec<i64>) =
            shards.iter().map(|(shard, epoch)| (shard.number().cast_signed(), epoch.0)).unzip();
        let changed = self.lanes.run(async |lane| {
            let changed = sqlx::query(statement).bind(node).bind(&numbers).bind(&epochs);
            changed.fetch_all(&mut lane.connection).await
        });
        changed.await?.iter().map(shard_of).collect()
    }

    /// Takes those from the list who have been silent for so long that they do nothing any more; answers who they were.
    pub(crate) async fn bury(&self, nodes: &BTreeSet<Uuid>) -> sqlx::Result<Vec<Uuid>> {
        let nodes: Vec<Uuid> = nodes.iter().copied().collect();
        // Under the row's lock: a renewal under way is waited for, and one that comes later finds the row gone.
        let silent = concat!(
            "DELETE FROM nodes WHERE node = ANY ($1) AND renewed_at < ",
            now!(),
            " - $2 RETURNING node"
        );
        let buried = self.lanes.run(async |lane| {
            sqlx::query_scalar(silent).bind(&nodes).bind(SILENT).fetch_all(&mut lane.connection).await
        });
        buried.await
    }
}
