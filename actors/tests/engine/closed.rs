//! Gyms that are closed while they train.

use std::time::Duration;

use spotter_actors::{CommitFault, Engine};
use spotter_protocol::{Address, ErrorCode, GymId, SessionId, UserId};
use uuid::Uuid;

use crate::house::{GYM, House, IDLE, SESSION, a_start, command_to, done, note, start};

const OTHER_GYM: GymId = GymId(Uuid::from_u128(8));
const OTHER_SESSION: Address =
    Address::session(UserId(Uuid::from_u128(0xb0b)), SessionId(Uuid::from_u128(0x5e55)));

/// Closes a gym and waits until nothing of it is awake.
async fn close(engine: &Engine, gym: GymId) {
    while engine.close_gym(gym) > 0 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

#[tokio::test]
async fn a_closed_gym_finishes_what_it_admitted_and_nothing_of_it_wakes() {
    let house = House::open(IDLE).await;
    let answers: Vec<_> =
        [start()].into_iter().chain((2..=40).map(note)).map(|frame| house.dispatch(frame)).collect();

    close(&house.engine, GYM).await;

    for answer in answers {
        assert!(answer.await.unwrap().is_ok(), "what was admitted is done");
    }
    let written = house.journaled(SESSION).await;
    assert_eq!(written.len(), 40);
    assert_eq!(house.send(note(41)).await.unwrap_err().code, ErrorCode::NotFound, "as if it had never been");
    assert_eq!(house.journaled(SESSION).await, written);
    assert_eq!(house.engine.close_gym(GYM), 0, "again");
}

#[tokio::test]
async fn other_gyms_do_not_notice() {
    let house = House::open(IDLE).await;
    let train = |n| {
        let frame = if n == 1 {
            command_to(OTHER_SESSION, 1, a_start())
        } else {
            command_to(OTHER_SESSION, n, note(n).command)
        };
        house.dispatch_in(OTHER_GYM, frame)
    };
    assert_eq!(train(1).await.unwrap(), done(1));
    house.send(start()).await.unwrap();

    let answer = train(2);
    close(&house.engine, GYM).await;

    assert_eq!(answer.await.unwrap(), done(2));
    assert_eq!(train(3).await.unwrap(), done(3));
}

#[tokio::test(start_paused = true)]
async fn what_waits_for_an_entity_that_keeps_failing_is_answered_when_its_gym_closes() {
    let house = House::open(IDLE).await;
    assert_eq!(house.send(start()).await, done(1));
    // More failures in a row than the lane offers rows again: the actor ends, and the command waits for the next.
    for _ in 0..12 {
        house.journal.inject(CommitFault::FailBefore);
    }
    let waiting = house.dispatch(note(2));
    tokio::time::sleep(Duration::from_secs(1)).await;

    close(&house.engine, GYM).await;

    assert_eq!(waiting.await.unwrap().unwrap_err().code, ErrorCode::NotFound);
    assert_eq!(house.journaled(SESSION).await.len(), 1);
    house.engine.drain().await;
}
