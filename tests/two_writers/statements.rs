//! One statement at a time, where the fence is thinnest: an append and a claim meet in flight. The append that comes
//! second waits and writes nothing; the claim that comes second waits, and who claimed reads what the append wrote.

use std::sync::Arc;
use std::time::Duration;

use spotter::store::Store;
use spotter_actors::{Append, Claim, EventRow, Journal, Opening, Outcome, Remind};
use spotter_protocol::{
    Address, ClientId, CommandId, GymId, NoteText, Noted, SessionEvent, SessionId, Stamp, StreamId,
    Timestamp, UserId, Version, Vocabulary,
};
use sqlx::{Connection, Executor, PgConnection};
use tokio::task::JoinHandle;
use uuid::Uuid;

use crate::postgres::{Postgres, connect};

const GYM: GymId = GymId(Uuid::from_u128(0x67));
/// How long something that should wait for a lock is given to begin to.
const A_MOMENT: Duration = Duration::from_secs(2);

/// A store whose claim is about to be contested, and a session of it with one event.
struct Contested {
    database: String,
    store: Arc<Store>,
    claim: Claim,
    session: Address,
    stream: StreamId,
}

impl Contested {
    async fn new() -> Self {
        let database = Postgres::shared().new_database().await;
        let (store, claim) =
            Store::open_serving(&crate::store::server(&database), "the first").await.unwrap();
        let session = Address::session(UserId(Uuid::now_v7()), SessionId(Uuid::now_v7()));
        let contested =
            Self { database, store: Arc::new(store), claim, session, stream: StreamId(Uuid::now_v7()) };
        let opening = Append { opening: Opening::Entity, ..contested.append(1) };
        assert_eq!(
            contested.store.commit(contested.claim.node, &[opening]).await.unwrap(),
            [Outcome::Committed]
        );
        contested
    }

    /// One event.
    fn append(&self, version: u64) -> Append {
        let event = SessionEvent::from(Noted { set: None, text: NoteText::clipped("still here") });
        let stamp = Stamp {
            at: Timestamp(1),
            received_at: Timestamp(1),
            device_at: Timestamp(1),
            offset: 0,
            author: self.session.owner,
            command: CommandId(Uuid::now_v7()),
            client: ClientId(Uuid::from_u128(0xc)),
            n: version,
        };
        let row = EventRow {
            version: Version(version),
            stamp,
            kind: SessionEvent::name(event.kind()).to_owned(),
            schema: 1,
            body: event.body_to_msgpack().unwrap(),
        };
        Append {
            gym: GYM,
            address: self.session,
            stream: self.stream,
            opening: Opening::No,
            epoch: self.claim.epoch(self.session.shard()).unwrap(),
            events: vec![row],
            rows: Vec::new(),
            letters: Vec::new(),
            carried: Vec::new(),
            reminder: Remind::Keep,
        }
    }

    /// Begins to write an event as the first owner.
    fn begin_to_append(&self, version: u64) -> JoinHandle<Vec<Outcome>> {
        let (store, node, append) = (Arc::clone(&self.store), self.claim.node, self.append(version));
        tokio::spawn(async move { store.commit(node, &[append]).await.unwrap() })
    }

    /// The newest version in the journal.
    async fn head(&self) -> Option<Version> {
        newest(&self.store, self.session).await
    }
}

async fn newest(store: &Store, session: Address) -> Option<Version> {
    let events = store.events(GYM, session, Version(0), 100).await.unwrap()?;
    events.last().map(|event| event.version)
}

