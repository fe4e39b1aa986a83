//! The server under load where it was started for the run: one node, or several on one database that find each other
//! through one Redis.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::Plan;
use crate::postgres::{self, Postgres};
use crate::redis::{self, Redis};
use crate::server::{Kind, Server};

/// The most nodes that are started.
pub(crate) const NODES_MAX: u16 = 16;
/// What the only node says, in the folder of the run.
const LOG: &str = "server.log";

/// The nodes and what they share.
pub(crate) struct Cluster {
    nodes: Vec<Server>,
    redis: Option<Redis>,
    database: &'static str,
}

impl Cluster {
    /// Prepares nodes that are not started yet.
    ///
    /// # Errors
    /// When there is no place for them.
    pub(crate) async fn prepare(
        program: PathBuf,
        count: u16,
        postgres: Option<Postgres>,
        redis: Option<Redis>,
    ) -> anyhow::Result<Self> {
        let plan = Plan { kind: Kind::Spotter, server: program, quick: false, postgres };
        let mut first = Server::prepare(&plan).await?;
        first.redis = redis.as_ref().map(Redis::url);
        let mut nodes = vec![first];
        for _ in 1..count {
            nodes.push(nodes[0].beside()?);
        }
        Ok(Self { nodes, redis, database: plan.database() })
    }

    /// Starts the nodes one after another. Each says what it says in a file of its own in the folder, and lets sessions
    /// rest after that time, or not at all.
    ///
    /// # Errors
    /// When one does not start.
    pub(crate) async fn start(&mut self, rests_after: Option<Duration>, folder: &Path) -> anyhow::Result<()> {
        let logs: Vec<_> = logs(folder, self.nodes.len()).collect();
        for (node, log) in self.nodes.iter_mut().zip(logs) {
            node.rests_after = rests_after.unwrap_or(node.rests_after);
            node.log = Some(log);
            node.start().await?;
        }
        Ok(())
    }

    /// The node of that number; they go round.
    pub(crate) fn node(&self, number: usize) -> &Server {
        &self.nodes[number % self.nodes.len()]
    }

    pub(crate) fn nodes(&self) -> &[Server] {
        &self.nodes
    }

    /// The name of the database.
    pub(crate) const fn database(&self) -> &'static str {
        self.database
    }

    /// The PostgreSQL, when the run started that too.
    pub(crate) fn private_postgres(&self) -> Option<&postgres::Private> {
        self.nodes[0].private_postgres()
    }

    /// The Redis, when the run started that too.
    pub(crate) fn private_redis(&self) -> Option<&redis::Private> {
        self.redis.as_ref().and_then(Redis::private)
    }

    /// Stops the nodes that run, one after another, and removes the database that was made for them.
    ///
    /// # Errors
    /// When one did not stop well, or the database stays.
    pub(crate) async fn end(self) -> anyhow::Result<()> {
        let mut ended = Ok(());
        for node in &self.nodes {
            ended = ended.and(node.end().await);
        }
        self.nodes[0].leave_database().await?;
        ended
    }
}

/// Where so many nodes say what they say, in the folder of a run.
fn logs(folder: &Path, nodes: usize) -> impl Iterator<Item = PathBuf> {
    let name = move |node: usize| if nodes == 1 { LOG.to_owned() } else { format!("server-{node}.log") };
    (1..=nodes).map(move |node| folder.join(name(node)))
}

/// Where that of any run may be.
pub(crate) fn all_logs(folder: &Path) -> impl Iterator<Item = PathBuf> {
    logs(folder, 1).chain(logs(folder, NODES_MAX.into()))
}
