//! `spotter verify` finds nothing in a database that the engine filled, also while it fills it, and finds every damage
//! that is done to it.

#![allow(
    clippy::unwrap_used,
    clippy::wildcard_enum_match_arm,
    reason = "a test that is surprised should end"
)]

#[path = "verify/damages.rs"]
mod damages;
#[path = "rules_histories/plans.rs"]
mod plans;
#[path = "support/postgres.rs"]
mod postgres;
#[path = "support/store.rs"]
mod store;
#[path = "rules_histories/wishes.rs"]
mod wishes;

use std::sync::Arc;
use std::time::Duration;

use damages::DAMAGES;
use postgres::Postgres;
use rand::SeedableRng;
use rand::rngs::StdRng;
use spotter::clock::SystemClock;
use spotter::db::{self, Db, Pool};
use spotter::store::{Database, OpenError, Store};
use spotter::verify::{self, Counts, Finding};
use spotter_actors::{Alone, Ask, Claims, Clock, Engine, LocalBackplane, Ports, ReplyTo, Tuning};
use spotter_protocol::{
    Address, ClientId, CommandFrame, CommandId, EntityKind, Finish, GymId, Reopen, SessionCommand, SessionId,
    UserId,
};
use sqlx::{AssertSqlSafe, Executor};
use tokio::sync::oneshot;
use uuid::Uuid;

const ATHLETES: u128 = 3;
/// Commands to an entity in one life of the node.
const COMMANDS: u64 = 60;
const GYM: GymId = GymId(Uuid::from_u128(0x67));
const OTHER_GYM: Uuid = Uuid::from_u128(0x68);
/// Somebody of the other gym.
const STRANGER: Uuid = Uuid::from_u128(0x99);

const fn athlete(k: u128) -> UserId {
    UserId(Uuid::from_u128(0xa0 + k))
}

const fn session(k: u128) -> Address {
    Address::session(athlete(k), SessionId(Uuid::from_u128(0x5e0 + k)))
}

fn entities() -> Vec<Address> {
    let inboxes = (0..2).map(athlete).map(Address::inbox);
    (0..ATHLETES).map(session).chain(inboxes).chain([Address::room(athlete(2))]).collect()
}

/// A node in which streams are as long as that.
async fn engine(database: &Database, rotate_every: u32) -> (Arc<Engine>, Arc<Store>) {
    // The one before holds its lock until the last of its tasks has ended.
    let opened = async {
        loop {
            match Store::open_serving(database, "here").await {
                Err(OpenError::Lock(_)) => tokio::time::sleep(Duration::from_millis(20)).await,
                opened => return opened.unwrap(),
            }
        }
    };
    let (store, claim) = tokio::time::timeout(Duration::from_secs(20), opened).await.unwrap();
    let store = Arc::new(store);
    let ports = Ports {
        journal: Arc::clone(&store) as _,
        library: Arc::clone(&store) as _,
        backplane: Arc::new(LocalBackplane::default()),
        dead_letters: Arc::clone(&store) as _,
        clock: Arc::new(SystemClock),
        peers: Arc::new(Alone),
    };
    let (idle, tick) = (Duration::from_millis(200), Duration::from_secs(1));
    let tuning = Tuning { idle, tick, snapshot_every: 20, rotate_every, lanes: 2 };
    (Engine::start(ports, Arc::new(Claims::lasting(&claim)), tuning).await.unwrap(), store)
}

