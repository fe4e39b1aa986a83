//! What only the SQLite store promises: flushed commits, one server per directory, tables that open anywhere.

#![expect(clippy::unwrap_used, reason = "what a test cannot do without, it fails without")]

use std::path::Path;

use spotter::db::{self, Pool};
use spotter::store::{Database, LockError, OpenError, Store};
use spotter_actors::{Append, Claim, Epoch, EventRow, Journal, Opening, Outcome, Remind};
use spotter_protocol::{
    Address, ClientId, CommandId, GymId, Paused, SHARDS, SessionEvent, SessionId, Stamp, StreamId, Timestamp,
    UserId, Version, Vocabulary,
};
use tempfile::TempDir;
use uuid::Uuid;

const GYM: GymId = GymId(Uuid::from_u128(1));
const ADDRESS: Address = Address::session(UserId(Uuid::from_u128(2)), SessionId(Uuid::from_u128(3)));

/// The file in a folder.
fn at(folder: &TempDir) -> Database {
    Database::File(folder.path().join("spotter.db"))
}

#[tokio::test]
async fn every_commit_is_flushed_on_every_writing_connection() {
    let directory = tempfile::tempdir().unwrap();
    let (store, _) = Store::open_serving(&at(&directory), "here").await.unwrap();

    for _ in 0..2 {
        let Pool::Sqlite(writer) = store.db().writer else { panic!("a file") };
        let mut connection = writer.acquire().await.unwrap();
        let synchronous: i64 =
            sqlx::query_scalar("PRAGMA synchronous").fetch_one(&mut *connection).await.unwrap();
        let mode: String =
            sqlx::query_scalar("PRAGMA journal_mode").fetch_one(&mut *connection).await.unwrap();
        assert_eq!((synchronous, mode.as_str()), (2, "wal"));
        // The pool opens another one for the second round.
        connection.close().await.unwrap();
    }
}

#[tokio::test]
async fn a_reading_connection_cannot_write() {
    let directory = tempfile::tempdir().unwrap();
    let store = Store::open(&at(&directory)).await.unwrap();

    assert!(db::query("DELETE FROM shards").execute(&store.db().reader).await.is_err());
}

#[tokio::test]
async fn a_second_server_is_refused_and_told_who_serves() {
    let directory = tempfile::tempdir().unwrap();
    let (first, _) = Store::open_serving(&at(&directory), "here").await.unwrap();

    let refused = Store::open_serving(&at(&directory), "here").await.unwrap_err();

    let lock = directory.path().join("spotter.lock");
    assert!(
        matches!(&refused, OpenError::Lock(LockError::Held { path, pid: Some(pid) })
            if *path == lock && *pid == std::process::id()),
        "{refused:?}"
    );
    assert!(refused.to_string().contains(&lock.display().to_string()), "{refused}");
    drop(first);
    Store::open_serving(&at(&directory), "here").await.unwrap();
}

#[tokio::test]
async fn a_tool_opens_beside_a_server_and_fences_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let (server, claim) = Store::open_serving(&at(&directory), "here").await.unwrap();

    let tool = Store::open(&at(&directory)).await.unwrap();

    assert_eq!(tool.incarnation(), server.incarnation());
    assert_eq!(server.commit(claim.node, &[an_append(&claim)]).await.unwrap(), [Outcome::Committed]);
    assert!(tool.load(GYM, ADDRESS).await.unwrap().is_some());
}

#[tokio::test]
async fn tables_do_not_change_while_a_server_runs_in_the_directory() {
    let directory = tempfile::tempdir().unwrap();
    let (_server, _) = Store::open_serving(&at(&directory), "here").await.unwrap();

    let without_tables = Store::open(&Database::File(directory.path().join("another.db"))).await;

    assert!(matches!(without_tables, Err(OpenError::Lock(LockError::Held { .. }))), "{without_tables:?}");
}

#[tokio::test]
async fn each_opening_claims_every_shard_anew_and_fences_the_one_before() {
    let directory = tempfile::tempdir().unwrap();
    let (store, first) = Store::open_serving(&at(&directory), "here").await.unwrap();
    store.close().await;
    drop(store);

    let (store, second) = Store::open_serving(&at(&directory), "here").await.unwrap();

    assert_ne!(first.node, second.node);
    assert_eq!(first.epochs, vec![Some(Epoch(1)); usize::from(SHARDS)]);
    assert_eq!(second.epochs, vec![Some(Epoch(2)); usize::from(SHARDS)]);
    assert_eq!(store.commit(first.node, &[an_append(&first)]).await.unwrap(), [Outcome::Fenced]);
    assert_eq!(store.commit(second.node, &[an_append(&second)]).await.unwrap(), [Outcome::Committed]);
}

