//! A subscriber catches up while the entity goes on: a hook in the journal forces a commit between its read
//! and its answer.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use spotter_actors::{
    Alone, Append, Ask, Backplane, Claims, Clock, EventRow, Journal, LetterId, LetterRow, LocalBackplane,
    Outcome, Ports, Reminder, ReplyTo, Resident, SimulatedJournal, SnapshotWrite, StoreError, Stored, Tuning,
};
use spotter_protocol::{
    ClientId, Codec, Command, CommandFrame, CommandId, Note, NoteText, SessionId, Start, StreamId, Timestamp,
    Title, UserId,
};
use tokio::sync::oneshot;
use uuid::Uuid;

use super::*;

const GYM: GymId = GymId(Uuid::from_u128(1));
const ANA: UserId = UserId(Uuid::from_u128(2));
const SESSION: Address = Address::session(ANA, SessionId(Uuid::from_u128(3)));
const PHONE: ClientId = ClientId(Uuid::from_u128(4));

struct Noon;

impl Clock for Noon {
    fn now(&self) -> Timestamp {
        Timestamp(1_760_000_000_000_000)
    }
}

/// A journal that, once, lets a command be committed after a subscriber's read and before its answer.
struct Hooked {
    inner: SimulatedJournal,
    between: Mutex<Option<(Arc<Engine>, CommandFrame)>>,
}

impl Hooked {
    async fn commit_between(&self) {
        let between = self.between.lock().unwrap().take();
        if let Some((engine, frame)) = between {
            send(&engine, frame).await;
        }
    }
}

#[async_trait]
impl Journal for Hooked {
    fn incarnation(&self) -> Uuid {
        self.inner.incarnation()
    }

    async fn commit(&self, node: Uuid, batch: &[Append]) -> Result<Vec<Outcome>, StoreError> {
        self.inner.commit(node, batch).await
    }

    async fn save(&self, node: Uuid, snapshots: &[SnapshotWrite]) -> Result<(), StoreError> {
        self.inner.save(node, snapshots).await
    }

    async fn load_all(
        &self,
        gym: GymId,
        addresses: &[Address],
    ) -> Result<Vec<(Address, Stored)>, StoreError> {
        let read = self.inner.load_all(gym, addresses).await;
        self.commit_between().await;
        read
    }

    async fn events(
        &self,
        gym: GymId,
        address: Address,
        since: Version,
        limit: u32,
    ) -> Result<Option<Vec<EventRow>>, StoreError> {
        let read = self.inner.events(gym, address, since, limit).await;
        self.commit_between().await;
        read
    }

    async fn running(&self, gym: GymId, owners: &[UserId]) -> Result<Vec<(Address, Version)>, StoreError> {
        self.inner.running(gym, owners).await
    }

    async fn letters(
        &self,
        gym: GymId,
        recipient: UserId,
        limit: u32,
    ) -> Result<Vec<(LetterId, LetterRow)>, StoreError> {
        self.inner.letters(gym, recipient, limit).await
    }

    async fn recipients(&self, after: UserId, limit: u32) -> Result<Vec<(GymId, UserId)>, StoreError> {
        self.inner.recipients(after, limit).await
    }

    async fn reminders(&self, until: Timestamp, limit: u32) -> Result<Vec<Reminder>, StoreError> {
        self.inner.reminders(until, limit).await
    }

    async fn begun_before(
        &self,
        boundary: StreamId,
        after: StreamId,
        limit: u32,
    ) -> Result<Vec<Resident>, StoreError> {
        self.inner.begun_before(boundary, after, limit).await
    }

    async fn version_of(
        &self,
        gym: GymId,
        address: Address,
        command: CommandId,
    ) -> Result<Option<Version>, StoreError> {
        self.inner.version_of(gym, address, command).await
    }
}

/// A way on which publications can get lost; of those that do, it is only told that something may have been missed.
#[derive(Default)]
struct Lossy {
    way: LocalBackplane,
    loses: AtomicBool,
}

impl Backplane for Lossy {
    fn publish(&self, owner: UserId, make: &dyn Fn() -> Publication) {
        let loses = self.loses.load(Ordering::Relaxed);
        self.way.publish(owner, &|| if loses { Publication::Doubt(owner) } else { make() });
    }

    fn listen(&self, owner: UserId, listener: Arc<dyn Listener>) -> Listening {
        self.way.listen(owner, listener)
    }

    fn leave(&self, owner: UserId, listening: Listening) {
        self.way.leave(owner, listening);
    }
}

async fn an_engine() -> (Arc<Engine>, Arc<Hooked>) {
    an_engine_on(Arc::new(LocalBackplane::default())).await
}

async fn an_engine_on(backplane: Arc<dyn Backplane>) -> (Arc<Engine>, Arc<Hooked>) {
    let hooked = Arc::new(Hooked { inner: SimulatedJournal::default(), between: Mutex::new(None) });
    let claim = hooked.inner.claim(Uuid::from_u128(9));
    let ports = Ports {
        journal: Arc::clone(&hooked) as Arc<dyn Journal>,
        library: Arc::new(SimulatedJournal::default()),
        backplane,
        dead_letters: Arc::new(SimulatedJournal::default()),
        clock: Arc::new(Noon),
        peers: Arc::new(Alone),
    };
    let tuning = Tuning {
        idle: Duration::from_secs(60),
        tick: Duration::from_millis(100),
        snapshot_every: 100,
        rotate_every: 1000,
        lanes: 1,
    };
    let engine = Engine::start(ports, Arc::new(Claims::lasting(&claim)), tuning).await.unwrap();
    send(&engine, command(1, Start { workout: None, title: Some(Title::clipped("Legs")) })).await;
    (engine, hooked)
}

