//! Three spotters on one PostgreSQL and one Redis: who trains at one is seen at another, and whatever happens to any of
//! the five programs, nothing acknowledged is missing or there twice, and everyone is served again without help.

#![allow(clippy::unwrap_used, reason = "a test that is surprised should end")]
#![allow(clippy::wildcard_enum_match_arm, reason = "a test that is surprised should end")]
#![cfg(target_os = "linux")]

#[path = "../support/athletes.rs"]
mod athletes;
#[path = "../support/cable.rs"]
mod cable;
mod faults;
#[path = "../support/journal.rs"]
mod journal;
#[path = "../support/postgres.rs"]
mod postgres;
#[path = "../support/redis.rs"]
mod redis;
#[path = "../support/served.rs"]
mod served;
#[path = "../support/server.rs"]
mod server;
mod together;
#[path = "../support/watching.rs"]
mod watching;
#[path = "../support/wire.rs"]
mod wire;

use std::time::Duration;

use cable::Cable;
use postgres::{Postgres, connect};
use redis::Redis;
use server::{Person, Server};
use sqlx::Connection;
use tempfile::TempDir;
use tokio::sync::Mutex;
use tokio::time::{sleep, timeout};

/// One test after another: each runs five programs.
static TURN: Mutex<()> = Mutex::const_new(());
/// How long shards may take to be where they belong.
const SETTLED_WITHIN: Duration = Duration::from_secs(30);

/// Nodes that share a database.
struct Nodes {
    nodes: Vec<Server>,
    /// The database, as the test and all nodes but the last reach it; the last one reaches it by the cable.
    database: String,
    cable: Cable,
    postgres: Postgres,
    redis: Redis,
    athletes: Vec<Person>,
    coach: Person,
    folder: TempDir,
}

impl Nodes {
    /// So many nodes, with the athletes of a gym and their coach, and waits until each holds its share.
    async fn start(count: usize, athletes: usize) -> Self {
        let (postgres, redis) = (Postgres::start(&[("max_connections", "200")]), Redis::start());
        let database = postgres.new_database().await;
        let folder = tempfile::tempdir().unwrap();
        let url = redis.url();
        let cable = Cable::to(postgres.port()).await;
        let through_it = database.replace(&format!(":{}/", postgres.port()), &format!(":{}/", cable.port()));
        let settings = |database| {
            [
                ("SPOTTER_DATABASE", database),
                ("SPOTTER_CLUSTER__REDIS", url.as_str()),
                ("SPOTTER_SOCKET__COMMANDS_PER_S", "10000"),
                ("SPOTTER_SOCKET__COMMANDS_BURST", "10000"),
                ("SPOTTER_LOG__FILTER", "off"),
            ]
        };
        let ways = std::iter::repeat_n(&database, count - 1).chain([&through_it]);
        let nodes: Vec<Server> = ways.map(|way| Server::prepare(folder.path(), &settings(way))).collect();
        nodes[0].tool(&["migrate"], "").await;
        let (athletes, coach) = nodes[0].populate("together", athletes).await;
        let mut nodes = Self { nodes, database, cable, postgres, redis, athletes, coach, folder };
        for node in &mut nodes.nodes {
            node.start().await;
        }
        nodes.settle().await;
        nodes
    }

    /// The sockets of all nodes.
    fn sockets(&self) -> Vec<String> {
        self.nodes.iter().map(Server::socket).collect()
    }

    /// Waits until every node that is there holds a share, and all together everything.
    async fn settle(&self) {
        let mut connection = connect(&self.database).await;
        let settled = async {
            loop {
                let held: Vec<i64> = sqlx::query_scalar(
                    "SELECT count(shards.shard) FROM nodes LEFT JOIN shards USING (node) GROUP BY nodes.node",
                )
                .fetch_all(&mut connection)
                .await
                .unwrap();
                let least = 1024 / self.nodes.len() as i64 / 2;
                if held.len() == self.nodes.len()
                    && held.iter().all(|held| *held > least)
                    && held.iter().sum::<i64>() == 1024
                {
                    return;
                }
                sleep(Duration::from_millis(50)).await;
            }
        };
        timeout(SETTLED_WITHIN, settled).await.expect("every node gets its share");
        connection.close().await.unwrap();
    }
}