#[tokio::test]
async fn what_was_committed_is_there_after_a_crash() {
    let directory = tempfile::tempdir().unwrap();
    let (store, claim) = Store::open_serving(&at(&directory), "here").await.unwrap();
    let append = an_append(&claim);
    assert_eq!(store.commit(claim.node, std::slice::from_ref(&append)).await.unwrap(), [Outcome::Committed]);

    // What a killed process leaves: the file and its log, with nothing moved from one to the other.
    let crashed = tempfile::tempdir().unwrap();
    for file in ["spotter.db", "spotter.db-wal"] {
        std::fs::copy(directory.path().join(file), crashed.path().join(file)).unwrap();
    }
    let (reopened, later) = Store::open_serving(&at(&crashed), "here").await.unwrap();

    let stored = reopened.load(GYM, ADDRESS).await.unwrap().unwrap();
    assert_eq!(stored.tail, append.events);
    assert_eq!(reopened.incarnation(), store.incarnation());
    assert_eq!(later.epoch(ADDRESS.shard()), Some(Epoch(2)));
}

#[tokio::test]
async fn each_new_file_begins_a_history_of_its_own() {
    let directory = tempfile::tempdir().unwrap();
    let one = Store::open(&Database::File(directory.path().join("deep/down/spotter.db"))).await.unwrap();
    let other = Store::open(&at(&directory)).await.unwrap();

    assert_ne!(one.incarnation(), other.incarnation());
}

#[tokio::test]
async fn opening_again_changes_no_table() {
    let directory = tempfile::tempdir().unwrap();
    let store = Store::open(&at(&directory)).await.unwrap();
    let made = schema(&store.db().reader).await;
    store.close().await;

    let store = Store::open(&at(&directory)).await.unwrap();

    assert!(made.len() > 10);
    assert_eq!(schema(&store.db().reader).await, made);
}

#[tokio::test]
async fn a_file_of_a_newer_build_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let store = Store::open(&at(&directory)).await.unwrap();
    let newer = "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) \
                 VALUES (9999, 'of tomorrow', TRUE, x'00', 0)";
    db::query(newer).execute(&store.db().writer).await.unwrap();
    store.close().await;

    let refused = Store::open(&at(&directory)).await.unwrap_err();

    assert!(matches!(&refused, OpenError::Newer { migration: 9999, .. }), "{refused:?}");
    assert!(refused.to_string().contains("newer spotter"), "{refused}");
}

#[tokio::test]
async fn a_file_that_is_no_database_is_refused_by_name() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("spotter.db");
    std::fs::write(&path, "not a database, but a text that is long enough to be looked at ".repeat(20))
        .unwrap();

    let refused = Store::open(&at(&directory)).await.unwrap_err();

    assert!(refused.to_string().contains("spotter.db"), "{refused}");
    assert!(is_untouched(&path));
}

fn is_untouched(path: &Path) -> bool {
    std::fs::read(path).unwrap().starts_with(b"not a database")
}

async fn schema(pool: &Pool) -> Vec<(String, Option<String>)> {
    let Pool::Sqlite(pool) = pool else { panic!("a file") };
    let tables = "SELECT name, sql FROM sqlite_schema UNION ALL
                  SELECT description, hex(checksum) || installed_on FROM _sqlx_migrations ORDER BY 1, 2";
    sqlx::query_as(tables).fetch_all(pool).await.unwrap()
}

fn an_append(claim: &Claim) -> Append {
    let event = SessionEvent::from(Paused { effective: true });
    let stamp = Stamp {
        at: Timestamp(10),
        received_at: Timestamp(11),
        device_at: Timestamp(9),
        offset: 1,
        author: ADDRESS.owner,
        command: CommandId(Uuid::from_u128(4)),
        client: ClientId(Uuid::from_u128(5)),
        n: 1,
    };
    let event = EventRow {
        version: Version(1),
        stamp,
        kind: SessionEvent::name(event.kind()).to_owned(),
        schema: 1,
        body: event.body_to_msgpack().unwrap(),
    };
    Append {
        gym: GYM,
        address: ADDRESS,
        stream: StreamId(Uuid::from_u128(6)),
        opening: Opening::Entity,
        epoch: claim.epoch(ADDRESS.shard()).unwrap(),
        events: vec![event],
        rows: Vec::new(),
        letters: Vec::new(),
        carried: Vec::new(),
        reminder: Remind::Keep,
    }
}
