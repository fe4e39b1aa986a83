//! Letters on their way, more than are carried at once: those that hints tell of, and those of whom nobody tells, which
//! were written by somebody else, or before the process ended.

use std::sync::Arc;
use std::time::Duration;

use spotter_actors::{Append, Journal, LetterRow, Opening, Outcome, Remind, SimulatedJournal};
use spotter_protocol::{
    Address, CommandId, InboxCommand, Message, MessageId, MessageText, Notice, Notify, SessionId, StreamId,
    Timestamp, UserId, Vocabulary,
};
use uuid::Uuid;

use crate::house::{ANA, GYM, House, IDLE, SESSION, command_to};

/// Recipients, many more than the post office looks after at once.
const CROWD: u128 = 2_000;

fn recipient(k: u128) -> UserId {
    UserId(Uuid::from_u128(0xb0 << 64 | k))
}

/// Whether every letter has had its effect.
async fn all_are_carried(journal: &SimulatedJournal) -> bool {
    journal.recipients(UserId(Uuid::nil()), 1).await.unwrap().is_empty()
}

fn letter(k: u128) -> LetterRow {
    let command: InboxCommand = Notify { notice: Notice::abandoned(SessionId(SESSION.id)) }.into();
    LetterRow {
        to: recipient(k),
        author: ANA,
        command: CommandId(Uuid::from_u128(k)),
        at: Timestamp(7),
        kind: InboxCommand::name(command.kind()).to_owned(),
        body: command.body_to_msgpack().unwrap(),
    }
}

#[tokio::test(start_paused = true)]
async fn letters_that_nobody_hinted_at_are_carried_without_a_pause_between_them() {
    let journal = Arc::new(SimulatedJournal::default());
    let node = Uuid::from_u128(7);
    let claim = journal.claim(node);
    let append = Append {
        gym: GYM,
        address: SESSION,
        stream: StreamId(Uuid::from_u128(1)),
        opening: Opening::No,
        epoch: claim.epoch(SESSION.shard()).unwrap(),
        events: Vec::new(),
        rows: Vec::new(),
        letters: (0..CROWD).map(letter).collect(),
        carried: Vec::new(),
        reminder: Remind::Keep,
    };
    assert_eq!(journal.commit(node, &[append]).await.unwrap(), [Outcome::Committed]);

    let house = House::over(Arc::clone(&journal), IDLE).await;
    tokio::time::sleep(Duration::from_secs(3)).await;

    assert!(all_are_carried(&journal).await);
    house.engine.drain().await;
}

#[tokio::test(start_paused = true)]
async fn letters_that_are_hinted_at_wait_for_their_turn_and_for_no_sweep() {
    let house = House::open(IDLE).await;
    let message = |k| {
        let text = MessageText::clipped("well done");
        let message = Message { id: MessageId(Uuid::from_u128(k)), to: recipient(k), text, about: None };
        house.dispatch(command_to(Address::inbox(recipient(CROWD + k)), 1, InboxCommand::from(message)))
    };
    // Past the sweep with which the post office opens.
    tokio::time::sleep(Duration::from_millis(100)).await;

    let answers: Vec<_> = (0..CROWD).map(message).collect();
    for answer in answers {
        answer.await.unwrap().unwrap();
    }
    tokio::time::sleep(Duration::from_millis(500)).await;

    assert!(all_are_carried(&house.journal).await);
    house.engine.drain().await;
}
