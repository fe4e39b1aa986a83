//! Entities that fail: whose commands wait, which command is given up, and when an operator has to look.

use std::sync::Arc;
use std::time::Duration;

use spotter_actors::{Append, CommitFault, Done, Engine, EventRow, Journal, Opening, Outcome};
use spotter_protocol::{
    Address, CommandFrame, CommandId, ErrorCode, Persistence, SessionId, Stamp, StreamId, Timestamp, Version,
};
use uuid::Uuid;

use crate::house::{ANA, GYM, House, IDLE, SESSION, a_start, command_to, done, note, set_of, start};

/// More failures in a row than the lane offers rows again: the outcome stays unknown and the actor ends.
const UNKNOWN: usize = 12;

async fn a_started_session() -> House {
    let house = House::open(IDLE).await;
    assert_eq!(house.send(start()).await, done(1));
    house
}

/// Fails `house`'s session until it is in quarantine: two commands that are given up, and one more failure.
async fn quarantine(house: &House) {
    house.library.fail_on("curse");
    for n in [50, 51] {
        let frame = CommandFrame { after: 0, ..set_of("curse", n) };
        assert_eq!(house.send(frame).await.unwrap_err().code, ErrorCode::Abandoned);
    }
    let frame = CommandFrame { after: 0, ..set_of("curse", 52) };
    assert_eq!(house.send(frame).await.unwrap_err().code, ErrorCode::Quarantined);
}

/// An entity whose journal this build cannot read.
async fn a_damaged_session(house: &House) -> Address {
    let address = Address::session(ANA, SessionId(Uuid::from_u128(0xbad)));
    let claim = house.journal.claim(Uuid::from_u128(9));
    let stamp = Stamp {
        at: Timestamp(0),
        received_at: Timestamp(0),
        device_at: Timestamp(0),
        offset: 0,
        author: ANA,
        command: CommandId(Uuid::from_u128(1)),
        client: spotter_protocol::ClientId(Uuid::from_u128(1)),
        n: 1,
    };
    let garbage =
        EventRow { version: Version(1), stamp, kind: "started".to_owned(), schema: 1, body: vec![0xc1] };
    let append = Append {
        gym: GYM,
        address,
        stream: StreamId(Uuid::from_u128(0xbad)),
        opening: Opening::Entity,
        epoch: claim.epoch(address.shard()).unwrap(),
        events: vec![garbage],
        rows: Vec::new(),
        letters: Vec::new(),
        carried: Vec::new(),
        reminder: spotter_actors::Remind::Keep,
    };
    let outcomes = house.journal.commit(claim.node, &[append]).await.unwrap();
    assert_eq!(outcomes, [Outcome::Committed]);
    address
}

#[tokio::test(start_paused = true)]
async fn what_was_under_way_when_the_outcome_was_unknown_is_done_once() {
    let house = a_started_session().await;
    for _ in 1..UNKNOWN {
        house.journal.inject(CommitFault::FailBefore);
    }
    house.journal.inject(CommitFault::LoseReply);

    let answers: Vec<_> = (2..=9).map(|n| house.dispatch(note(n))).collect();

    // The first was committed and the actor did not hear of it: the next activation knows it.
    for (version, answer) in (2..).zip(answers) {
        assert_eq!(answer.await.unwrap().map(|done| done.version), Ok(Version(version)));
    }
    let journaled = house.journaled(SESSION).await;
    assert_eq!(
        journaled.iter().map(|(version, _)| *version).collect::<Vec<_>>(),
        (1..=9).collect::<Vec<_>>()
    );
}

#[tokio::test(start_paused = true)]
async fn a_store_that_is_away_for_long_puts_nobody_into_quarantine() {
    let house = a_started_session().await;
    for _ in 0..UNKNOWN * 8 {
        house.journal.inject(CommitFault::FailBefore);
    }

    assert_eq!(house.send(note(2)).await.unwrap_err().code, ErrorCode::Unavailable, "it waited long enough");
    assert_eq!(house.insist(note(2)).await.map(|done| done.version), Ok(Version(2)));

    assert_eq!(house.engine.quarantined(), []);
    assert_eq!(house.engine.dead_letters().await.unwrap(), []);
}