/// Waits until somebody waits for what another process of the server holds; answers whether that came.
async fn somebody_waits_for(watcher: &mut PgConnection, holder: i32) -> bool {
    let waits = async {
        let waiting = "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE $1 = ANY (pg_blocking_pids(pid)))";
        while !sqlx::query_scalar::<_, bool>(waiting).bind(holder).fetch_one(&mut *watcher).await.unwrap() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(A_MOMENT, waits).await.is_ok()
}

/// The process of the server that waits for another.
async fn who_waits_for(watcher: &mut PgConnection, holder: i32) -> i32 {
    let waiting = "SELECT pid FROM pg_stat_activity WHERE $1 = ANY (pg_blocking_pids(pid))";
    sqlx::query_scalar(waiting).bind(holder).fetch_one(watcher).await.unwrap()
}

async fn process_of(connection: &mut PgConnection) -> i32 {
    sqlx::query_scalar("SELECT pg_backend_pid()").fetch_one(connection).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_append_that_meets_a_claim_in_flight_waits_and_writes_nothing() {
    let contested = Contested::new().await;
    let mut watcher = connect(&contested.database).await;
    let mut other = connect(&contested.database).await;
    let holder = process_of(&mut other).await;

    let mut claim = other.begin().await.unwrap();
    let taken = sqlx::query("UPDATE shards SET epoch = epoch + 1, node = $1").bind(Uuid::new_v4());
    taken.execute(&mut *claim).await.unwrap();
    let append = contested.begin_to_append(2);
    let waited = somebody_waits_for(&mut watcher, holder).await;
    claim.commit().await.unwrap();

    assert_eq!(append.await.unwrap(), [Outcome::Fenced]);
    assert!(waited, "the append waited for the claim");
    assert_eq!(contested.head().await, Some(Version(1)), "nothing was written");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_append_that_meets_a_claim_that_is_given_up_is_written() {
    let contested = Contested::new().await;
    let mut watcher = connect(&contested.database).await;
    let mut other = connect(&contested.database).await;
    let holder = process_of(&mut other).await;

    let mut claim = other.begin().await.unwrap();
    claim.execute("UPDATE shards SET epoch = epoch + 1").await.unwrap();
    let append = contested.begin_to_append(2);
    assert!(somebody_waits_for(&mut watcher, holder).await, "the append waits for the claim");
    claim.rollback().await.unwrap();

    assert_eq!(append.await.unwrap(), [Outcome::Committed]);
    assert_eq!(contested.head().await, Some(Version(2)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_claim_that_meets_an_append_in_flight_waits_and_sees_what_it_wrote() {
    let contested = Contested::new().await;
    let mut watcher = connect(&contested.database).await;
    let mut other = connect(&contested.database).await;
    let holder = process_of(&mut other).await;

    // Somebody has the append's place in the journal, without having committed: the append holds its shard, and waits
    // to know whether the place is free.
    let mut place = other.begin().await.unwrap();
    let taken = sqlx::query(
        "INSERT INTO journal SELECT stream, 2, epoch, kind, schema, at, received_at, device_at, clock_offset, author, \
         command, client, n, body FROM journal WHERE stream = $1 AND version = 1",
    );
    taken.bind(contested.stream.0).execute(&mut *place).await.unwrap();
    let append = contested.begin_to_append(2);
    assert!(somebody_waits_for(&mut watcher, holder).await, "the append waits in flight");
    let appender = who_waits_for(&mut watcher, holder).await;

    // The lease is over; another takes over meanwhile, and reads the session.
    watcher.execute("DELETE FROM nodes").await.unwrap();
    let (database, session) = (contested.database.clone(), contested.session);
    let claim = tokio::spawn(async move {
        let (second, _) = Store::open_serving(&crate::store::server(&database), "the second").await.unwrap();
        newest(&second, session).await
    });
    let waited = somebody_waits_for(&mut watcher, appender).await;
    place.rollback().await.unwrap();

    let (outcome, seen) = (append.await.unwrap(), claim.await.unwrap());
    assert_eq!(outcome, [Outcome::Committed], "it began before the claim");
    assert_eq!(seen, contested.head().await, "who took over knows all that the first ever writes");
    assert_eq!(seen, Some(Version(2)));
    assert!(waited, "the claim waited for the append");
    let late = contested.begin_to_append(3).await.unwrap();
    assert_eq!(late, [Outcome::Fenced], "and from then on the first writes nothing");
}
