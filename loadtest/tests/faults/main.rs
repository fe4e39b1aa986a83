//! The harness against a small server of the protocol that keeps every promise but one: each broken promise is caught
//! and named, in the summary, in `results.json` and by the exit code.

#![allow(clippy::unwrap_used, reason = "a test that is surprised should end")]

mod capacity;
mod chaos;
mod crew;
mod early;
mod fake;
mod gyms;
mod nodes;
mod program;
mod starved;

use std::net::SocketAddr;
use std::path::Path;
use std::process::{Output, Stdio};
use std::time::Duration;

use fake::{Broken, What, World};
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

/// The same with a coach in each gym who says cues and writes messages, and athletes who write back.
const TALKING: &str = r#"
name = "short"
about = "A short run in which people talk."
gyms = 2
lag_max_ms = 5000
starved_max = 1.0
thresholds = ["cue.count > 5", "message.count > 10"]
gym = { athletes = 2, coaches = 1, coach_follows = 2 }
mix = { set = 8, message = 4 }
coach = { cue = 4, message = 4, history = 1, people = 1 }
stages = [{ name = "steady", seconds = 2, per_second = 40, coach_per_second = 30 }]
"#;

/// How long a token of the fake server is good, where that matters to nobody.
const LONG: Duration = Duration::from_secs(900);

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

    /// How many of a kind were done.
    fn count(&self, kind: &str) -> u64 {
        self.results["operations"][kind]["count"].as_u64().unwrap_or_default()
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
    run_with(broken.map(|broken| (broken, What::Set)), scenario, LONG).await
}

/// A run in which people talk, and a promise about it is broken.
async fn talk_against(broken: Broken, what: What) -> Outcome {
    run_with(Some((broken, what)), TALKING, LONG).await
}

async fn run_with(broken: Option<(Broken, What)>, scenario: &str, token_lasts: Duration) -> Outcome {
    let address = fake::serve(broken, token_lasts).await;
    let folder = tempfile::tempdir().unwrap();
    let output = load(folder.path(), scenario, &format!("ws://{address}"), address, &[]).await;
    Outcome::read(folder.path(), &output)
}

async fn load(folder: &Path, scenario: &str, target: &str, address: SocketAddr, more: &[&str]) -> Output {
    harness(folder, scenario, target, address).args(more).output().await.unwrap()
}

fn harness(folder: &Path, scenario: &str, target: &str, address: SocketAddr) -> Command {
    asked(folder, scenario, &["run", "short.toml"], target, address)
}

/// The harness, asked to do something.
fn asked(folder: &Path, scenario: &str, what: &[&str], target: &str, address: SocketAddr) -> Command {
    put(folder, scenario);
    let mut harness = Command::new(env!("CARGO_BIN_EXE_spotter-load"));
    harness.current_dir(folder).args(what).args(["--out", "out", "--people", "people.csv"]);
    harness.args(["--target", target, "--metrics", &format!("http://{address}/metrics")]);
    harness.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    harness
}

/// The scenario and the people of the server.
fn put(folder: &Path, scenario: &str) {
    std::fs::write(folder.join("short.toml"), scenario).unwrap();
    let person = |gym, name| format!("{gym},{name}@{gym},secret\n");
    let people = ["lt-0", "lt-1"].map(|gym| ["a0", "a1", "c0"].map(|name| person(gym, name)).concat());
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
async fn a_subscription_that_is_refused_for_now_is_asked_for_again() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let mut world = World::with(None);
    world.busy = 7;
    fake::serve_on(listener, world);
    let folder = tempfile::tempdir().unwrap();
    let output = load(folder.path(), SCENARIO, &format!("ws://{address}"), address, &[]).await;
    let outcome = Outcome::read(folder.path(), &output);
    assert_eq!((outcome.code, outcome.found()), (0, [false; 4]), "{}", outcome.said);
    assert_eq!(outcome.results["operations"]["refused_for_now"]["errors"]["unavailable"], 7);
    assert_eq!(outcome.results["ledger"]["acknowledged"], outcome.results["ledger"]["delivered"]);
}

#[tokio::test]
async fn people_who_talk_to_a_server_that_keeps_every_promise_are_heard() {
    let outcome = run_with(None, TALKING, LONG).await;
    assert_eq!(outcome.code, 0, "{}", outcome.said);
    for kind in ["cue_delivery", "message_delivery", "history", "people"] {
        assert!(outcome.count(kind) > 0, "{kind}: {}", outcome.said);
    }
}

#[tokio::test]
async fn a_cue_or_a_message_that_never_reaches_a_device_is_lost() {
    talk_against(Broken::Undelivered, What::Cue).await.assert_only(0, "never came to reader");
    talk_against(Broken::Undelivered, What::Message).await.assert_only(0, "never came to reader");
}

#[tokio::test]
async fn an_acknowledged_cue_or_message_that_is_not_stored_is_lost() {
    talk_against(Broken::Unstored, What::Cue).await.assert_only(0, "1 acknowledged words of");
    talk_against(Broken::Unstored, What::Message).await.assert_only(0, "1 acknowledged words of");
}

