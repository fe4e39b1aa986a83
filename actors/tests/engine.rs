//! The engine over the simulated journal: entities that wake, rest, fail and come back, and commands that
//! meet them meanwhile.

#![allow(clippy::unwrap_used, reason = "a test that is surprised should end")]

use std::sync::Arc;
use std::time::Duration;

use spotter_actors::{
    Answer, Ask, Clock, CommitFault, Done, Engine, Journal, LocalBackplane, Ports, ReplyTo, SimulatedJournal,
    Tuning,
};
use spotter_protocol::{
    Address, ClientId, Command, CommandFrame, CommandId, ErrorCode, GymId, Note, NoteText, Persistence,
    SessionId, Start, Timestamp, Title, UserId, Version,
};
use tokio::sync::oneshot;
use uuid::Uuid;

const GYM: GymId = GymId(Uuid::from_u128(1));
const OTHER_GYM: GymId = GymId(Uuid::from_u128(8));
const ANA: UserId = UserId(Uuid::from_u128(2));
const SESSION: Address = Address::session(ANA, SessionId(Uuid::from_u128(3)));
const PHONE: ClientId = ClientId(Uuid::from_u128(4));
const NODE: Uuid = Uuid::from_u128(9);

struct Noon;

impl Clock for Noon {
    fn now(&self) -> Timestamp {
        Timestamp(1_760_000_000_000_000)
    }
}

async fn an_engine(idle: Duration) -> (Arc<Engine>, Arc<SimulatedJournal>) {
    let journal = Arc::new(SimulatedJournal::default());
    let claim = journal.claim(NODE);
    let ports = Ports {
        journal: Arc::clone(&journal) as Arc<dyn Journal>,
        library: Arc::clone(&journal) as _,
        backplane: Arc::new(LocalBackplane::default()),
        clock: Arc::new(Noon),
    };
    let tuning = Tuning { idle, tick: Duration::from_millis(100), snapshot_every: 100, lanes: 2 };
    (Engine::start(ports, claim, tuning).await.unwrap(), journal)
}

fn command(n: u64, command: impl Into<Command>) -> CommandFrame {
    let id = CommandId(Uuid::from_u128(1000 + u128::from(n)));
    CommandFrame {
        req: n,
        id,
        client: PHONE,
        n,
        after: n - 1,
        at: Noon.now(),
        to: SESSION,
        command: command.into(),
    }
}

fn start() -> CommandFrame {
    command(1, Start { workout: None, title: Some(Title::clipped("Legs")) })
}

fn note(n: u64) -> CommandFrame {
    command(n, Note { set: None, text: NoteText::clipped("still here") })
}

fn dispatch(engine: &Engine, gym: GymId, frame: CommandFrame) -> oneshot::Receiver<Answer> {
    let (done, answer) = oneshot::channel();
    let reply = ReplyTo::new(move |answer| drop(done.send(answer)));
    engine.dispatch(Ask::new(gym, ANA, frame, 0, Noon.now(), reply));
    answer
}

async fn send(engine: &Engine, frame: CommandFrame) -> Answer {
    dispatch(engine, GYM, frame).await.unwrap()
}

/// Sends until the answer is not a temporary refusal, as a client does.
async fn insist(engine: &Engine, frame: CommandFrame) -> Answer {
    loop {
        match send(engine, frame.clone()).await {
            Err(fault) if fault.kind == Persistence::Temporary => {
                let wait = fault.retry_after_ms.map_or(50, |wait| wait.0);
                tokio::time::sleep(Duration::from_millis(wait.into())).await;
            }
            answer => return answer,
        }
    }
}

const fn done(version: u64) -> Answer {
    Ok(Done { version: Version(version), repeat: false })
}

const IDLE: Duration = Duration::from_secs(60);

#[tokio::test]
async fn commands_that_meet_a_waking_entity_are_answered_in_turn() {
    let (engine, _) = an_engine(IDLE).await;

    let answers: Vec<_> =
        [start()].into_iter().chain((2..=40).map(note)).map(|frame| dispatch(&engine, GYM, frame)).collect();

    for (version, answer) in (1..).zip(answers) {
        assert_eq!(answer.await.unwrap(), done(version));
    }
}

#[tokio::test]
async fn more_commands_than_an_entity_admits_are_told_to_wait() {
    let (engine, _) = an_engine(IDLE).await;

    let answers: Vec<_> =
        [start()].into_iter().chain((2..=100).map(note)).map(|frame| dispatch(&engine, GYM, frame)).collect();
    let mut refused = 0;
    for answer in answers {
        refused += usize::from(answer.await.unwrap().is_err_and(|fault| fault.code == ErrorCode::Busy));
    }

    assert_eq!(refused, 100 - 64, "what was admitted was done");
}

