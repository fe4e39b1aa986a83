//! What many sessions cost on PostgreSQL: memory of a hundred thousand that are awake, and of a million that are stored.
//!
//! `cargo bench --bench sizes` starts a PostgreSQL of its own and takes some minutes; `-- --quick` takes a hundredth of
//! each, to see that it works.

#![allow(clippy::unwrap_used, reason = "a bench that is surprised should end")]

#[path = "lane/engine.rs"]
mod engine;
#[path = "../tests/support/postgres.rs"]
mod postgres;
#[path = "lane/rows.rs"]
mod rows;
#[path = "../tests/support/store.rs"]
mod store;

use std::time::{Duration, Instant};

use postgres::Postgres;
use spotter::store::Store;
use spotter_actors::Journal;

/// As the program itself: the system's allocator keeps what it is given back.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Sets of each session that is awake.
const SETS: u64 = 10;
/// Sessions that are stored with one statement.
const BATCH: usize = 512;
/// How long memory that is given back needs to be gone.
const SETTLES: Duration = Duration::from_secs(5);

fn main() {
    let part = if std::env::args().any(|argument| argument == "--quick") { 100 } else { 1 };
    let postgres = Postgres::start(&[("shared_buffers", "256MB"), ("max_wal_size", "4GB")]);
    let runtime = engine::runtime();
    runtime.block_on(awake(&postgres, 100_000 / part));
    runtime.block_on(stored(&postgres, 1_000_000 / part));
}

/// Memory of sessions that are awake, each with ten sets.
async fn awake(postgres: &Postgres, sessions: usize) {
    let (store, claim) =
        Store::open_serving(&store::server(&postgres.new_database().await), "bench").await.unwrap();
    let floor = engine::Floor::open(store, claim, 2, sessions, SETS).await;
    // What is needed once, whatever the number.
    floor.some(sessions / 100, 1).await;
    tokio::time::sleep(SETTLES).await;
    let (before, begun) = (rss_kib(), Instant::now());
    for n in 1..=floor.plans() + SETS {
        floor.some(sessions, n).await;
    }
    let took = begun.elapsed();
    tokio::time::sleep(SETTLES).await;
    let each = (rss_kib() - before) / (sessions - sessions / 100) as f64;
    println!("{sessions} sessions awake with {SETS} sets each: {each:.2} KiB each, begun in {took:.0?}");
    let begun = Instant::now();
    floor.close().await;
    println!("all at rest, with a snapshot each: {:.1?}", begun.elapsed());
}

/// Memory and time of a start with sessions that are only stored.
async fn stored(postgres: &Postgres, sessions: usize) {
    let database = store::server(&postgres.new_database().await);
    let (store, claim) = Store::open_serving(&database, "bench").await.unwrap();
    for _ in 0..sessions / BATCH {
        let batch = rows::Writer::new(&claim, 0, 1, BATCH).next_batch();
        store.commit(claim.node, &batch).await.unwrap();
    }
    store.close().await;
    drop(store);
    tokio::time::sleep(SETTLES).await;
    let (before, begun) = (rss_kib(), Instant::now());
    let (store, claim) = Store::open_serving(&database, "bench").await.unwrap();
    let floor = engine::Floor::open(store, claim, 2, 1, SETS).await;
    floor.some(1, 1).await;
    let took = begun.elapsed();
    tokio::time::sleep(SETTLES).await;
    let grown = rss_kib() - before;
    println!(
        "{sessions} sessions stored: {took:.2?} until the first set is acknowledged, {grown:.0} KiB more for the node"
    );
    floor.close().await;
}

/// Resident memory of this process, in KiB.
fn rss_kib() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}