#[tokio::test]
async fn a_cue_or_a_message_that_comes_twice_is_doubled() {
    talk_against(Broken::Doubled, What::Cue).await.assert_only(1, "came twice");
    talk_against(Broken::Doubled, What::Message).await.assert_only(1, "came twice");
}

#[tokio::test]
async fn a_cue_or_a_message_that_is_stored_twice_is_doubled() {
    talk_against(Broken::StoredTwice, What::Cue).await.assert_only(1, "says a word again");
    talk_against(Broken::StoredTwice, What::Message).await.assert_only(1, "says a word again");
}

#[tokio::test]
async fn a_cue_or_a_message_that_comes_after_later_ones_is_reordered() {
    talk_against(Broken::Reordered, What::Cue).await.assert_only(2, "came after later ones");
    talk_against(Broken::Reordered, What::Message).await.assert_only(2, "came after later ones");
}

#[tokio::test]
async fn a_cue_or_a_message_that_reaches_another_gym_is_leaked() {
    talk_against(Broken::Leaked, What::Cue).await.assert_only(3, "of gym 1 was shown version");
    talk_against(Broken::Leaked, What::Message).await.assert_only(3, "says what is not said there");
}

#[tokio::test]
async fn a_run_outlasts_its_tokens_by_renewing_them() {
    let long = SCENARIO.replace("seconds = 2", "seconds = 5");
    let outcome = run_with(None, &long, Duration::from_secs(3)).await;
    assert_eq!(outcome.code, 0, "{}", outcome.said);
    assert!(outcome.count("renew") >= 4 && outcome.count("token") >= 8, "{}", outcome.said);
    assert!(outcome.results["operations"]["connection"].is_null(), "nobody was cut off: {}", outcome.said);
}

#[tokio::test]
async fn a_renewal_that_fails_is_said_and_so_is_who_is_cut_off_for_it() {
    let long = SCENARIO.replace("seconds = 2", "seconds = 5");
    let outcome = run_with(Some((Broken::NoRenewal, What::Set)), &long, Duration::from_secs(3)).await;
    assert!(outcome.said.contains("error: renew: bad_refresh_token"), "{}", outcome.said);
    assert!(outcome.said.contains("error: connection: "), "{}", outcome.said);
    assert_eq!(outcome.found(), [false; 4], "{}", outcome.said);
}

#[tokio::test]
async fn a_missed_threshold_fails_a_run_that_is_right() {
    let outcome = run_against(None, &SCENARIO.replace("> 20", "> 100000")).await;
    assert_eq!((outcome.code, outcome.found()), (99, [false; 4]), "{}", outcome.said);
}

#[tokio::test]
async fn a_run_judged_on_correctness_alone_may_be_slow_but_neither_idle_nor_wrong() {
    let slow = SCENARIO.replace("set.count > 20", "set.p99 < 1us\", \"set.count > 20").replace("5000", "1");
    let idle = slow.replace("set.count > 20", "set.count > 100000");
    let wrong = Some((Broken::Doubled, What::Set));
    for (scenario, broken, code) in [(&slow, None, 0), (&idle, None, 99), (&slow, wrong, 98)] {
        let (address, folder) = (fake::serve(broken, LONG).await, tempfile::tempdir().unwrap());
        let target = format!("ws://{address}");
        let output = load(folder.path(), scenario, &target, address, &["--correctness"]).await;
        assert_eq!(output.status.code(), Some(code), "{}", String::from_utf8_lossy(&output.stdout));
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(said.contains("how late the generator was are not judged"), "{said}");
    }
}

#[tokio::test]
async fn a_program_that_reads_a_run_gets_a_line_of_json_each_second_and_nothing_else() {
    let address = fake::serve(None, LONG).await;
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

#[tokio::test]
async fn a_real_log_is_played_in_two_gyms_and_nothing_of_it_is_lost() {
    let address = fake::serve(None, LONG).await;
    let folder = tempfile::tempdir().unwrap();
    let log = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/hevy.csv");
    let what = ["replay", log, "--athletes", "2", "--coaches", "0", "--speed", "3000", "--minutes", "1"];

    let mut replay = asked(folder.path(), "", &what, &format!("ws://{address}"), address);
    let output = replay.output().await.unwrap();

    let results = std::fs::read(folder.path().join("out/results.json")).unwrap();
    let results: Value = serde_json::from_slice(&results).unwrap();
    // A busy machine may make the generator late.
    assert!(
        [Some(0), Some(97)].contains(&output.status.code()),
        "{}",
        String::from_utf8_lossy(&output.stdout)
    );
    assert_eq!(results["operations"]["set"]["count"], 2 * 98, "every set of the log in each gym");
    assert_eq!(results["operations"]["finish"]["count"], 2 * 4);
    assert_eq!(results["ledger"]["acknowledged"], results["ledger"]["delivered"]);
}

/// No test of its own: runs that start a server start this one.
#[tokio::test]
async fn this_executable_serves_when_it_is_started_as_a_server() {
    program::serve().await;
}