fn command(n: u64, command: impl Into<Command>) -> CommandFrame {
    let id = CommandId(Uuid::now_v7());
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

fn note(n: u64) -> CommandFrame {
    command(n, Note { set: None, text: NoteText::clipped("still here") })
}

async fn send(engine: &Engine, frame: CommandFrame) {
    let (done, answer) = oneshot::channel();
    let reply = ReplyTo::new(move |answer| done.send(answer).unwrap());
    engine.dispatch(Ask::new(GYM, ANA, frame, 0, Noon.now(), reply));
    answer.await.unwrap().unwrap();
}

/// What was sent to the socket: the version of a snapshot, or the versions of events.
async fn sent(queue: &SendQueue) -> Vec<(&'static str, Vec<u64>)> {
    queue.due().await;
    let frames = std::iter::from_fn(|| queue.take());
    let frames = frames.map(|bytes| ServerFrame::decode(Codec::MsgPack, &bytes).unwrap());
    frames
        .map(|frame| match &frame {
            ServerFrame::Snapshot(snapshot) => ("snapshot", vec![snapshot.v.0]),
            ServerFrame::Events(events) => ("events", events.events.iter().map(|event| event.v.0).collect()),
            ServerFrame::Welcome(_)
            | ServerFrame::Reply(_)
            | ServerFrame::Tiles(_)
            | ServerFrame::Signal(_)
            | ServerFrame::Revoked(_)
            | ServerFrame::GoAway(_)
            | ServerFrame::Pong(_) => panic!("not asked for: {frame:?}"),
        })
        .collect()
}

async fn subscribe(engine: &Arc<Engine>, since: Option<u64>) -> (Arc<SendQueue>, Subscription, Version) {
    let queue = Arc::new(SendQueue::new(Codec::MsgPack, 65_536));
    let since = since.map(Version);
    let begun = Subscription::begin(engine, &queue, GYM, SESSION, since, View::Athlete).await;
    let (subscription, version) = begun.unwrap();
    (queue, subscription, version)
}

#[tokio::test]
async fn a_commit_during_the_snapshot_is_neither_lost_nor_doubled() {
    let (engine, hooked) = an_engine().await;
    *hooked.between.lock().unwrap() = Some((Arc::clone(&engine), note(2)));

    let (queue, _subscription, version) = subscribe(&engine, None).await;
    send(&engine, note(3)).await;

    assert_eq!(version, Version(2));
    assert_eq!(sent(&queue).await, [("snapshot", vec![1]), ("events", vec![2]), ("events", vec![3])]);
}

#[tokio::test]
async fn a_commit_during_the_replay_is_neither_lost_nor_doubled() {
    let (engine, hooked) = an_engine().await;
    send(&engine, note(2)).await;
    *hooked.between.lock().unwrap() = Some((Arc::clone(&engine), note(3)));

    let (queue, _subscription, version) = subscribe(&engine, Some(1)).await;

    assert_eq!(version, Version(3));
    assert_eq!(sent(&queue).await, [("events", vec![2]), ("events", vec![3])]);
}

#[tokio::test]
async fn a_subscriber_ahead_of_the_journal_gets_a_snapshot() {
    let (engine, _) = an_engine().await;

    let (queue, _subscription, version) = subscribe(&engine, Some(40)).await;

    assert_eq!(version, Version(1));
    assert_eq!(sent(&queue).await, [("snapshot", vec![1])]);
}

#[tokio::test]
async fn a_publication_lost_on_its_way_is_filled_from_the_journal() {
    let (engine, _) = an_engine().await;
    let (queue, subscription, _) = subscribe(&engine, None).await;
    // Deaf for one command, as when an actor dies between its commit and its publication.
    engine.backplane().leave(ANA, subscription.listening);
    send(&engine, note(2)).await;
    engine.backplane().listen(ANA, Arc::clone(&subscription.following) as Arc<dyn Listener>);
    send(&engine, note(3)).await;

    let mut all = sent(&queue).await;
    while all.iter().flat_map(|(_, versions)| versions).max() < Some(&3) {
        all.extend(sent(&queue).await);
    }

    assert_eq!(all, [("snapshot", vec![1]), ("events", vec![2, 3])]);
}

#[tokio::test]
async fn who_may_have_missed_something_looks_into_the_journal_even_while_it_reads() {
    let way = Arc::new(Lossy::default());
    let (engine, hooked) = an_engine_on(Arc::clone(&way) as _).await;
    way.loses.store(true, Ordering::Relaxed);
    *hooked.between.lock().unwrap() = Some((Arc::clone(&engine), note(2)));

    let (queue, _subscription, version) = subscribe(&engine, None).await;
    assert_eq!(version, Version(2));
    assert_eq!(sent(&queue).await, [("snapshot", vec![1]), ("events", vec![2])]);

    send(&engine, note(3)).await;
    assert_eq!(sent(&queue).await, [("events", vec![3])]);
}