#[tokio::test(start_paused = true)]
async fn a_command_on_which_the_server_failed_twice_is_given_up_and_those_behind_it_go_on() {
    let house = a_started_session().await;
    house.library.fail_on("curse");
    let curse = CommandFrame { after: 2, ..set_of("curse", 3) };

    let before = house.dispatch(note(2));
    let cursed = house.dispatch(curse.clone());
    let behind = house.dispatch(CommandFrame { after: 2, ..note(4) });

    assert_eq!(before.await.unwrap(), done(2));
    let fault = cursed.await.unwrap().unwrap_err();
    assert_eq!((fault.code, fault.kind), (ErrorCode::Abandoned, Persistence::Permanent));
    assert_eq!(behind.await.unwrap(), done(3));
    let letters = house.engine.dead_letters().await.unwrap();
    assert_eq!(letters.len(), 1);
    assert_eq!((letters[0].command, letters[0].address, letters[0].gym), (curse.id, SESSION, GYM));
    assert_eq!(letters[0].kind, "complete");
}

#[tokio::test(start_paused = true)]
async fn a_command_that_was_given_up_is_done_once_when_it_is_offered_again() {
    let house = a_started_session().await;
    house.library.fail_on("curse");
    let curse = set_of("curse", 2);
    assert_eq!(house.send(curse.clone()).await.unwrap_err().code, ErrorCode::Abandoned);
    assert_eq!(house.send(CommandFrame { after: 1, ..note(3) }).await, done(2));
    let id = house.engine.dead_letters().await.unwrap()[0].id;

    let too_early = house.engine.offer_again(id).await.unwrap().unwrap();
    assert_eq!(too_early.unwrap_err().code, ErrorCode::Abandoned);
    assert_eq!(house.engine.dead_letters().await.unwrap().len(), 1, "it is kept once, and kept");

    house.library.repair();
    assert!(house.engine.offer_again(id).await.unwrap().unwrap().is_ok());
    assert_eq!(house.engine.offer_again(id).await.unwrap(), None, "it is gone");
    let written = house.journaled(SESSION).await;
    assert!(written.iter().any(|(_, command)| *command == curse.id));
}

#[tokio::test(start_paused = true)]
async fn a_command_whose_sender_missed_that_it_was_given_up_is_not_done_twice() {
    let house = a_started_session().await;
    house.library.fail_on("curse");
    assert!(house.send(set_of("curse", 2)).await.is_err());
    house.library.repair();
    let done = house.send(set_of("curse", 2)).await.unwrap();
    let id = house.engine.dead_letters().await.unwrap()[0].id;

    let answer = house.engine.offer_again(id).await.unwrap();

    assert_eq!(answer, Some(Ok(Done { repeat: true, ..done })));
    assert_eq!(house.journaled(SESSION).await.len() as u64, done.version.0);
    assert_eq!(house.engine.dead_letters().await.unwrap(), []);
}

#[tokio::test(start_paused = true)]
async fn a_discarded_command_is_never_done() {
    let house = a_started_session().await;
    house.library.fail_on("curse");
    assert!(house.send(set_of("curse", 2)).await.is_err());
    let id = house.engine.dead_letters().await.unwrap()[0].id;

    assert!(house.engine.discard(id).await.unwrap());

    assert_eq!(house.engine.offer_again(id).await.unwrap(), None);
    assert!(!house.engine.discard(id).await.unwrap());
}

#[tokio::test(start_paused = true)]
async fn a_failure_spoils_nothing_for_the_commands_that_shared_a_batch_with_its_cause() {
    let house = House::open(IDLE).await;
    house.library.fail_on("curse");
    // They meet a waking entity, and so each other.
    let frames = [start()].into_iter().chain((2..=9).map(note));
    let mut answers: Vec<_> = frames.map(|frame| house.dispatch(frame)).collect();
    let cursed = house.dispatch(set_of("curse", 10));
    answers.extend((11..=20).map(|n| {
        let after = if n == 11 { 9 } else { n - 1 };
        house.dispatch(CommandFrame { after, ..note(n) })
    }));

    assert_eq!(cursed.await.unwrap().unwrap_err().code, ErrorCode::Abandoned);
    for (version, answer) in (1..).zip(answers) {
        assert_eq!(answer.await.unwrap(), done(version));
    }
}

#[tokio::test]
async fn a_repeat_beside_its_original_is_done_once_and_answered_the_same() {
    let house = House::open(IDLE).await;

    let first = [house.dispatch(start()), house.dispatch(note(2))];
    let again = [house.dispatch(start()), house.dispatch(note(2)), house.dispatch(note(3))];

    let [first_start, first_note] = first;
    assert_eq!(first_start.await.unwrap(), done(1));
    assert_eq!(first_note.await.unwrap(), done(2));
    let [start_again, note_again, next] = again;
    assert_eq!(start_again.await.unwrap(), Ok(Done { version: Version(1), repeat: true }));
    assert_eq!(note_again.await.unwrap(), Ok(Done { version: Version(2), repeat: true }));
    assert_eq!(next.await.unwrap(), done(3));
}

