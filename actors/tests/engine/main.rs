//! The engine over the simulated journal: entities that wake, rest, fail and come back, and commands that
//! meet them meanwhile.

#![allow(clippy::unwrap_used, reason = "a test that is surprised should end")]

mod archive;
mod closed;
mod failures;
mod house;
mod letters;
mod rest;
mod shards;
mod streams;

use std::time::Duration;

use spotter_actors::{CommitFault, Done, Journal};
use spotter_protocol::{CommandFrame, ErrorCode, GymId, Persistence, Version};
use uuid::Uuid;

use house::{GYM, House, IDLE, SESSION, done, note, start};

const OTHER_GYM: GymId = GymId(Uuid::from_u128(8));

#[tokio::test]
async fn commands_that_meet_a_waking_entity_are_answered_in_turn() {
    let house = House::open(IDLE).await;

    let answers: Vec<_> =
        [start()].into_iter().chain((2..=40).map(note)).map(|frame| house.dispatch(frame)).collect();

    for (version, answer) in (1..).zip(answers) {
        assert_eq!(answer.await.unwrap(), done(version));
    }
}

#[tokio::test]
async fn more_commands_than_an_entity_admits_are_told_to_wait() {
    let house = House::open(IDLE).await;

    let answers: Vec<_> =
        [start()].into_iter().chain((2..=100).map(note)).map(|frame| house.dispatch(frame)).collect();
    let mut refused = 0;
    for answer in answers {
        refused += usize::from(answer.await.unwrap().is_err_and(|fault| fault.code == ErrorCode::Busy));
    }

    assert_eq!(refused, 100 - 64, "what was admitted was done");
}

#[tokio::test(start_paused = true)]
async fn an_idle_entity_rests_and_wakes_with_what_it_knew() {
    let house = House::open(Duration::from_secs(5)).await;
    assert_eq!(house.send(start()).await, done(1));
    for n in 2..=20 {
        house.send(note(n)).await.unwrap();
    }

    tokio::time::sleep(Duration::from_secs(30)).await;

    let stored = house.journal.load(GYM, SESSION).await.unwrap().unwrap();
    assert_eq!(stored.snapshot.map(|snapshot| snapshot.version), Some(Version(20)), "it left a snapshot");
    assert_eq!(house.send(note(5)).await, Ok(Done { version: Version(5), repeat: true }), "it remembers");
    assert_eq!(house.send(note(21)).await, done(21));
}

#[tokio::test(start_paused = true)]
async fn a_lost_reply_of_the_store_changes_nothing_for_the_athlete() {
    let house = House::open(IDLE).await;
    assert_eq!(house.send(start()).await, done(1));

    house.journal.inject(CommitFault::LoseReply);

    assert_eq!(house.send(note(2)).await, done(2));
    assert_eq!(house.send(note(3)).await, done(3), "the event is there once");
}

#[tokio::test(start_paused = true)]
async fn a_store_that_is_away_holds_the_answer_until_it_is_back() {
    let house = House::open(IDLE).await;
    assert_eq!(house.send(start()).await, done(1));
    for _ in 0..5 {
        house.journal.inject(CommitFault::FailBefore);
    }

    assert_eq!(house.send(note(2)).await, done(2));
}

#[tokio::test(start_paused = true)]
async fn an_entity_whose_shard_was_taken_writes_nothing() {
    let house = House::open(IDLE).await;
    assert_eq!(house.send(start()).await, done(1));

    house.journal.steal(SESSION.shard(), Uuid::from_u128(77));
    let fault = house.send(note(2)).await.unwrap_err();

    assert_eq!(fault.code, ErrorCode::Unavailable);
    let events = house.journal.events(GYM, SESSION, Version(0), 10).await.unwrap().unwrap();
    assert_eq!(events.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn an_entity_that_failed_is_rebuilt_from_the_journal_after_a_pause() {
    let house = House::open(IDLE).await;
    assert_eq!(house.send(start()).await, done(1));
    // More failures in a row than the lane offers rows again: the outcome stays unknown and the actor ends.
    for _ in 0..12 {
        house.journal.inject(CommitFault::FailBefore);
    }

    assert_eq!(house.send(note(2)).await, done(2), "the next activation does what the first could not");
}

#[tokio::test]
async fn a_row_the_store_refuses_harms_nobody_else() {
    let house = House::open(IDLE).await;
    assert_eq!(house.send(start()).await, done(1));
    let bad = note(2);

    house.journal.refuse(bad.id);

    assert_eq!(house.send(bad).await.unwrap_err().kind, Persistence::Permanent);
    assert_eq!(house.send(CommandFrame { after: 1, ..note(3) }).await, done(2));
}

#[tokio::test]
async fn another_gym_finds_nothing_at_the_same_address() {
    let house = House::open(IDLE).await;
    assert_eq!(house.send(start()).await, done(1));

    let fault = house.dispatch_in(OTHER_GYM, note(2)).await.unwrap().unwrap_err();

    assert_eq!(fault.code, ErrorCode::NotFound);
}

#[tokio::test(start_paused = true)]
async fn a_made_up_address_does_not_stay_in_memory() {
    let house = House::open(IDLE).await;

    assert_eq!(house.send(CommandFrame { after: 0, ..note(7) }).await.unwrap_err().code, ErrorCode::NotFound);

    // Draining waits for every entity that is awake: there is none, long before the idle time.
    tokio::time::timeout(Duration::from_secs(1), house.engine.drain()).await.unwrap();
}

#[tokio::test]
async fn a_drained_engine_takes_nothing_more_and_has_lost_nothing() {
    let house = House::open(IDLE).await;
    let answers: Vec<_> =
        [start()].into_iter().chain((2..=30).map(note)).map(|frame| house.dispatch(frame)).collect();

    house.engine.drain().await;
    let late = house.send(note(31)).await;

    for answer in answers {
        assert!(answer.await.unwrap().is_ok(), "what was admitted is done");
    }
    assert_eq!(late.unwrap_err().code, ErrorCode::Unavailable);
    assert_eq!(
        house.journal.load(GYM, SESSION).await.unwrap().unwrap().snapshot.map(|s| s.version),
        Some(Version(30))
    );
}
