//! What the fence and the engine cost on PostgreSQL: the same rows by a bare insert, by the fenced statement, and by
//! commands to the engine, on one, two and four connections at once. One element is one set: an event and a row beside
//! it, flushed before it counts.
//!
//! `cargo bench --bench lane` starts a PostgreSQL of its own.

#![allow(clippy::unwrap_used, reason = "a bench that is surprised should end")]
#![allow(missing_docs, reason = "made by a macro")]

#[path = "lane/engine.rs"]
mod engine;
#[path = "../tests/support/postgres.rs"]
mod postgres;
#[path = "lane/rows.rs"]
mod rows;
#[path = "../tests/support/store.rs"]
mod store;

use std::time::{Duration, Instant};

use criterion::{Criterion, SamplingMode, Throughput, criterion_group, criterion_main};
use postgres::Postgres;
use spotter::store::{Database, Store};
use spotter_actors::{Claim, Journal};

/// That of the program.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Sets of one batch, on each connection.
const BATCH: usize = 256;
/// Sets of a session of the engine.
const SETS: u64 = 20;

fn lanes(criterion: &mut Criterion) {
    let runtime = engine::runtime();
    let postgres = runtime.block_on(Postgres::start_run_in());
    for lanes in [1, 2, 4] {
        let mut group = criterion.benchmark_group(format!("{lanes} lanes"));
        group.sampling_mode(SamplingMode::Flat).sample_size(10).measurement_time(Duration::from_secs(10));
        group.throughput(Throughput::Elements((BATCH * lanes) as u64));
        let url = runtime.block_on(postgres.new_database());
        let (store, claim) = runtime.block_on(open(&url, lanes));

        let writers = || -> Vec<rows::Writer> {
            (0..lanes).map(|lane| rows::Writer::new(&claim, lane, lanes, BATCH)).collect()
        };

        group.bench_function("bare insert", |bencher| {
            bencher.iter_custom(|times| runtime.block_on(bare(&url, writers(), times)));
        });
        let mut writers = writers();
        group.bench_function("fenced", |bencher| {
            bencher.iter_custom(|times| runtime.block_on(fenced(&store, &mut writers, times)));
        });
        // While one batch of them commits the next gathers.
        let athletes = 2 * BATCH * lanes;
        group.throughput(Throughput::Elements(athletes as u64));
        let mut floor = runtime.block_on(engine::Floor::open(store, claim, lanes, athletes, SETS));
        group.bench_function("engine", |bencher| {
            bencher.iter_custom(|times| runtime.block_on(floor.train(times)));
        });
        runtime.block_on(floor.close());
        group.finish();
    }
}

async fn open(url: &str, lanes: usize) -> (Store, Claim) {
    let Database::Server(mut server) = store::server(url) else { unreachable!("a server was asked for") };
    server.lanes = lanes.try_into().unwrap();
    Store::open_serving(&Database::Server(server), "bench").await.unwrap()
}

/// Each connection inserts its rows, without looking at what is there.
async fn bare(url: &str, writers: Vec<rows::Writer>, times: u64) -> Duration {
    let mut connected = Vec::new();
    for writer in writers {
        connected.push((writer, postgres::connect(url).await));
    }
    let begun = Instant::now();
    let lanes = connected.into_iter().map(|(mut writer, mut connection)| async move {
        for _ in 0..times {
            writer.insert(&mut connection).await;
        }
    });
    futures_util::future::join_all(lanes).await;
    begun.elapsed()
}

/// Each lane commits its batches in turn.
async fn fenced(store: &Store, writers: &mut [rows::Writer], times: u64) -> Duration {
    let begun = Instant::now();
    let lanes = writers.iter_mut().map(|writer| async move {
        for _ in 0..times {
            let batch = writer.next_batch();
            let outcomes = store.commit(writer.node, &batch).await.unwrap();
            assert!(outcomes.iter().all(|outcome| *outcome == spotter_actors::Outcome::Committed));
        }
    });
    futures_util::future::join_all(lanes).await;
    begun.elapsed()
}

criterion_group!(benches, lanes);
criterion_main!(benches);
