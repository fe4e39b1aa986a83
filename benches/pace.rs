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
use std::time::{Duration, Instant};

use metrics::{Counter, Gauge, Histogram, HistogramFn, Key, KeyName, Metadata, Recorder, SharedString, Unit};
use postgres::Postgres;
use spotter::store::Store;

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

/// When each commit began and ended, in the order of time: all that is recorded here.
#[derive(Default)]
struct Commits(Mutex<Vec<(Instant, Instant)>>);

impl HistogramFn for Commits {
    fn record(&self, seconds: f64) {
        let ended = Instant::now();
        self.0.lock().unwrap().push((ended - Duration::from_secs_f64(seconds), ended));
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
    engine::runtime().block_on(async {
        let postgres = Postgres::start_run_in().await;
        let database = store::server(&postgres.new_database().await);
        let (store, claim) = Store::open_serving(&database, "bench").await.unwrap();
        let mut floor = engine::Floor::open(store, claim, 1, ATHLETES, SETS).await;
        floor.train(FAST).await;
        for _ in 0..ROUNDS {
            let fast = (ATHLETES as u64 * FAST) as f64 / floor.train(FAST).await.as_secs_f64();
            let per_second = fast / 4.0;
            let times = (per_second * LASTS.as_secs_f64()) as u64 / ATHLETES as u64;
            let prepared = floor.prepare(times).await;
            commits.0.lock().unwrap().clear();
            let sets = floor.pace(prepared, per_second).await;
            let commits = std::mem::take(&mut *commits.0.lock().unwrap());
            let delays = sorted(sets.iter().map(|(due, acknowledged)| *acknowledged - *due));
            let beside = sorted(sets.iter().map(|(due, acknowledged)| beside(&commits, *due, *acknowledged)));
            let commits = sorted(commits.iter().map(|(began, ended)| *ended - *began));
            let each = delays.len() as f64 / commits.len() as f64;
            println!("{fast:.0} sets/s at most; at {per_second:.0} sets/s, {each:.1} to a commit:");
            for (name, part) in [("p50", 0.5), ("p99", 0.99), ("longest", 1.0)] {
                let [commit, delay, beside] =
                    [&commits, &delays, &beside].map(|all| all[((all.len() - 1) as f64 * part) as usize]);
                let verdict = if delay <= commit + AIM { "met" } else { "missed" };
                println!(
                    "  {name}: a commit {commit:.2?}, an acknowledgement {delay:.2?} ({beside:.2?} beside the commits \
                     it waited for): {verdict}"
                );
            }
        }
        floor.close().await;
    });
}

fn sorted(durations: impl Iterator<Item = Duration>) -> Vec<Duration> {
    let mut durations: Vec<_> = durations.collect();
    durations.sort_unstable();
    durations
}

/// What passed until a set was acknowledged, beside what it waited for the commit that was under way when it was due, and
/// the next one, which should be its own.
fn beside(commits: &[(Instant, Instant)], due: Instant, acknowledged: Instant) -> Duration {
    let next = commits.partition_point(|(began, _)| *began <= due);
    let under_way = next.checked_sub(1).map_or(Duration::ZERO, |last| commits[last].1.duration_since(due));
    let own = commits.get(next).map_or(Duration::ZERO, |(began, ended)| *ended - *began);
    (acknowledged - due).saturating_sub(under_way + own)
}
