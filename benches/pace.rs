//! What an acknowledgement takes at a quarter of what the engine can, on PostgreSQL by one lane: the engine alone,
//! without sockets, from the moment each set is due.
//!
//! `cargo bench --bench pace` starts a PostgreSQL of its own and takes a minute.

#![allow(clippy::unwrap_used, reason = "a bench that is surprised should end")]

#[path = "lane/engine.rs"]
mod engine;
#[path = "../tests/support/postgres.rs"]
mod postgres;
#[path = "../tests/support/store.rs"]
mod store;

use std::time::Duration;

use postgres::Postgres;
use spotter::store::Store;
use tokio::runtime::Runtime;

/// That of the program.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const ATHLETES: usize = 512;
/// Sets of a session.
const SETS: u64 = 20;
/// Sets of each athlete as fast as it goes.
const FAST: u64 = 200;
/// How long the pace is kept.
const LASTS: Duration = Duration::from_secs(10);
const ROUNDS: usize = 5;
/// What an acknowledgement may take longer than a commit.
const AIM: Duration = Duration::from_millis(1);

fn main() {
    let metrics = spotter::telemetry::record_metrics().unwrap();
    // Seconds in commits, and their number.
    let commits = || {
        ["sum", "count"]
            .map(|part| read(&metrics.render(), &format!("spotter_journal_commit_seconds_{part}")))
    };
    let postgres =
        Postgres::start(&[("shared_buffers", "256MB"), ("min_wal_size", "1GB"), ("max_wal_size", "4GB")]);
    let runtime = Runtime::new().unwrap();
    runtime.block_on(async {
        postgres.has_run_for_a_while().await;
        let database = store::server(&postgres.new_database().await);
        let (store, claim) = Store::open_serving(&database, "bench").await.unwrap();
        let mut floor = engine::Floor::open(store, claim, 1, ATHLETES, SETS).await;
        floor.train(FAST).await;
        for _ in 0..ROUNDS {
            let fast = (ATHLETES as u64 * FAST) as f64 / floor.train(FAST).await.as_secs_f64();
            let per_second = fast / 4.0;
            let times = (per_second * LASTS.as_secs_f64()) as u64 / ATHLETES as u64;
            let before = commits();
            let mut delays = floor.pace(times, per_second).await;
            let after = commits();
            delays.sort_unstable();
            let commit = Duration::from_secs_f64((after[0] - before[0]) / (after[1] - before[1]));
            let sets = delays.len() as f64 / (after[1] - before[1]);
            let [half, most, nearly_all] = [0.5, 0.99, 0.999].map(|part| delays[(delays.len() as f64 * part) as usize]);
            let verdict = |delay: Duration| if delay <= commit + AIM { "met" } else { "**missed**" };
            println!(
                "{fast:.0} sets/s at most; at {per_second:.0} sets/s a commit of {sets:.1} sets takes {commit:.2?}, an \
                 acknowledgement {half:.2?} (p50, {}), {most:.2?} (p99, {}) and {nearly_all:.2?} (p99.9)",
                verdict(half),
                verdict(most),
            );
        }
        floor.close().await;
    });
}

/// The value of a metric without labels.
fn read(metrics: &str, name: &str) -> f64 {
    let value = |line: &str| line.strip_prefix(name)?.trim().parse().ok();
    metrics.lines().find_map(value).unwrap_or_default()
}
