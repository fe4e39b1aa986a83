//! A generator that shares one processor with many threads that never rest.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

use super::{LONG, SCENARIO, fake, harness};

/// The generator gets one part of the processor, each of these another.
const BUSY: usize = 16;

/// Keeps this thread, and the processes and threads it starts, on one processor.
fn stay_on_one() {
    let allowed = sched_getaffinity(None).unwrap();
    let first = (0..CpuSet::MAX_CPU).find(|processor| allowed.is_set(*processor)).unwrap();
    let mut one = CpuSet::new();
    one.set(first);
    sched_setaffinity(None, &one).unwrap();
}

/// The lag alone may not tell: the scenario allows more of it than the run lasts.
#[tokio::test]
async fn a_generator_without_a_processor_is_invalid_whatever_its_lag() {
    let scenario = SCENARIO
        .replace("lag_max_ms = 5000", "lag_max_ms = 600000")
        .replace("starved_max = 1.0", "starved_max = 0.1")
        .replace("per_second = 40", "per_second = 300");
    let address = fake::serve(None, LONG).await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().to_owned();
    let done = Arc::new(AtomicBool::new(false));
    let runtime = tokio::runtime::Handle::current();
    let is_done = Arc::clone(&done);
    let starving = std::thread::spawn(move || {
        stay_on_one();
        let busy = |_| {
            let done = Arc::clone(&is_done);
            // A thread stays where the one stays that started it.
            std::thread::spawn(move || while !done.load(Ordering::Relaxed) {})
        };
        let busy: Vec<_> = (0..BUSY).map(busy).collect();
        let _within = runtime.enter();
        let child = harness(&path, &scenario, &format!("ws://{address}"), address).spawn().unwrap();
        (busy, child)
    });
    let (busy, child) = starving.join().unwrap();
    let output = child.wait_with_output().await.unwrap();
    done.store(true, Ordering::Relaxed);
    busy.into_iter().for_each(|thread| thread.join().unwrap());

    let said = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(97), "{said}{}", String::from_utf8_lossy(&output.stderr));
    assert!(said.contains("had no processor left"), "{said}");
    let results = std::fs::read(folder.path().join("out/results.json")).unwrap();
    let results: serde_json::Value = serde_json::from_slice(&results).unwrap();
    assert_eq!(results["verdict"], "invalid");
}
