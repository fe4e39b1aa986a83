//! What the program does with a saved run, or by itself, and how it ends.

#![allow(clippy::unwrap_used, reason = "a test that is surprised should end")]

use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;
use tempfile::TempDir;

const EXAMPLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/gym-evening.results.json");

fn spotter_load(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_spotter-load")).args(arguments).output().unwrap()
}

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// The example, changed and written to `name` in `folder`.
fn changed(folder: &TempDir, name: &str, change: impl Fn(&mut Value)) -> String {
    let mut run = serde_json::from_str(&std::fs::read_to_string(EXAMPLE).unwrap()).unwrap();
    change(&mut run);
    let path = folder.path().join(name);
    std::fs::write(&path, run.to_string()).unwrap();
    path.to_str().unwrap().to_owned()
}

/// Has the server of a run use twice the processor.
fn twice_the_processor(run: &mut Value) {
    for second in run["intervals"].as_array_mut().unwrap() {
        if let Some(used) = second["server"]["cpu_s"].as_f64() {
            second["server"]["cpu_s"] = (used * 2.0).into();
        }
    }
}

#[test]
fn a_run_compared_with_itself_is_no_regression() {
    let output = spotter_load(&["compare", EXAMPLE, EXAMPLE, "--fail-on-regression", "0%"]);
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    assert!(said(&output).contains("0 better, 0 worse"), "{}", said(&output));
}

#[test]
fn a_regression_beyond_the_limit_ends_with_99() {
    let folder = TempDir::new().unwrap();
    let slower = changed(&folder, "slower.json", twice_the_processor);

    let judged = |limit| spotter_load(&["compare", EXAMPLE, &slower, "--fail-on-regression", limit]);

    assert_eq!(judged("50%").status.code(), Some(99), "{}", said(&judged("50%")));
    assert!(said(&judged("50%")).contains("REGRESSION"));
    assert_eq!(judged("150%").status.code(), Some(0));
    assert_eq!(spotter_load(&["compare", EXAMPLE, &slower]).status.code(), Some(0), "nobody asked");
}

#[test]
fn files_that_cannot_be_compared_are_a_wrong_call() {
    let folder = TempDir::new().unwrap();
    let later = changed(&folder, "later.json", |run| run["schema"] = 2.into());
    let broken = changed(&folder, "broken.json", |run| run["verdict"] = "broken".into());
    let other = changed(&folder, "other.json", |run| run["run"]["name"] = "idle".into());
    for (file, why) in [(&later, "form 2"), (&broken, "is broken"), (&other, "another scenario")] {
        let output = spotter_load(&["compare", EXAMPLE, file]);
        assert_eq!(output.status.code(), Some(2));
        assert!(said(&output).contains(why), "{}", said(&output));
    }
}

#[test]
fn a_report_is_one_file_beside_nothing() {
    let folder = TempDir::new().unwrap();
    let out = folder.path().join("report.html");

    let output = spotter_load(&["report", EXAMPLE, "--out", out.to_str().unwrap()]);

    assert!(output.status.success(), "{}", said(&output));
    assert!(std::fs::read_to_string(&out).unwrap().starts_with("<!DOCTYPE html>"));
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
fn a_report_of_no_run_is_a_wrong_call() {
    let none = Path::new(EXAMPLE).with_file_name("none.json");
    let output = spotter_load(&["report", none.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(2));
}

#[test]
fn the_doctor_ends_with_3_when_nobody_answers() {
    let output = spotter_load(&["doctor", "--target", "ws://127.0.0.1:1"]);
    assert_eq!(output.status.code(), Some(3), "{}", said(&output));
    assert!(said(&output).contains("FAIL  target: nobody answers"), "{}", said(&output));
}

#[test]
fn the_harness_is_measured_against_an_echo_of_its_own() {
    let output = spotter_load(&["echo", "--per-second", "50", "--seconds", "1", "--phones", "4"]);
    // On a busy machine it may find itself late.
    assert!([Some(0), Some(97)].contains(&output.status.code()), "{}", said(&output));
    assert!(said(&output).contains("processor for a command and its answer: harness"), "{}", said(&output));
}
