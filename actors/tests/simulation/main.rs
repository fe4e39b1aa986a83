//! The whole engine under a seed: processes that crash, stop and come back, over a journal that fails, loses answers,
//! is slow, is taken away and goes back in time, while phones send and subscribers follow. One seed is one world
//! ([`world`]), and the same seed is the same world again.
//!
//! `cargo test -p spotter-actors --test simulation` plays the seeds that once found something and the first two
//! thousand; `SPOTTER_SEEDS=100000` plays more of them, `SPOTTER_SEED=7` plays one. There is no network between these
//! parts, so none is simulated: each process has a runtime of its own with a paused clock, and the world takes their
//! steps in turn.

#![allow(
    clippy::unwrap_used,
    clippy::wildcard_enum_match_arm,
    reason = "a test that is surprised should end"
)]

mod chaos;
mod checks;
mod ledger;
mod library;
mod phones;
mod process;
mod subscribers;
mod tale;
mod wishes;
mod world;

use std::panic::{AssertUnwindSafe, catch_unwind};

use ledger::Tally;

/// Seeds that found a defect, played first, each with what it found.
const FOUND: [u64; 0] = [];
/// Seeds that are played every time.
const SEEDS: u64 = 2_000;

#[test]
fn in_every_world_the_journal_tells_one_story_and_nobody_is_told_another() {
    let number = |name| std::env::var(name).ok().map(|number| number.parse::<u64>().expect("a number"));
    if let Some(seed) = number("SPOTTER_SEED") {
        println!("{:#?}", play(seed));
        return;
    }
    let mut happened = Tally::new();
    for seed in FOUND.into_iter().chain(0..number("SPOTTER_SEEDS").unwrap_or(SEEDS)) {
        for (what, times) in play(seed).1 {
            *happened.entry(what).or_default() += times;
        }
    }
    println!("{happened:#?}");
}

#[test]
fn the_same_seed_is_the_same_world() {
    for seed in 0..40 {
        assert_eq!(play(seed), play(seed), "seed {seed}");
    }
}

fn play(seed: u64) -> (u64, Tally) {
    let again = format!("SPOTTER_SEED={seed} cargo test -p spotter-actors --test simulation");
    match catch_unwind(AssertUnwindSafe(|| world::play(seed))) {
        Ok(Ok(played)) => played,
        Ok(Err(why)) => panic!("seed {seed}: {why}\nagain: {again}"),
        Err(_) => panic!("seed {seed} ends in a panic\nagain: {again}"),
    }
}
