//! The harness against a small server of the protocol that keeps every promise but one: each broken promise is caught
//! and named, in the summary, in `results.json` and by the exit code.

#![allow(clippy::unwrap_used, reason = "a test that is surprised should end")]

mod chaos;
mod crew;
mod fake;
mod program;
mod starved;

use std::net::SocketAddr;
use std::path::Path;
use std::process::{Output, Stdio};

use fake::Broken;
use serde_json::Value;
use tokio::process::Command;

/// Two gyms of two athletes for a second and a half.
const SCENARIO: &str = r#"
name = "short"
about = "A short run."
gyms = 2
lag_max_ms = 5000
starved_max = 1.0
thresholds = ["set.count > 20"]
gym = { athletes = 2, coaches = 0 }
mix = { set = 8, rest = 1, note = 1 }
stages = [{ name = "steady", seconds = 2, per_second = 40 }]
"#;

/// What a run came to.
struct Outcome {
    code: i32,
    results: Value,
    said: String,
}

impl Outcome {
    /// What a run said and left in a folder.
    fn read(folder: &Path, output: &Output) -> Self {
        let results = std::fs::read(folder.join("out/results.json")).unwrap_or_else(|error| {
            panic!("{error}: {}", String::from_utf8_lossy(&output.stderr));
        });
        Self {
            code: output.status.code().unwrap(),
            results: serde_json::from_slice(&results).unwrap(),
            said: String::from_utf8_lossy(&output.stdout).into_owned(),
        }
    }

    /// Lost, doubled, reordered, leaked.
    fn found(&self) -> [bool; 4] {
        let ledger = &self.results["ledger"];
        ["lost", "doubled", "reordered", "leaked"].map(|what| ledger[what].as_u64().unwrap() > 0)
    }

    fn assert_only(&self, place: usize, example: &str) {
        let mut expected = [false; 4];
        expected[place] = true;
        assert_eq!(self.found(), expected, "lost, doubled, reordered, leaked: {}", self.said);
        assert_eq!(self.code, 98, "{}", self.said);
        assert!(self.said.contains(example), "{}", self.said);
    }
}

async fn run_against(broken: Option<Broken>, scenario: &str) -> Outcome {
    let address = fake::serve(broken).await;
    let folder = tempfile::tempdir().unwrap();
    let output = load(folder.path(), scenario, &format!("ws://{address}"), address, &[]).await;
    Outcome::read(folder.path(), &output)
}

async fn load(folder: &Path, scenario: &str, target: &str, address: SocketAddr, more: &[&str]) -> Output {
    harness(folder, scenario, target, address).args(more).output().await.unwrap()
}

fn harness(folder: &Path, scenario: &str, target: &str, address: SocketAddr) -> Command {
    put(folder, scenario);
    let mut harness = Command::new(env!("CARGO_BIN_EXE_spotter-load"));
    harness.current_dir(folder).args(["run", "short.toml", "--out", "out", "--people", "people.csv"]);
    harness.args(["--target", target, "--metrics", &format!("http://{address}/metrics")]);
    harness.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    harness
}

/// The scenario and the people of the server.
fn put(folder: &Path, scenario: &str) {
    std::fs::write(folder.join("short.toml"), scenario).unwrap();
    let people = ["lt-0", "lt-1"].map(|gym| format!("{gym},a0@{gym},secret\n{gym},a1@{gym},secret\n"));
    std::fs::write(folder.join("people.csv"), people.concat()).unwrap();
}

#[tokio::test]
async fn a_server_that_keeps_every_promise_passes() {
    let outcome = run_against(None, SCENARIO).await;
    assert_eq!(outcome.code, 0, "{}", outcome.said);
    let ledger = &outcome.results["ledger"];
    assert!(ledger["acknowledged"].as_u64().unwrap() > 40, "{}", outcome.said);
    assert_eq!(ledger["acknowledged"], ledger["delivered"], "each has one second device");
    assert_eq!(outcome.results["verdict"], "passed");
    assert_eq!(outcome.results["run"]["server_version"], "0.0.0-fake");
    assert!(outcome.results["generator"]["lag"]["p50"].as_u64().unwrap() > 0);
}

#[tokio::test]
async fn an_event_that_never_reaches_a_device_is_lost() {
    run_against(Some(Broken::Undelivered), SCENARIO).await.assert_only(0, "never came to reader 0");
}

#[tokio::test]
async fn an_acknowledged_set_that_is_not_stored_is_lost() {
    run_against(Some(Broken::Unstored), SCENARIO).await.assert_only(0, "are not stored");
}

#[tokio::test]
async fn an_event_that_comes_twice_is_doubled() {
    run_against(Some(Broken::Doubled), SCENARIO).await.assert_only(1, "came twice");
}

#[tokio::test]
async fn a_command_that_is_stored_twice_is_doubled() {
    run_against(Some(Broken::StoredTwice), SCENARIO).await.assert_only(1, "logs a set again");
}

#[tokio::test]
async fn an_event_that_comes_after_later_ones_is_reordered() {
    run_against(Some(Broken::Reordered), SCENARIO).await.assert_only(2, "came after later ones");
}

#[tokio::test]
async fn an_event_that_reaches_another_gym_is_leaked() {
    run_against(Some(Broken::Leaked), SCENARIO).await.assert_only(3, "of gym 1 was shown version");
}

#[tokio::test]
async fn a_server_that_lets_another_gym_in_leaks() {
    run_against(Some(Broken::OpenDoor), SCENARIO).await.assert_only(3, "may follow");
}

#[tokio::test]
async fn a_missed_threshold_fails_a_run_that_is_right() {
    let outcome = run_against(None, &SCENARIO.replace("> 20", "> 100000")).await;
    assert_eq!((outcome.code, outcome.found()), (99, [false; 4]), "{}", outcome.said);
}

#[tokio::test]
async fn a_program_that_reads_a_run_gets_a_line_of_json_each_second_and_nothing_else() {
    let address = fake::serve(None).await;
    let folder = tempfile::tempdir().unwrap();
    let mut run = harness(folder.path(), SCENARIO, &format!("ws://{address}"), address);
    let output = run.arg("--json-lines").output().await.unwrap();
    let lines = String::from_utf8(output.stdout).unwrap();
    let seconds: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(seconds.len() >= 2, "{lines}");
    assert!(seconds.last().unwrap()["ledger"]["acknowledged"].as_u64().unwrap() > 40, "{lines}");
    assert!(String::from_utf8(output.stderr).unwrap().contains("PASSED"));
}

#[tokio::test]
async fn a_target_that_is_not_there_or_not_ours_is_not_loaded() {
    let folder = tempfile::tempdir().unwrap();
    let nobody = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let absent = load(folder.path(), SCENARIO, &format!("ws://{nobody}"), nobody, &[]).await;
    assert_eq!(absent.status.code(), Some(3), "{}", String::from_utf8_lossy(&absent.stderr));

    let foreign = load(folder.path(), SCENARIO, "ws://gym.example:8080", nobody, &[]).await;
    assert_eq!(foreign.status.code(), Some(2));
    let said = String::from_utf8(foreign.stderr).unwrap();
    assert!(said.contains("--i-own gym.example"), "{said}");
}

/// No test of its own: runs that start a server start this one.
#[tokio::test]
async fn this_executable_serves_when_it_is_started_as_a_server() {
    program::serve().await;
}
