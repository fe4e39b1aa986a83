//! Two workers and a lead: what one generator finds they find too, whichever worker's gym it comes from.

use std::net::SocketAddr;
use std::path::Path;
use std::process::{Output, Stdio};

use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

use super::early::{assert_ended_early, hopeless};
use super::fake::{self, Broken, What};
use super::nodes::Nodes;
use super::{LONG, Outcome, SCENARIO, TALKING, gyms, put};

const TOKEN: &str = "a token for the tests";

/// Those who wait for a lead, each on an address of its own.
async fn workers() -> Vec<(Child, String)> {
    let mut workers = Vec::new();
    for _ in 0..2 {
        let mut worker = spotter_load(&["worker", "--listen", "127.0.0.1:0"]).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(worker.stdout.take().unwrap()).read_line(&mut line).await.unwrap();
        workers.push((worker, line.trim().rsplit(' ').next().unwrap().to_owned()));
    }
    workers
}

fn spotter_load(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_spotter-load"));
    command.args(arguments).env("SPOTTER_LOAD_TOKEN", TOKEN).kill_on_drop(true);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// A lead of these workers.
fn lead(folder: &Path, workers: &[(Child, String)], target: &str) -> Command {
    put(folder, SCENARIO);
    let addresses: Vec<_> = workers.iter().map(|(_, address)| address.as_str()).collect();
    let mut lead = spotter_load(&["lead", "short.toml", "--out", "out", "--people", "people.csv"]);
    lead.current_dir(folder).args(["--target", target, "--workers", &addresses.join(",")]);
    lead
}

async fn run_against(workers: &[(Child, String)], address: SocketAddr) -> Outcome {
    let folder = tempfile::tempdir().unwrap();
    let mut lead = lead(folder.path(), workers, &format!("ws://{address}"));
    let output = lead.args(["--metrics", &format!("http://{address}/metrics")]).output().await.unwrap();
    Outcome::read(folder.path(), &output)
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[tokio::test]
async fn two_workers_do_the_run_of_one_generator_and_then_that_of_the_next_lead() {
    let workers = workers().await;
    let address = fake::serve(None, LONG).await;
    let alone = super::run_against(None, SCENARIO).await;
    for _ in 0..2 {
        let outcome = run_against(&workers, address).await;
        assert_eq!((outcome.code, outcome.found()), (0, [false; 4]), "{}", outcome.said);
        let results = &outcome.results;
        assert_eq!(results["run"]["workers"], 2);
        assert_eq!(results["run"]["server_version"], "0.0.0-fake");
        let count = |results: &serde_json::Value, kind: &str| results["operations"][kind]["count"].as_u64();
        for kind in ["set", "rest", "note"] {
            assert_eq!(count(results, kind), count(&alone.results, kind), "the plan is the same: {kind}");
        }
        assert_eq!(results["ledger"]["acknowledged"], results["ledger"]["delivered"]);
        assert_eq!(results["intervals"][0]["connections"], 8);
    }
}

#[tokio::test]
async fn workers_load_each_node_of_a_server() {
    let (workers, folder) = (workers().await, tempfile::tempdir().unwrap());
    let nodes = Nodes::serve(None).await;
    let [first, second] = nodes.addresses().map(|address| format!("ws://{address}"));
    let output = lead(folder.path(), &workers, &first).args(["--target", &second]).output().await.unwrap();
    let outcome = Outcome::read(folder.path(), &output);
    assert_eq!((outcome.code, outcome.found()), (0, [false; 4]), "{}", outcome.said);
    assert_eq!(
        (&outcome.results["run"]["nodes"], &outcome.results["run"]["workers"]),
        (&2.into(), &2.into())
    );
    assert!(nodes.opened().iter().all(|opened| *opened >= 4), "{:?}", nodes.opened());
}

#[tokio::test]
async fn a_lead_makes_the_gyms_of_its_workers_and_removes_them() {
    let (workers, folder) = (workers().await, tempfile::tempdir().unwrap());
    let address = fake::serve(None, LONG).await;
    put(folder.path(), SCENARIO);
    let addresses: Vec<_> = workers.iter().map(|(_, address)| address.as_str()).collect();
    let mut lead = spotter_load(&["lead", "short.toml", "--out", "out", "--workers", &addresses.join(",")]);
    let (target, admin) = (format!("ws://{address}"), format!("http://{address}"));
    lead.current_dir(folder.path()).args(["--target", &target, "--admin", &admin]);

    let output = lead.output().await.unwrap();

    let outcome = Outcome::read(folder.path(), &output);
    assert_eq!((outcome.code, outcome.found()), (0, [false; 4]), "{}", outcome.said);
    assert_eq!(outcome.results["run"]["server_version"], "0.0.0-fake", "found by the admin listener");
    assert_eq!(gyms::there(address).await, [""; 0]);
}

#[tokio::test]
async fn a_hopeless_run_of_two_workers_ends_early_and_leaves_them_free() {
    let (workers, folder) = (workers().await, tempfile::tempdir().unwrap());
    let address = fake::serve(None, LONG).await;
    let mut lead = lead(folder.path(), &workers, &format!("ws://{address}"));
    put(folder.path(), &hopeless());
    let output = lead.output().await.unwrap();

    let outcome = Outcome::read(folder.path(), &output);
    assert_ended_early(&outcome);
    assert_eq!(outcome.results["run"]["workers"], 2);
    assert!(said(&output).contains("the run ended early, at "), "{}", said(&output));
    let page = std::fs::read_to_string(folder.path().join("out/report.html")).unwrap();
    assert!(page.contains("ended early, at "), "the page says why");

    let next = run_against(&workers, address).await;
    assert_eq!((next.code, next.found()), (0, [false; 4]), "{}", next.said);
}

#[tokio::test]
async fn an_event_that_reaches_a_gym_of_another_worker_is_leaked() {
    let address = fake::serve(Some((Broken::Leaked, What::Set)), LONG).await;
    run_against(&workers().await, address)
        .await
        .assert_only(3, "worker 2: reader 0 of gym 0 was shown version");
}

#[tokio::test]
async fn a_message_that_reaches_the_inbox_of_another_workers_gym_is_leaked() {
    let address = fake::serve(Some((Broken::Leaked, What::Message)), LONG).await;
    let (workers, folder) = (workers().await, tempfile::tempdir().unwrap());
    let mut lead = lead(folder.path(), &workers, &format!("ws://{address}"));
    put(folder.path(), TALKING);
    let outcome = Outcome::read(folder.path(), &lead.output().await.unwrap());
    outcome.assert_only(3, "worker 2: version");
    assert!(outcome.said.contains("says what is not said there"), "{}", outcome.said);
}

#[tokio::test]
async fn a_server_that_lets_in_the_gym_of_another_worker_leaks() {
    let address = fake::serve(Some((Broken::OpenDoor, What::Set)), LONG).await;
    run_against(&workers().await, address).await.assert_only(3, "may follow");
}

#[tokio::test]
async fn a_worker_whose_lead_is_gone_ends_the_run_and_is_free_for_the_next() {
    let mut workers = workers().await;
    for (signal, code) in [("-INT", Some(1)), ("-KILL", None)] {
        let folder = tempfile::tempdir().unwrap();
        let address = fake::serve(None, LONG).await;
        let mut gone = lead(folder.path(), &workers, &format!("ws://{address}"));
        put(folder.path(), &SCENARIO.replace("seconds = 2", "seconds = 600"));
        let mut gone = gone.arg("--json-lines").spawn().unwrap();
        let mut line = String::new();
        BufReader::new(gone.stdout.take().unwrap()).read_line(&mut line).await.unwrap();
        assert!(line.contains("\"connections\":8"), "it runs: {line}");
        Command::new("kill").args([signal, &gone.id().unwrap().to_string()]).status().await.unwrap();
        assert_eq!(gone.wait().await.unwrap().code(), code, "{signal}");

        let outcome = run_against(&workers, address).await;

        assert_eq!((outcome.code, outcome.found()), (0, [false; 4]), "{signal}: {}", outcome.said);
    }
    let mut said = BufReader::new(workers[0].0.stderr.take().unwrap()).lines();
    let first = said.next_line().await.unwrap().unwrap();
    assert!(first.starts_with("not done for ") && first.contains("the lead has gone"), "{first}");
}

#[tokio::test]
async fn a_lead_without_the_token_is_refused() {
    let (workers, folder) = (workers().await, tempfile::tempdir().unwrap());
    let mut lead = lead(folder.path(), &workers, "ws://127.0.0.1:1");
    let output = lead.env("SPOTTER_LOAD_TOKEN", "another token of the tests").output().await.unwrap();
    assert_eq!(output.status.code(), Some(2), "{}", said(&output));
    assert!(said(&output).contains("its token is not the worker's"), "{}", said(&output));
}

#[tokio::test]
async fn a_worker_loads_no_host_that_was_not_named_to_it() {
    let (workers, folder) = (workers().await, tempfile::tempdir().unwrap());
    let output = lead(folder.path(), &workers, "ws://gym.example:8080").output().await.unwrap();
    assert_eq!(output.status.code(), Some(2), "{}", said(&output));
    assert!(said(&output).contains("--i-own gym.example"), "{}", said(&output));
}

#[tokio::test]
async fn a_worker_that_others_could_reach_has_to_be_told_so() {
    let output = spotter_load(&["worker", "--listen", "0.0.0.0:0"]).output().await.unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(said(&output).contains("--expose 0.0.0.0"), "{}", said(&output));
}
