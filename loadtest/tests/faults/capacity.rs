//! Searches for the largest rate: what they find, and what ends them.

use std::net::SocketAddr;
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::net::TcpListener;
use tokio::process::Command;

use super::fake::{self, Broken, What, World};
use super::{LONG, SCENARIO, asked};

/// A search from `from` to twice that against the server, and what it leaves.
async fn searched(broken: Option<Broken>, threshold: &str, from: u32) -> (Option<i32>, Value, String) {
    searched_in(&tempfile::tempdir().unwrap(), broken, threshold, from).await
}

async fn searched_in(
    folder: &TempDir,
    broken: Option<Broken>,
    threshold: &str,
    from: u32,
) -> (Option<i32>, Value, String) {
    let address = fake::serve(broken.map(|broken| (broken, What::Set)), LONG).await;
    let output = search(folder, threshold, from, address).output().await.unwrap();
    let said = [output.stdout, output.stderr].map(|said| String::from_utf8(said).unwrap()).concat();
    (output.status.code(), left(folder), said)
}

fn search(folder: &TempDir, threshold: &str, from: u32, address: SocketAddr) -> Command {
    let scenario = SCENARIO.replace("set.count > 20", threshold);
    let (most, from) = ((2 * from).to_string(), from.to_string());
    let what = ["capacity", "short.toml", "--from", &from, "--most", &most, "--step", "2"];
    asked(folder.path(), &scenario, &what, &format!("ws://{address}"), address)
}

/// What a search left.
fn left(folder: &TempDir) -> Value {
    let found = std::fs::read(folder.path().join("out/capacity.json")).unwrap_or_default();
    serde_json::from_slice(&found).unwrap_or_default()
}

/// Keeps a step from writing its log.
fn spoil(folder: &TempDir, step: &str) {
    std::fs::create_dir_all(folder.path().join("out").join(step).join("delays.hgrm")).unwrap();
}

#[tokio::test]
async fn a_server_that_meets_every_rate_carries_at_least_the_largest() {
    let (code, found, said) = searched(None, "errors < 1%", 20).await;
    assert_eq!((code, found["per_second"].as_u64()), (Some(0), Some(40)), "{said}");
    assert_eq!(found["limited_by"]["what"], "bounds");
    assert!(said.contains("at least 40 operations a second"), "{said}");
}

#[tokio::test]
async fn a_server_that_meets_no_rate_has_failed() {
    let (code, found, said) = searched(None, "set.p99 < 1us", 2).await;
    assert_eq!((code, &found["per_second"]), (Some(99), &Value::Null), "{said}");
    let tried = found["steps"].as_array().unwrap().iter().map(|step| step["per_second"].as_u64().unwrap());
    assert_eq!(tried.collect::<Vec<_>>(), [2, 2, 1, 1], "one miss may be noise: {said}");
    assert_eq!(found["limited_by"]["at"], 1);
}

#[tokio::test]
async fn a_search_ends_where_a_promise_is_broken() {
    let (code, found, said) = searched(Some(Broken::Doubled), "errors < 1%", 20).await;
    assert_eq!((code, found["steps"].as_array().unwrap().len()), (Some(98), 1), "{said}");
    assert_eq!(found["limited_by"]["what"], "ledger");
}

#[tokio::test]
async fn a_search_that_a_run_stops_stands_by_what_it_found_before_and_says_what_stopped_it() {
    for (step, code, steps) in [("step-01-20", 99, 0), ("step-02-40", 0, 1)] {
        let folder = tempfile::tempdir().unwrap();
        spoil(&folder, step);
        let (ended, found, said) = searched_in(&folder, None, "errors < 1%", 20).await;
        assert_eq!((ended, found["steps"].as_array().map(Vec::len)), (Some(code), Some(steps)), "{said}");
        assert_eq!(found["limited_by"]["what"], "unfinished", "{said}");
        assert!(said.contains("could not be finished: cannot write"), "{said}");
    }
}

#[tokio::test]
async fn a_search_whose_target_goes_before_the_first_run_is_finished_ends_with_3() {
    let folder = tempfile::tempdir().unwrap();
    spoil(&folder, "step-01-20");
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let serving = fake::serve_on(listener, World::default());
    let mut search = search(&folder, "errors < 1%", 20, address).spawn().unwrap();
    let mut said = BufReader::new(search.stdout.take().unwrap());
    said.read_line(&mut String::new()).await.unwrap();
    // Everybody has signed in, and comes.
    tokio::time::sleep(Duration::from_secs(1)).await;
    serving.abort();
    let code = search.wait().await.unwrap().code();
    assert_eq!((code, &left(&folder)["limited_by"]["what"]), (Some(3), &"unreachable".into()));
}

#[tokio::test]
async fn a_search_without_an_objective_is_a_wrong_call() {
    let (code, _, said) = searched(None, "set.count > 20", 20).await;
    assert_eq!(code, Some(2), "{said}");
}
