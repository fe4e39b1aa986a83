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

use std::sync::{Arc, Mutex};
use std::time::Duration;

use metrics::{Counter, Gauge, Histogram, HistogramFn, Key, KeyName, Metadata, Recorder, SharedString, Unit};
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

/// How long each commit took, in seconds: all that is recorded here.
#[derive(Default)]
struct Commits(Mutex<Vec<f64>>);

impl Commits {
    /// What was recorded since the last time, shortest first.
    fn take(&self) -> Vec<Duration> {
        let mut took: Vec<_> =
            std::mem::take(&mut *self.0.lock().unwrap()).into_iter().map(Duration::from_secs_f64).collect();
        took.sort_unstable();
        took
    }
}

impl HistogramFn for Commits {
    fn record(&self, value: f64) {
        self.0.lock().unwrap().push(value);
    }
}

struct OfCommits(Arc<Commits>);

impl Recorder for OfCommits {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn register_counter(&self, _: &Key, _: &Metadata<'_>) -> Counter {
        Counter::noop()
    }
    fn register_gauge(&self, _: &Key, _: &Metadata<'_>) -> Gauge {
        Gauge::noop()
    }
    fn register_histogram(&self, key: &Key, _: &Metadata<'_>) -> Histogram {
        match key.name() {
            "spotter_journal_commit_seconds" => Histogram::from_arc(Arc::clone(&self.0)),
            _ => Histogram::noop(),
        }
    }
}

fn main() {
    let commits = Arc::new(Commits::default());
    metrics::set_global_recorder(OfCommits(Arc::clone(&commits))).unwrap();
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
            let prepared = floor.prepare(times).await;
            commits.take();
            let mut delays = floor.pace(prepared, per_second).await;
            delays.sort_unstable();
            let commits = commits.take();
            let each = delays.len() as f64 / commits.len() as f64;
            println!("{fast:.0} sets/s at most; at {per_second:.0} sets/s, {each:.1} to a commit:");
            for (name, part) in [("p50", 0.5), ("p99", 0.99), ("longest", 1.0)] {
                let [commit, delay] =
                    [&commits, &delays].map(|all| all[((all.len() - 1) as f64 * part) as usize]);
                let verdict = if delay <= commit + AIM { "met" } else { "missed" };
                println!("  {name}: a commit {commit:.2?}, an acknowledgement {delay:.2?}: {verdict}");
            }
        }
        floor.close().await;
    });
}
