//! Replays the committed corpus of the fuzz targets, and every frame of the golden files: what once failed, and
//! what reached far, is tried again with every change.

#![allow(clippy::unwrap_used, reason = "a test that is surprised should end")]

#[path = "../../../fuzz/src/commands.rs"]
mod commands;
#[path = "../../../fuzz/src/frames.rs"]
mod frames;

use std::path::Path;

fn replay(folder: &str, check: impl Fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(folder);
    let mut inputs = 0;
    for entry in std::fs::read_dir(&folder).unwrap() {
        let path = entry.unwrap().path();
        let data = std::fs::read(&path).unwrap();
        inputs += 1;
        if let Err(panic) = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| check(&data))) {
            eprintln!("input: {}", path.display());
            std::panic::resume_unwind(panic);
        }
    }
    assert!(inputs > 0, "{} holds inputs", folder.display());
}

#[test]
fn frames_of_the_corpus_are_read_without_harm() {
    replay("fuzz/corpus/frames", frames::check);
    replay("protocol/golden/client", frames::check);
    replay("protocol/golden/server", frames::check);
}

#[test]
fn commands_of_the_corpus_leave_every_entity_sound() {
    replay("fuzz/corpus/commands", commands::check);
}
