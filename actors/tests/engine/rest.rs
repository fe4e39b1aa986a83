//! Entities that rest and wake, many of them.

use std::time::Duration;

use spotter_protocol::{Address, CommandFrame, ErrorCode, Note, NoteText, SessionId, UserId, Version};
use uuid::Uuid;

use crate::house::{House, a_start, command_to};

/// Sessions of the crowd.
const CROWD: u128 = 20_000;
/// Commands under way at once: the node admits a few thousand.
const AT_ONCE: usize = 2_000;
const IDLE: Duration = Duration::from_secs(5);

fn session(k: u128) -> Address {
    Address::session(UserId(Uuid::from_u128(0xa0 << 64 | k)), SessionId(Uuid::from_u128(0x5e << 64 | k)))
}

fn note(k: u128, n: u64) -> CommandFrame {
    command_to(session(k), n, Note { set: None, text: NoteText::clipped("still here") })
}

/// Sends each command, and sees that each session takes them in turn.
async fn send_all(house: &House, frames: impl Iterator<Item = CommandFrame>) {
    let frames: Vec<CommandFrame> = frames.collect();
    for some in frames.chunks(AT_ONCE) {
        let answers: Vec<_> = some.iter().map(|frame| (frame.n, house.dispatch(frame.clone()))).collect();
        for (n, answer) in answers {
            let done = answer.await.unwrap().unwrap();
            assert_eq!((done.version, done.repeat), (Version(n), false));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_crowd_goes_to_rest_and_wakes_again_while_it_does() {
    let house = House::open(IDLE).await;
    send_all(&house, (0..CROWD).map(|k| command_to(session(k), 1, a_start()))).await;

    // From here on some rest, some are on their way and some are awake.
    tokio::time::sleep(IDLE).await;
    for n in 2..=3 {
        send_all(&house, (0..CROWD).map(|k| note(k, n))).await;
        tokio::time::sleep(Duration::from_millis(60)).await;
    }

    house.engine.drain().await;
    for k in (0..CROWD).step_by(97) {
        let versions: Vec<u64> =
            house.journaled(session(k)).await.iter().map(|(version, _)| *version).collect();
        assert_eq!(versions, [1, 2, 3]);
    }
}

#[tokio::test(start_paused = true)]
async fn one_that_cannot_be_read_keeps_nobody_from_waking() {
    const TOGETHER: u128 = 100;
    const SPOILED: u128 = 41;
    let house = House::open(IDLE).await;
    send_all(&house, (0..TOGETHER).map(|k| command_to(session(k), 1, a_start()))).await;
    tokio::time::sleep(2 * IDLE).await;
    house.journal.spoil(session(SPOILED));

    let answers: Vec<_> = (0..TOGETHER).map(|k| house.dispatch(note(k, 2))).collect();

    for (k, answer) in (0..).zip(answers) {
        let done = answer.await.unwrap().map(|done| done.version).map_err(|fault| fault.code);
        let expected = if k == SPOILED { Err(ErrorCode::Unavailable) } else { Ok(Version(2)) };
        assert_eq!(done, expected, "session {k}");
    }
}

#[tokio::test(start_paused = true)]
async fn commands_that_meet_an_entity_on_its_way_to_rest_are_done_in_turn() {
    let house = House::open(IDLE).await;
    let mut n = 1;
    assert!(house.send(command_to(session(0), 1, a_start())).await.is_ok());

    for round in 0..150 {
        // Around the moment at which it goes to rest.
        tokio::time::sleep(IDLE - Duration::from_millis(100) + Duration::from_millis(round)).await;
        let answers: Vec<_> = (n + 1..=n + 3).map(|n| house.dispatch(note(0, n))).collect();
        for (version, answer) in (n + 1..).zip(answers) {
            assert_eq!(answer.await.unwrap().map(|done| done.version), Ok(Version(version)));
        }
        n += 3;
    }
}
