//! A room whose stream grows long, and what of it can be seen from outside: nothing.

use std::sync::Arc;
use std::time::Duration;

use spotter_actors::{CatchUp, CommitFault, Engine, Journal};
use spotter_protocol::{Address, CommandFrame, Pin, RoomCommand, Unpin, UserId, Version, View};
use uuid::Uuid;

use crate::house::{ANA, GYM, House, IDLE, ROTATE_EVERY, SESSION, command_to, done, note, start};

const COACH: UserId = UserId(Uuid::from_u128(0xc0));
const ROOM: Address = Address::room(COACH);

async fn open() -> House {
    let house = House::rotating().await;
    house.journal.set_roster(GYM, COACH, vec![ANA]);
    house
}

/// The coach's `n`th choice: the athlete is pinned by odd ones.
fn choice(n: u64) -> CommandFrame {
    let command: RoomCommand =
        if n % 2 == 1 { Pin { athlete: ANA }.into() } else { Unpin { athlete: ANA }.into() };
    command_to(ROOM, n, command)
}

/// Makes choices `from` to `to`; the versions they reached.
async fn choose(house: &House, from: u64, to: u64) -> Vec<u64> {
    let mut versions = Vec::new();
    for n in from..=to {
        versions.push(house.insist(choice(n)).await.unwrap().version.0);
    }
    versions
}

async fn first_of_stream(house: &House) -> u64 {
    house.journal.load(GYM, ROOM).await.unwrap().unwrap().first.0
}

/// What a coach is given who has `since`: the versions of events, or of the state.
async fn caught_up(engine: &Engine, since: u64) -> Result<Vec<u64>, u64> {
    match engine.catch_up(GYM, ROOM, Some(Version(since)), View::Coach).await.unwrap() {
        CatchUp::Events(events) => Ok(events.iter().map(|event| event.v.0).collect()),
        CatchUp::Current(version) => Ok(vec![version.0]),
        CatchUp::Snapshot(version, _) => Err(version.0),
    }
}

#[tokio::test(start_paused = true)]
async fn a_long_stream_is_followed_by_another_and_versions_go_on() {
    let house = open().await;
    let every = ROTATE_EVERY;

    let versions = choose(&house, 1, 2 * every).await;

    // The version after `every` events opens the second stream.
    let expected: Vec<u64> = (1..=every).chain(every + 2..=2 * every).chain([2 * every + 2]).collect();
    assert_eq!(versions, expected);
    assert_eq!(first_of_stream(&house).await, 2 * every + 1);
    let all = house.journal.history(GYM, ROOM);
    assert!(all.iter().map(|event| event.version.0).eq(1..=2 * every + 2), "through all streams");

    assert_eq!(caught_up(&house.engine, 3).await, Err(2 * every + 2), "from before: the state");
    assert_eq!(caught_up(&house.engine, 2 * every + 1).await, Ok(vec![2 * every + 2]));

    let again = house.send(choice(2)).await.unwrap();
    assert_eq!((again.version, again.repeat), (Version(2), true), "answers are remembered");
    let next = House::over(Arc::clone(&house.journal), IDLE).await;
    let again = next.send(choice(2 * every)).await.unwrap();
    assert_eq!((again.version, again.repeat), (Version(2 * every + 2), true), "by the next node too");
    assert_eq!(choose(&next, 2 * every + 1, 2 * every + 1).await, [2 * every + 3]);
}

#[tokio::test(start_paused = true)]
async fn a_move_whose_answer_is_lost_is_made_once() {
    let house = open().await;
    choose(&house, 1, ROTATE_EVERY - 1).await;
    house.journal.inject(CommitFault::Delay(Duration::ZERO));
    house.journal.inject(CommitFault::LoseReply);

    let versions = choose(&house, ROTATE_EVERY, ROTATE_EVERY + 1).await;

    assert_eq!(versions, [ROTATE_EVERY, ROTATE_EVERY + 2]);
    assert_eq!(first_of_stream(&house).await, ROTATE_EVERY + 1);
}

#[tokio::test(start_paused = true)]
async fn an_entity_that_fails_while_it_moves_goes_on_and_moves_later() {
    let house = open().await;
    choose(&house, 1, ROTATE_EVERY - 1).await;
    house.journal.inject(CommitFault::Delay(Duration::ZERO));
    for _ in 0..12 {
        house.journal.inject(CommitFault::FailBefore);
    }

    let versions = choose(&house, ROTATE_EVERY, ROTATE_EVERY + 2).await;

    assert_eq!(versions, [ROTATE_EVERY, ROTATE_EVERY + 1, ROTATE_EVERY + 3]);
    assert_eq!(first_of_stream(&house).await, ROTATE_EVERY + 2);
}

#[tokio::test(start_paused = true)]
async fn a_long_session_goes_on_in_another_stream_too() {
    let house = House::rotating().await;
    house.send(start()).await.unwrap();
    for n in 2..=ROTATE_EVERY {
        house.send(note(n)).await.unwrap();
    }

    assert_eq!(house.send(note(ROTATE_EVERY + 1)).await, done(ROTATE_EVERY + 2));
    assert_eq!(house.journal.load(GYM, SESSION).await.unwrap().unwrap().first, Version(ROTATE_EVERY + 1));
    let again = house.send(note(5)).await.unwrap();
    assert_eq!((again.version, again.repeat), (Version(5), true));
    let caught_up = house.engine.catch_up(GYM, SESSION, Some(Version(ROTATE_EVERY + 1)), View::Athlete).await;
    assert!(matches!(caught_up.unwrap(), CatchUp::Events(events) if events.len() == 1));
}