#[tokio::test(start_paused = true)]
async fn an_idle_entity_rests_and_wakes_with_what_it_knew() {
    let (engine, journal) = an_engine(Duration::from_secs(5)).await;
    assert_eq!(send(&engine, start()).await, done(1));
    for n in 2..=20 {
        send(&engine, note(n)).await.unwrap();
    }

    tokio::time::sleep(Duration::from_secs(30)).await;

    let stored = journal.load(GYM, SESSION).await.unwrap().unwrap();
    assert_eq!(stored.snapshot.map(|snapshot| snapshot.version), Some(Version(20)), "it left a snapshot");
    assert_eq!(send(&engine, note(5)).await, Ok(Done { version: Version(5), repeat: true }), "it remembers");
    assert_eq!(send(&engine, note(21)).await, done(21));
}

#[tokio::test(start_paused = true)]
async fn a_lost_reply_of_the_store_changes_nothing_for_the_athlete() {
    let (engine, journal) = an_engine(IDLE).await;
    assert_eq!(send(&engine, start()).await, done(1));

    journal.inject(CommitFault::LoseReply);

    assert_eq!(send(&engine, note(2)).await, done(2));
    assert_eq!(send(&engine, note(3)).await, done(3), "the event is there once");
}

#[tokio::test(start_paused = true)]
async fn a_store_that_is_away_holds_the_answer_until_it_is_back() {
    let (engine, journal) = an_engine(IDLE).await;
    assert_eq!(send(&engine, start()).await, done(1));
    for _ in 0..5 {
        journal.inject(CommitFault::FailBefore);
    }

    assert_eq!(send(&engine, note(2)).await, done(2));
}

#[tokio::test(start_paused = true)]
async fn an_entity_whose_shard_was_taken_writes_nothing() {
    let (engine, journal) = an_engine(IDLE).await;
    assert_eq!(send(&engine, start()).await, done(1));

    journal.steal(SESSION.shard(), Uuid::from_u128(77));
    let fault = send(&engine, note(2)).await.unwrap_err();

    assert_eq!(fault.code, ErrorCode::Unavailable);
    let events = journal.events(GYM, SESSION, Version(0), 10).await.unwrap().unwrap();
    assert_eq!(events.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn an_entity_that_failed_is_rebuilt_from_the_journal_after_a_pause() {
    let (engine, journal) = an_engine(IDLE).await;
    assert_eq!(send(&engine, start()).await, done(1));
    // More failures in a row than the lane offers rows again: the outcome stays unknown and the actor ends.
    for _ in 0..12 {
        journal.inject(CommitFault::FailBefore);
    }
    assert_eq!(send(&engine, note(2)).await.unwrap_err().code, ErrorCode::Unavailable);

    assert_eq!(insist(&engine, note(2)).await, done(2));
}

#[tokio::test]
async fn a_row_the_store_refuses_harms_nobody_else() {
    let (engine, journal) = an_engine(IDLE).await;
    assert_eq!(send(&engine, start()).await, done(1));
    let bad = note(2);

    journal.refuse(bad.id);

    assert_eq!(send(&engine, bad).await.unwrap_err().kind, Persistence::Permanent);
    assert_eq!(send(&engine, CommandFrame { after: 1, ..note(3) }).await, done(2));
}

#[tokio::test]
async fn another_gym_finds_nothing_at_the_same_address() {
    let (engine, _) = an_engine(IDLE).await;
    assert_eq!(send(&engine, start()).await, done(1));

    let fault = dispatch(&engine, OTHER_GYM, note(2)).await.unwrap().unwrap_err();

    assert_eq!(fault.code, ErrorCode::NotFound);
}

#[tokio::test(start_paused = true)]
async fn a_made_up_address_does_not_stay_in_memory() {
    let (engine, _) = an_engine(IDLE).await;

    assert_eq!(
        send(&engine, CommandFrame { after: 0, ..note(7) }).await.unwrap_err().code,
        ErrorCode::NotFound
    );

    // Draining waits for every entity that is awake: there is none, long before the idle time.
    tokio::time::timeout(Duration::from_secs(1), engine.drain()).await.unwrap();
}

#[tokio::test]
async fn a_drained_engine_takes_nothing_more_and_has_lost_nothing() {
    let (engine, journal) = an_engine(IDLE).await;
    let answers: Vec<_> =
        [start()].into_iter().chain((2..=30).map(note)).map(|frame| dispatch(&engine, GYM, frame)).collect();

    engine.drain().await;
    let late = send(&engine, note(31)).await;

    for answer in answers {
        assert!(answer.await.unwrap().is_ok(), "what was admitted is done");
    }
    assert_eq!(late.unwrap_err().code, ErrorCode::Unavailable);
    assert_eq!(
        journal.load(GYM, SESSION).await.unwrap().unwrap().snapshot.map(|s| s.version),
        Some(Version(30))
    );
}
