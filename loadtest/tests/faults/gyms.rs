//! Gyms that are made for a run and go with it, however it ends.

use std::net::SocketAddr;
use std::path::Path;
use std::process::{Output, Stdio};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::process::Command;

use super::fake::{self, Broken, What};
use super::{LONG, SCENARIO, put};

/// Everybody has come by then, and nobody is done.
const LONG_ENOUGH: &str = "seconds = 60";

/// The harness, about to run on gyms that it makes.
fn harness(folder: &Path, scenario: &str, address: SocketAddr) -> Command {
    put(folder, scenario);
    let mut harness = Command::new(env!("CARGO_BIN_EXE_spotter-load"));
    harness.current_dir(folder).args(["run", "short.toml", "--out", "out"]);
    harness.args(["--target", &format!("ws://{address}"), "--admin", &format!("http://{address}")]);
    harness.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    harness
}

/// The gyms that are there.
pub(super) async fn there(address: SocketAddr) -> Vec<String> {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(b"GET /gyms HTTP/1.1\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    serde_json::from_str(answer.split_once("\r\n\r\n").unwrap().1).unwrap()
}

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

#[tokio::test]
async fn a_run_makes_its_gyms_and_removes_them_whether_it_passes_or_fails() {
    for (broken, code) in [(None, 0), (Some((Broken::Undelivered, What::Set)), 98)] {
        let (address, folder) = (fake::serve(broken, LONG).await, tempfile::tempdir().unwrap());
        let output = harness(folder.path(), SCENARIO, address).output().await.unwrap();
        assert_eq!(output.status.code(), Some(code), "{}", said(&output));
        assert_eq!(there(address).await, [""; 0]);
        let results = std::fs::read_to_string(folder.path().join("out/results.json")).unwrap();
        assert!(results.contains("0.0.0-fake"), "its metrics are found beside the admin listener's routes");
    }
}

#[tokio::test]
async fn gyms_that_are_to_be_kept_stay_and_are_named() {
    let (address, folder) = (fake::serve(None, LONG).await, tempfile::tempdir().unwrap());
    let output = harness(folder.path(), SCENARIO, address).arg("--keep-gyms").output().await.unwrap();
    let kept = there(address).await;
    assert_eq!((output.status.code(), kept.len()), (Some(0), 2), "{}", said(&output));
    for (number, slug) in kept.iter().enumerate() {
        assert!(slug.starts_with("lt-") && slug.ends_with(&format!("-{number}")), "{slug}");
        assert!(said(&output).contains(slug), "{}", said(&output));
    }
}

#[tokio::test]
async fn whoever_is_told_to_stop_removes_what_they_made() {
    let (address, folder) = (fake::serve(None, LONG).await, tempfile::tempdir().unwrap());
    let long = SCENARIO.replace("seconds = 2", LONG_ENOUGH);
    let running = harness(folder.path(), &long, address).spawn().unwrap();
    while there(address).await.len() < 2 {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let id = running.id().unwrap().to_string();
    assert!(Command::new("kill").args(["-INT", &id]).status().await.unwrap().success());

    let output = running.wait_with_output().await.unwrap();

    assert_eq!(output.status.code(), Some(1), "{}", said(&output));
    assert_eq!(there(address).await, [""; 0], "{}", said(&output));
}

#[tokio::test]
async fn gyms_are_made_only_where_a_load_may_go() {
    let (address, folder) = (fake::serve(None, LONG).await, tempfile::tempdir().unwrap());
    let foreign = |more: [&'static str; 4]| {
        put(folder.path(), SCENARIO);
        let mut harness = Command::new(env!("CARGO_BIN_EXE_spotter-load"));
        harness.current_dir(folder.path()).args(["run", "short.toml"]).args(more);
        harness
    };
    let here = format!("http://{address}").leak();
    for more in [
        ["--target", "ws://127.0.0.1:1", "--admin", "http://gym.example:8081"],
        ["--target", "ws://gym.example:8080", "--admin", here],
    ] {
        let output = foreign(more).output().await.unwrap();
        assert_eq!(output.status.code(), Some(2), "{}", said(&output));
        assert!(said(&output).contains("--i-own gym.example"), "{}", said(&output));
    }
    let mut both = foreign(["--target", "ws://127.0.0.1:1", "--admin", here]);
    both.args(["--people", "people.csv"]);
    assert_eq!(both.output().await.unwrap().status.code(), Some(2), "made or named, not both");
    assert_eq!(there(address).await, [""; 0]);
}

#[tokio::test]
async fn gyms_that_cannot_be_removed_are_named_with_the_command_that_does() {
    let (address, folder) = (fake::serve(None, LONG).await, tempfile::tempdir().unwrap());
    let nobody = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let mut harness = harness(folder.path(), SCENARIO, nobody);
    let output = harness.output().await.unwrap();
    assert_eq!(output.status.code(), Some(3), "{}", said(&output));
    assert!(said(&output).contains("spotter gym remove --slug lt-"), "{}", said(&output));
    assert_eq!(there(address).await, [""; 0]);
}
