//! Runs that end before their plan does, for a threshold that says so.

use super::fake::{self, Broken, What};
use super::{LONG, Outcome, SCENARIO, asked, harness, load};

/// The scenario for ten minutes, unless sets take less than a microsecond; meanwhile some log without signal.
pub(crate) fn hopeless() -> String {
    SCENARIO
        .replace("\"set.count > 20\"", "{ met = \"set.p99 < 1us\", abort_after_s = 2 }")
        .replace("seconds = 2,", "seconds = 600, without_signal = 0.5,")
}

/// What becomes of it against a server.
async fn ended(broken: Option<(Broken, What)>) -> Outcome {
    let (address, folder) = (fake::serve(broken, LONG).await, tempfile::tempdir().unwrap());
    let output = load(folder.path(), &hopeless(), &format!("ws://{address}"), address, &[]).await;
    let page = std::fs::read_to_string(folder.path().join("out/report.html")).unwrap();
    assert!(page.contains("ended early, at "), "the page says why");
    Outcome::read(folder.path(), &output)
}

#[tokio::test]
async fn a_hopeless_run_ends_early_and_its_ledger_adds_up() {
    assert_ended_early(&ended(None).await);
}

/// That a hopeless run ended early, with everybody back and nothing lost.
pub(crate) fn assert_ended_early(outcome: &Outcome) {
    assert_eq!((outcome.code, outcome.found()), (99, [false; 4]), "{}", outcome.said);
    let (results, aborted) = (&outcome.results, &outcome.results["aborted"]);
    let (at, seconds) = (aborted["at"].as_f64().unwrap(), results["run"]["seconds"].as_f64().unwrap());
    assert!(at >= 2.0 && seconds < 60.0, "{aborted}, {seconds} s: {}", outcome.said);
    assert_eq!((&aborted["what"], &results["verdict"]), (&"set.p99 < 1us".into(), &"failed".into()));
    assert_eq!(results["stages"][0]["to"].as_f64(), Some(at), "stages end with the plan");
    assert!(outcome.said.contains("ended early, at "), "{}", outcome.said);
    assert!(outcome.count("late_set") > 0, "whoever had no signal is back: {}", outcome.said);
    assert_eq!(
        results["ledger"]["acknowledged"], results["ledger"]["delivered"],
        "each has one second device"
    );
}

#[tokio::test]
async fn a_promise_that_is_broken_in_a_hopeless_run_goes_before() {
    let outcome = ended(Some((Broken::Doubled, What::Set))).await;
    assert!(!outcome.results["aborted"].is_null(), "{}", outcome.said);
    outcome.assert_only(1, "came twice");
}

#[tokio::test]
async fn a_threshold_that_is_not_judged_ends_no_run() {
    let short = hopeless().replace("seconds = 600", "seconds = 4");
    for how in ["--correctness", "--chaos"] {
        let (address, folder) = (fake::serve(None, LONG).await, tempfile::tempdir().unwrap());
        let mut run = harness(folder.path(), &short, &format!("ws://{address}"), address);
        let outcome = Outcome::read(folder.path(), &run.arg(how).output().await.unwrap());
        assert!(outcome.code == 0 && outcome.results["aborted"].is_null(), "{how}: {}", outcome.said);
    }
}

#[tokio::test]
async fn a_hopeless_soak_ends_early_and_is_not_asked_what_grew() {
    let (address, folder) = (fake::serve(None, LONG).await, tempfile::tempdir().unwrap());
    let (what, target) = (["soak", "short.toml", "--minutes", "1"], format!("ws://{address}"));
    let output = asked(folder.path(), &hopeless(), &what, &target, address).output().await.unwrap();
    let outcome = Outcome::read(folder.path(), &output);
    assert_eq!(outcome.code, 99, "{}", outcome.said);
    assert!(outcome.results["run"]["seconds"].as_f64().unwrap() < 50.0, "{}", outcome.said);
    assert_eq!(outcome.results["thresholds"].as_array().unwrap().len(), 2, "{}", outcome.said);
}