#[tokio::test]
async fn a_repeat_is_not_answered_before_its_original_is_durable() {
    let house = House::open(IDLE).await;
    house.journal.refuse(note(2).id);

    let answers = [start(), note(2), note(2), CommandFrame { after: 1, ..note(3) }];
    let answers = answers.map(|frame| house.dispatch(frame));

    let [started, bad, bad_again, behind] = answers;
    assert_eq!(started.await.unwrap(), done(1));
    assert_eq!(bad.await.unwrap().unwrap_err().kind, Persistence::Permanent);
    assert_eq!(bad_again.await.unwrap().unwrap_err().kind, Persistence::Permanent, "it is no repeat");
    assert_eq!(behind.await.unwrap(), done(2), "only the bad one is refused");
}

#[tokio::test(start_paused = true)]
async fn an_entity_that_keeps_failing_is_left_to_an_operator_and_harms_nobody_else() {
    let house = a_started_session().await;

    quarantine(&house).await;

    let fault = house.send(note(2)).await.unwrap_err();
    assert_eq!((fault.code, fault.kind), (ErrorCode::Quarantined, Persistence::Temporary));
    assert_eq!(fault.retry_after_ms.map(|wait| wait.0), Some(60_000));
    let held = house.engine.quarantined();
    assert_eq!(held.iter().map(|held| (held.address, held.failures)).collect::<Vec<_>>(), [(SESSION, 5)]);
    let other = Address::session(ANA, SessionId(Uuid::from_u128(77)));
    assert_eq!(house.send(command_to(other, 1, a_start())).await, done(1));
}

#[tokio::test(start_paused = true)]
async fn an_entity_stays_in_quarantine_until_it_is_released() {
    let house = a_started_session().await;
    quarantine(&house).await;
    house.library.repair();

    tokio::time::sleep(Duration::from_secs(7200)).await;
    assert_eq!(house.send(note(2)).await.unwrap_err().code, ErrorCode::Quarantined);

    assert!(house.engine.release(SESSION));
    assert_eq!(house.send(note(2)).await, done(2));
    assert!(!house.engine.release(SESSION), "it is in none");
    assert_eq!(house.engine.quarantined(), []);
}

#[tokio::test(start_paused = true)]
async fn a_node_that_starts_anew_tries_what_was_in_quarantine() {
    let house = a_started_session().await;
    quarantine(&house).await;

    house.engine.drain().await;
    let house = House::over(Arc::clone(&house.journal), IDLE).await;

    assert_eq!(house.send(note(2)).await, done(2));
    assert_eq!(house.engine.dead_letters().await.unwrap().len(), 2, "what was given up is still there");
}

#[tokio::test(start_paused = true)]
async fn an_entity_that_cannot_be_read_ends_in_quarantine() {
    let house = House::open(IDLE).await;
    let damaged = a_damaged_session(&house).await;
    let house = House::over(Arc::clone(&house.journal), IDLE).await;

    let answer = house.send(command_to(damaged, 2, a_start())).await;

    assert_eq!(answer.unwrap_err().code, ErrorCode::Quarantined);
    assert_eq!(held(&house.engine), [damaged]);
}

fn held(engine: &Engine) -> Vec<Address> {
    engine.quarantined().into_iter().map(|held| held.address).collect()
}

#[tokio::test(start_paused = true)]
async fn an_entity_that_failed_now_and_then_is_not_left_to_an_operator() {
    let house = a_started_session().await;
    house.library.fail_on("curse");

    for round in 0..10 {
        let frame = CommandFrame { after: 0, ..set_of("curse", 2 * round + 2) };
        assert_eq!(house.send(frame).await.unwrap_err().code, ErrorCode::Abandoned, "{round}");
        assert!(house.insist(CommandFrame { after: 0, ..note(2 * round + 3) }).await.is_ok());
        tokio::time::sleep(Duration::from_secs(90)).await;
        assert_eq!(house.engine.quarantined(), []);
    }
}

#[tokio::test(start_paused = true)]
async fn a_command_that_waits_too_long_for_its_entity_is_told_to_come_again() {
    let house = a_started_session().await;
    // The journal takes its time with the command before it.
    house.journal.inject(CommitFault::Delay(Duration::from_secs(30)));
    let slow = house.dispatch(note(2));
    tokio::time::sleep(Duration::from_secs(1)).await;
    let began = tokio::time::Instant::now();

    let fault = house.send(note(3)).await.unwrap_err();

    assert_eq!(fault.code, ErrorCode::Unavailable);
    assert!(began.elapsed() < Duration::from_secs(11));
    assert_eq!(slow.await.unwrap(), done(2), "what is under way is not answered before it is known");
}
