//! Reminders over the simulated journal: a session that stays silent is given up when it is due, whoever runs the
//! engine by then, and its athlete is told once.

#![allow(clippy::unwrap_used, reason = "a test that is surprised should end")]

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use spotter_actors::{
    Alone, Ask, Claims, Clock, Engine, Journal, LocalBackplane, Ports, ReplyTo, SimulatedJournal, Tuning,
};
use spotter_protocol::{
    Address, ClientId, Command, CommandFrame, CommandId, Finish, GymId, Note, NoteText, SessionId, Start,
    Timestamp, Title, UserId, Version,
};
use spotter_rules::ABANDON_AFTER;
use tokio::sync::oneshot;
use uuid::Uuid;

const GYM: GymId = GymId(Uuid::from_u128(1));
const ANA: UserId = UserId(Uuid::from_u128(2));
const SESSION: Address = Address::session(ANA, SessionId(Uuid::from_u128(3)));
const NOON: Timestamp = Timestamp(1_760_000_000_000_000);
const HOUR: i64 = 3600 * 1_000_000;
/// Long enough for a load, a tick and a commit.
const SOON: Duration = Duration::from_secs(30);

/// The time of day, as the test says.
struct Dial(AtomicI64);

impl Clock for Dial {
    fn now(&self) -> Timestamp {
        NOON.shifted(self.0.load(Ordering::Relaxed))
    }
}

impl Dial {
    fn set(&self, after_noon: i64) {
        self.0.store(after_noon, Ordering::Relaxed);
    }
}

async fn an_engine(journal: &Arc<SimulatedJournal>, clock: &Arc<Dial>, node: u128) -> Arc<Engine> {
    let ports = Ports {
        journal: Arc::clone(journal) as Arc<dyn Journal>,
        library: Arc::clone(journal) as _,
        dead_letters: Arc::clone(journal) as _,
        backplane: Arc::new(LocalBackplane::default()),
        clock: Arc::clone(clock) as _,
        peers: Arc::new(Alone),
    };
    let (idle, tick) = (Duration::from_secs(60), Duration::from_millis(100));
    let tuning = Tuning { idle, tick, snapshot_every: 100, rotate_every: 1000, lanes: 1 };
    let claim = journal.claim(Uuid::from_u128(node));
    Engine::start(ports, Arc::new(Claims::lasting(&claim)), tuning).await.unwrap()
}

async fn tell(engine: &Engine, clock: &Dial, n: u64, command: impl Into<Command>) {
    let (id, client) = (CommandId(Uuid::from_u128(100 + u128::from(n))), ClientId(Uuid::from_u128(4)));
    let frame = CommandFrame {
        req: n,
        id,
        client,
        n,
        after: n - 1,
        at: clock.now(),
        to: SESSION,
        command: command.into(),
    };
    let (done, answer) = oneshot::channel();
    let reply = ReplyTo::new(move |answer| drop(done.send(answer)));
    engine.dispatch(Ask::new(GYM, ANA, frame, 0, clock.now(), reply));
    answer.await.unwrap().unwrap();
}

fn start() -> Start {
    Start { workout: None, title: Some(Title::clipped("Legs")) }
}

/// The events of an entity, by name.
async fn kinds(journal: &SimulatedJournal, address: Address) -> Vec<String> {
    let events = journal.events(GYM, address, Version(0), 100).await.unwrap().unwrap_or_default();
    events.into_iter().map(|event| event.kind).collect()
}

async fn due(journal: &SimulatedJournal) -> Vec<Timestamp> {
    let reminders = journal.reminders(Timestamp(i64::MAX), 10).await.unwrap();
    reminders.into_iter().map(|reminder| reminder.at).collect()
}

#[tokio::test(start_paused = true)]
async fn a_silent_session_is_given_up_when_it_is_due_and_its_athlete_is_told_once() {
    let (journal, clock) = (Arc::new(SimulatedJournal::default()), Arc::new(Dial(AtomicI64::new(0))));
    let engine = an_engine(&journal, &clock, 1).await;
    tell(&engine, &clock, 1, start()).await;
    assert_eq!(due(&journal).await, [NOON.plus(ABANDON_AFTER)]);

    clock.set(12 * HOUR - 1);
    tokio::time::sleep(SOON).await;
    assert_eq!(kinds(&journal, SESSION).await, ["started"]);
    clock.set(12 * HOUR);
    tokio::time::sleep(SOON).await;

    assert_eq!(kinds(&journal, SESSION).await, ["started", "abandoned"]);
    assert_eq!(kinds(&journal, Address::inbox(ANA)).await, ["notified"]);
    assert_eq!(due(&journal).await, []);
}

#[tokio::test(start_paused = true)]
async fn a_reminder_that_rings_too_early_moves_and_rings_again() {
    let (journal, clock) = (Arc::new(SimulatedJournal::default()), Arc::new(Dial(AtomicI64::new(0))));
    let engine = an_engine(&journal, &clock, 1).await;
    tell(&engine, &clock, 1, start()).await;
    clock.set(6 * HOUR);
    tell(&engine, &clock, 2, Note { set: None, text: NoteText::clipped("still here") }).await;
    assert_eq!(due(&journal).await, [NOON.plus(ABANDON_AFTER)], "a set does not move it");

    clock.set(12 * HOUR);
    tokio::time::sleep(SOON).await;
    assert_eq!(due(&journal).await, [NOON.shifted(6 * HOUR).plus(ABANDON_AFTER)]);
    assert_eq!(kinds(&journal, SESSION).await, ["started", "noted"]);
    clock.set(18 * HOUR);
    tokio::time::sleep(SOON).await;
    assert_eq!(kinds(&journal, SESSION).await, ["started", "noted", "abandoned"]);
}

#[tokio::test(start_paused = true)]
async fn a_reminder_outlives_the_node_that_wrote_it() {
    let (journal, clock) = (Arc::new(SimulatedJournal::default()), Arc::new(Dial(AtomicI64::new(0))));
    let engine = an_engine(&journal, &clock, 1).await;
    tell(&engine, &clock, 1, start()).await;
    engine.drain().await;
    drop(engine);

    clock.set(13 * HOUR);
    let _engine = an_engine(&journal, &clock, 2).await;
    tokio::time::sleep(SOON).await;
    assert_eq!(kinds(&journal, SESSION).await, ["started", "abandoned"]);
}

#[tokio::test(start_paused = true)]
async fn a_finished_session_has_no_reminder() {
    let (journal, clock) = (Arc::new(SimulatedJournal::default()), Arc::new(Dial(AtomicI64::new(0))));
    let engine = an_engine(&journal, &clock, 1).await;
    tell(&engine, &clock, 1, start()).await;
    tell(&engine, &clock, 2, Finish {}).await;
    assert_eq!(due(&journal).await, []);
}