/// Makes the people, and lets them train through two lives of a node. Verified all along.
async fn fill(database: &Database) {
    Store::migrate(database).await.unwrap();
    let db = Store::open(database).await.unwrap().db();
    people(&db).await;
    for life in 0..2 {
        // The last streams grow long enough for snapshots.
        let rotate_every = if life == 0 { 25 } else { 1_000 };
        let (engine, store) = engine(database, rotate_every).await;
        let mut training = Vec::new();
        for (to, k) in entities().into_iter().zip(0..) {
            // One after another: the first session's stream is the oldest.
            let (begun, begins) = oneshot::channel();
            training.push(tokio::spawn(train(Arc::clone(&engine), to, life, 10 * life + k, begun)));
            begins.await.expect("everybody begins");
        }
        while !training.iter().all(tokio::task::JoinHandle::is_finished) {
            assert_eq!(findings(&db).await, [], "beside a running node");
        }
        for done in training {
            done.await.unwrap();
        }
        // Nobody is asked again before letters had time to arrive.
        tokio::time::sleep(Duration::from_millis(300)).await;
        engine.drain().await;
        store.close().await;
    }
}

async fn people(db: &Db) {
    for (gym, slug) in [(GYM.0, "one"), (OTHER_GYM, "two")] {
        let gym = db::query("INSERT INTO gyms (id, slug, name, created_at) VALUES ($1, $2, $2, 0)").bind(gym);
        gym.bind(slug).execute(&db.writer).await.unwrap();
    }
    let of_gym = (0..=ATHLETES).map(|k| (athlete(k).0, GYM.0)).chain([(STRANGER, OTHER_GYM)]);
    for (user, gym) in of_gym {
        let user = db::query(
            "INSERT INTO users (id, gym, email, name, role, created_at) VALUES ($1, $2, $3, $3, 'athlete', 0)",
        )
        .bind(user)
        .bind(gym)
        .bind(user.to_string());
        user.execute(&db.writer).await.unwrap();
    }
    for k in 0..ATHLETES {
        let link = db::query(
            "INSERT INTO links (id, gym, coach, athlete, state, permissions, created_at)
             VALUES ($1, $2, $3, $4, 'active', 'view_sessions', 0)",
        );
        let link = link.bind(Uuid::from_u128(k)).bind(GYM.0).bind(athlete(2).0).bind(athlete(k).0);
        link.execute(&db.writer).await.unwrap();
    }
}

/// Sends what comes to mind, one command after another; says when the first one is answered.
async fn train(engine: Arc<Engine>, to: Address, life: u64, seed: u64, begun: oneshot::Sender<()>) {
    let mut chance = StdRng::seed_from_u64(seed);
    let mut begun = Some(begun);
    let client = ClientId(Uuid::from_u128(u128::from(seed) + 1));
    for n in 1..=COMMANDS {
        let at = SystemClock.now();
        let command = match to.kind {
            // One ends at rest, so that its bests are there; the others running, so that a reminder is.
            EntityKind::Session if n == COMMANDS && to == session(1) => {
                SessionCommand::from(Finish {}).into()
            }
            EntityKind::Session if n == COMMANDS => SessionCommand::from(Reopen {}).into(),
            _ => wishes::wish(&mut chance, to, at, life == 0 && n == 1),
        };
        let id = CommandId(Uuid::now_v7());
        let frame = CommandFrame { req: n, id, client, n, after: 0, at, to, command };
        let (done, answer) = oneshot::channel();
        let reply = ReplyTo::new(move |answer| drop(done.send(answer)));
        engine.dispatch(Ask::new(GYM, to.owner, frame, 0, at, reply));
        // What is refused begins nothing.
        if answer.await.unwrap().is_ok()
            && let Some(begun) = begun.take()
        {
            begun.send(()).unwrap();
        }
    }
}

async fn findings(db: &Db) -> Vec<Finding> {
    verify::run(&db.reader, |_| {}).await.unwrap().findings
}

/// The tables that are damaged, and repaired from what was kept of them.
const TABLES: [&str; 9] =
    ["journal", "sets", "bests", "messages", "snapshots", "sessions", "entities", "reminders", "links"];

/// The change to the tables since when sessions leave their bests: how it fills them is said alike to both databases.
const FILLS_BESTS: &str = include_str!("../migrations/sqlite/0013_bests.sql");

