//! Faults in a run: what a run may break, how it says that all is well again, and that it says so when it is not.

use std::process::Stdio;

use tokio::process::Command;

use super::program::{self, StartedAgain};
use super::{Outcome, SCENARIO, fake, load, run_against};

/// The scenario with a fault more.
fn with_fault(at: f64, what: &str) -> String {
    format!("{SCENARIO}\n[[faults]]\nat = {at}\nwhat = {what}\n")
}

/// A run that starts its server itself.
async fn run_contained(started_again: StartedAgain, scenario: &str) -> Outcome {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("short.toml"), scenario).unwrap();
    let program = program::write(folder.path(), started_again);
    let mut harness = Command::new(env!("CARGO_BIN_EXE_spotter-load"));
    harness.current_dir(folder.path()).args([
        "run",
        "short.toml",
        "--out",
        "out",
        "--self-contained",
        "--server",
    ]);
    let output = harness.arg(program).stdin(Stdio::null()).kill_on_drop(true).output().await.unwrap();
    Outcome::read(folder.path(), &output)
}

fn well_after(outcome: &Outcome) -> Vec<(&str, Option<f64>)> {
    let faults = outcome.results["faults"].as_array().unwrap().iter();
    faults.map(|fault| (fault["what"].as_str().unwrap(), fault["consistent_after"].as_f64())).collect()
}

#[tokio::test]
async fn a_server_that_is_killed_and_keeps_what_it_acknowledged_is_well_again() {
    let scenario = with_fault(0.4, "\"kill server\"") + "[[faults]]\nat = 1.2\nwhat = \"restart server\"\n";
    let outcome = run_contained(StartedAgain::KeepsAll, &scenario).await;
    assert_eq!((outcome.code, outcome.found()), (0, [false; 4]), "{}", outcome.said);
    let [("kill server", Some(killed)), ("restart server", Some(restarted))] = well_after(&outcome)[..]
    else {
        panic!("{}", outcome.said)
    };
    assert!(killed > 0.0 && restarted > 0.0, "{}", outcome.said);
    assert_eq!(outcome.results["operations"]["consistent"]["count"], 2);
}

#[tokio::test]
async fn a_server_that_is_paused_keeps_its_clients_waiting_so_long() {
    let scenario = with_fault(0.5, "\"pause server\"\nseconds = 1.0");
    let outcome = run_contained(StartedAgain::KeepsAll, &scenario).await;
    assert_eq!((outcome.code, outcome.found()), (0, [false; 4]), "{}", outcome.said);
    let [("pause server", Some(paused))] = well_after(&outcome)[..] else { panic!("{}", outcome.said) };
    assert!(paused >= 1.0, "{}", outcome.said);
}

#[tokio::test]
async fn a_server_that_lost_at_a_restart_what_it_acknowledged_is_caught() {
    let outcome = run_contained(StartedAgain::Forgets, &with_fault(1.0, "\"kill server\"")).await;
    assert!(outcome.code == 98 && outcome.found()[0], "{}", outcome.said);
    assert!(outcome.said.contains("were acknowledged at version"), "{}", outcome.said);
}

#[tokio::test]
async fn a_server_that_stays_away_is_caught() {
    let outcome = run_contained(StartedAgain::StaysAway, &with_fault(1.0, "\"kill server\"")).await;
    assert!(outcome.code == 98 && outcome.found()[0], "{}", outcome.said);
    assert_eq!(well_after(&outcome), [("kill server", None)]);
    assert!(outcome.said.contains("NOT CONSISTENT"), "{}", outcome.said);
    assert!(outcome.said.contains("out/server.log"), "it says why: {}", outcome.said);
}

#[tokio::test]
async fn the_sockets_and_readers_of_a_server_that_runs_can_be_broken() {
    let freeze = "[[faults]]\nat = 1.0\nwhat = \"freeze readers\"\nshare = 1.0\nseconds = 0.5\n";
    let outcome = run_against(None, &(with_fault(0.5, "\"cut sockets\"") + freeze)).await;
    assert_eq!((outcome.code, outcome.found()), (0, [false; 4]), "{}", outcome.said);
    let [("cut sockets", Some(_)), ("freeze readers", Some(frozen))] = well_after(&outcome)[..] else {
        panic!("{}", outcome.said)
    };
    assert!(frozen >= 0.5, "{}", outcome.said);
    let operations = &outcome.results["operations"];
    assert!(
        operations["resume"]["count"].as_u64() >= Some(8),
        "all four phones and all four readers: {operations}"
    );
    assert!(operations["slow_delivery"]["count"].as_u64() > Some(0), "{operations}");
}

#[tokio::test]
async fn a_promise_that_is_broken_meanwhile_is_caught() {
    let outcome = run_against(Some(fake::Broken::Undelivered), &with_fault(1.5, "\"cut sockets\"")).await;
    outcome.assert_only(0, "never came to reader 0");
    assert_eq!(well_after(&outcome), [("cut sockets", None)], "{}", outcome.said);
}

#[tokio::test]
async fn chaos_breaks_only_sockets_and_readers_of_a_server_that_runs() {
    let (folder, address) = (tempfile::tempdir().unwrap(), fake::serve(None, super::LONG).await);
    let target = format!("ws://{address}");
    let output = load(folder.path(), SCENARIO, &target, address, &["--chaos"]).await;
    let outcome = Outcome::read(folder.path(), &output);
    assert_eq!((outcome.code, outcome.found()), (0, [false; 4]), "{}", outcome.said);
    let mut broken: Vec<_> = well_after(&outcome).into_iter().map(|(what, _)| what).collect();
    broken.sort_unstable();
    assert_eq!(broken, ["cut sockets", "freeze readers"]);
    assert_eq!(outcome.results["thresholds"], serde_json::json!([]), "delays hold what was broken");
}

#[tokio::test]
async fn a_fault_out_of_reach_is_refused_before_anything_begins() {
    let nobody = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    for what in ["kill server", "crash postgres", "restart redis"] {
        let (folder, scenario) = (tempfile::tempdir().unwrap(), with_fault(1.0, &format!("{what:?}")));
        let refused = load(folder.path(), &scenario, &format!("ws://{nobody}"), nobody, &[]).await;
        let said = String::from_utf8_lossy(&refused.stderr);
        assert_eq!(refused.status.code(), Some(2), "{said}");
        assert!(said.contains(&format!("{what}: a run breaks only")), "{said}");
    }
}