/// Runs a text in which values are named.
async fn run(db: &Db, text: &str) -> u64 {
    let id = |id: Uuid| match db.writer {
        Pool::Sqlite(_) => format!("x'{}'", id.simple()),
        Pool::Postgres(_) => format!("'{id}'::uuid"),
    };
    let bytes = match db.writer {
        Pool::Sqlite(_) => "x'c1'",
        Pool::Postgres(_) => r"'\xc1'::bytea",
    };
    let text = text
        .replace("{s}", "(SELECT stream FROM journal WHERE author = {a} AND kind = 'started')")
        .replace("{a}", &id(athlete(0).0))
        .replace("{b}", &id(athlete(1).0))
        .replace("{gym}", &id(GYM.0))
        .replace("{stranger}", &id(STRANGER))
        .replace("{bytes}", bytes);
    let done = match &db.writer {
        Pool::Sqlite(pool) => {
            pool.execute(AssertSqlSafe(text.clone())).await.map(|done| done.rows_affected())
        }
        Pool::Postgres(pool) => {
            pool.execute(AssertSqlSafe(text.clone())).await.map(|done| done.rows_affected())
        }
    };
    done.unwrap_or_else(|error| panic!("{text}: {error}"))
}

async fn is_clean_and_every_damage_is_found(database: &Database) {
    fill(database).await;
    let db = Store::open(database).await.unwrap().db();

    let report = verify::run(&db.reader, |_| {}).await.unwrap();
    assert_eq!(report.findings, []);
    let Counts { entities: found, events, sets, messages } = report.counts;
    assert_eq!(found, entities().len() as u64);
    assert!(events > 300 && sets > 30 && messages > 30, "{:?}", report.counts);
    let seals = db::query("SELECT count(*) AS seals FROM journal WHERE kind = 'moved'");
    assert!(seals.fetch_one(&db.reader).await.unwrap().get::<i64>("seals").unwrap() > 2);

    for table in TABLES {
        run(&db, &format!("CREATE TABLE kept_{table} AS SELECT * FROM {table}")).await;
    }
    for (damage, address, said) in DAMAGES {
        assert!(run(&db, damage).await > 0, "{damage} did nothing");
        let found = findings(&db).await;
        assert!(
            found.iter().any(|one| one.address == *address && one.what.contains(said)),
            "{damage}\nis to be found as {said:?} of {address:?}, and was as {}",
            found.iter().map(|one| format!("\n{one}")).collect::<String>()
        );
        for table in TABLES {
            run(&db, &format!("DELETE FROM {table}")).await;
            run(&db, &format!("INSERT INTO {table} SELECT * FROM kept_{table}")).await;
        }
        run(&db, "DELETE FROM letters").await;
    }
    assert_eq!(findings(&db).await, [], "all is repaired");
    assert!(run(&db, "DELETE FROM bests WHERE heaviest > 0").await > 0);
    let fill = FILLS_BESTS.split_once("INSERT").unwrap().1;
    run(&db, &format!("INSERT{fill}")).await;
    assert_eq!(findings(&db).await, [], "sessions of an older build get the bests they would leave");
    assert!(run(&db, "DELETE FROM journal WHERE stream = {s}").await > 20);
    assert_eq!(findings(&db).await, [], "a stream that was left may be taken away");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_is_clean_and_every_damage_is_found() {
    let folder = tempfile::tempdir().unwrap();
    is_clean_and_every_damage_is_found(&store::file(folder.path())).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_is_clean_and_every_damage_is_found() {
    is_clean_and_every_damage_is_found(&store::server(&Postgres::shared().new_database().await)).await;
}

#[tokio::test]
async fn what_is_only_read_is_not_made() {
    let folder = tempfile::tempdir().unwrap();

    let absent = Store::reading(&store::file(folder.path())).await.unwrap_err();

    assert!(matches!(absent, OpenError::Absent { .. }), "{absent}");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}
