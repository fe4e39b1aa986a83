//! Months of the journal that are archived beside a running node, on both databases: what goes is in the files, and
//! nobody who trains misses anything.

#![allow(
    clippy::unwrap_used,
    clippy::wildcard_enum_match_arm,
    reason = "a test that is surprised should end"
)]

#[path = "support/postgres.rs"]
mod postgres;
#[path = "support/server.rs"]
mod server;
#[path = "support/store.rs"]
mod store;
#[path = "support/wire.rs"]
mod wire;

use std::path::Path;
use std::time::Duration;

use postgres::Postgres;
use server::{Person, Server};
use spotter::db::{self, Row};
use spotter::store::{Database, KeptRow, Month, OldMonth, Store, TakenAway};
use spotter::verify;
use spotter_actors::Journal;
use spotter_protocol::{
    Address, ClientFrame, ClientId, CommandFrame, Finish, InstanceId, Note, NoteText, Reply, ServerFrame,
    SessionId, Start, StreamId, Timestamp, Title, Version,
};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, Executor};
use store::{Serving, on_both};
use uuid::Uuid;
use wire::{Wire, a_set, command};

/// A node looks some seconds after its start.
const ARCHIVED_WITHIN: Duration = Duration::from_secs(60);

/// The month before one.
fn before(month: Month) -> Month {
    Month::of(Timestamp(month.begins().0 - 1))
}

/// Somebody who trains, and their session.
struct Phone {
    wire: Wire,
    client: ClientId,
    session: Address,
    sent: Vec<CommandFrame>,
    n: u64,
}

impl Phone {
    async fn open(server: &Server, person: &Person) -> Self {
        let client = ClientId(Uuid::now_v7());
        let wire = Wire::open(&server.socket(), &person.token, client, None).await.unwrap();
        let session = Address::session(person.user, SessionId(Uuid::now_v7()));
        Self { wire, client, session, sent: Vec::new(), n: 0 }
    }

    async fn open_again(self, server: &Server, person: &Person) -> Self {
        let wire = Wire::open(&server.socket(), &person.token, self.client, None).await.unwrap();
        Self { wire, ..self }
    }

    async fn tell(&mut self, what: impl Into<spotter_protocol::Command>) -> Reply {
        self.n += 1;
        let frame = command(self.client, self.n, self.session, what);
        self.sent.push(frame.clone());
        self.send(frame).await
    }

    /// Sends a command, as it is or again, and waits for its reply.
    async fn send(&mut self, frame: CommandFrame) -> Reply {
        let req = frame.req;
        self.wire.send(ClientFrame::Command(frame)).await.unwrap();
        loop {
            if let ServerFrame::Reply(reply) = self.wire.next().await.unwrap()
                && reply.req == Some(req)
            {
                return reply;
            }
        }
    }

    /// Everything up to the reply of a subscription.
    async fn subscribe(&mut self, since: Option<Version>) -> Vec<ServerFrame> {
        let req = 1_000_000;
        self.wire.subscribe(req, self.session, since).await.unwrap();
        let mut frames = Vec::new();
        loop {
            match self.wire.next().await.unwrap() {
                ServerFrame::Reply(reply) if reply.req == Some(req) => {
                    assert!(reply.error.is_none(), "{reply:?}");
                    return frames;
                }
                frame => frames.push(frame),
            }
        }
    }

    /// A session of three sets.
    async fn train(&mut self) {
        self.tell(Start { workout: None, title: Some(Title::clipped("Legs")) }).await;
        let squat = InstanceId(Uuid::now_v7());
        for _ in 0..3 {
            let reply = self.tell(a_set(squat)).await;
            assert!(reply.error.is_none(), "{reply:?}");
        }
    }
}

fn a_note() -> Note {
    Note { set: None, text: NoteText::clipped("months later") }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn archived_months_are_in_files_and_nobody_misses_them_on_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::prepare(folder.path(), &[]);
    archived_months_are_in_files_and_nobody_misses_them(server, store::file(folder.path())).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn archived_months_are_in_files_and_nobody_misses_them_on_a_server() {
    let folder = tempfile::tempdir().unwrap();
    let url = Postgres::shared().new_database().await;
    let settings = [("SPOTTER_DATABASE", url.as_str()), ("SPOTTER_POSTGRES__MIGRATE", "true")];
    let server = Server::prepare(folder.path(), &settings);
    archived_months_are_in_files_and_nobody_misses_them(server, store::server(&url)).await;
}

async fn archived_months_are_in_files_and_nobody_misses_them(mut server: Server, database: Database) {
    let (athletes, _) = server.populate("old", 2).await;
    server.start().await;
    let mut done = Phone::open(&server, &athletes[0]).await;
    let mut running = Phone::open(&server, &athletes[1]).await;
    done.train().await;
    done.tell(Finish {}).await;
    running.train().await;
    server.stop().await;

    let present = Month::of(wire::now());
    let (older, old) = (before(before(present)), before(present));
    let tool = Store::open(&database).await.unwrap();
    let streams = streams(&tool).await;
    assert!(streams.len() >= 4, "sessions and inboxes");
    for (place, stream) in streams.iter().enumerate() {
        make_old(&tool, *stream, if place % 2 == 0 { old } else { older }, place).await;
    }
    let before_it = [rows_of(&tool, older).await, rows_of(&tool, old).await];
    assert!(before_it.iter().all(|rows| !rows.is_empty()));
    let read_models = read_models(&tool).await;

    server.start().await;
    let mut running = running.open_again(&server, &athletes[1]).await;
    running.subscribe(None).await;
    let before_note = running.tell(a_note()).await.v.unwrap();
    let files = server.data.join("kept");
    let archive = ["archive", "--before", &present.to_string(), "--to", files.to_str().unwrap()];
    let said = server.tool(&archive, "").await;

    assert!(said.contains(&format!("moved {} entities, took away 2 months\n", streams.len())), "{said}");
    assert!(!said.contains("stay"), "{said}");
    assert_eq!(tool.months_before(present).await.unwrap(), []);
    for (month, rows) in [older, old].into_iter().zip(before_it) {
        assert_eq!(rows_of(&tool, month).await, []);
        let kept = std::fs::read_to_string(files.join(format!("journal-{month}.ndjson"))).unwrap();
        let kept: Vec<serde_json::Value> =
            kept.lines().map(|row| serde_json::from_str(row).unwrap()).collect();
        let is_kept = |row: &KeptRow| kept.contains(&serde_json::to_value(row).unwrap());
        assert!(rows.iter().all(is_kept), "every row that was there");
        let streams = kept.iter().filter(|row| row["kind"] == "moved").count();
        assert!(streams > 0 && kept.len() >= rows.len() + streams, "and where each stream went");
    }
    assert_eq!(std::fs::read_dir(&files).unwrap().count(), 2, "nothing half done");
    assert_eq!(self::read_models(&tool).await, read_models, "history and bests stay");

    // Whoever trains goes on, on the same socket.
    let reply = running.tell(a_note()).await;
    assert_eq!(reply.v, Some(Version(before_note.0 + 2)), "{reply:?}");
    let early = running.sent[1].clone();
    let again = running.send(early).await;
    assert_eq!((again.repeat, again.v), (true, Some(Version(4))), "three events add a set: {again:?}");

    let mut done = done.open_again(&server, &athletes[0]).await;
    let frames = done.subscribe(Some(Version(2))).await;
    assert!(matches!(&frames[..], [.., ServerFrame::Snapshot(_)]), "from before the archive: the state");
    let reply = done.tell(a_note()).await;
    assert!(reply.error.is_none() && !reply.repeat, "a late remark: {reply:?}");
    let first = done.sent[0].clone();
    assert_eq!(done.send(first).await.v, Some(Version(1)));

    let said = server.tool(&["archive", "--before", &present.to_string(), "--drop"], "").await;
    assert!(said.contains("moved 0 entities, took away 0 months"), "{said}");
    assert_eq!(server.stop().await, Some(0));
    let report = verify::run(&tool.db().reader, |_| {}).await.unwrap();
    assert_eq!(report.findings, [], "nothing is missing that should be there");
    tool.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_archives_by_itself_what_is_older_than_it_keeps_on_a_file() {
    let (folder, kept) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let server = Server::prepare(folder.path(), &keeping_a_month(kept.path()));
    let database = store::file(folder.path());
    a_node_archives_by_itself_what_is_older_than_it_keeps(server, database, kept.path()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_archives_by_itself_what_is_older_than_it_keeps_on_a_server() {
    let (folder, kept) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let url = Postgres::shared().new_database().await;
    let on_a_server = [("SPOTTER_DATABASE", url.as_str()), ("SPOTTER_POSTGRES__MIGRATE", "true")];
    let settings = [&on_a_server[..], &keeping_a_month(kept.path())].concat();
    let server = Server::prepare(folder.path(), &settings);
    a_node_archives_by_itself_what_is_older_than_it_keeps(server, store::server(&url), kept.path()).await;
}

/// Settings by which the last month stays, and those before it go into a folder.
fn keeping_a_month(folder: &Path) -> [(&'static str, &str); 2] {
    [("SPOTTER_ARCHIVE__KEEP_MONTHS", "1"), ("SPOTTER_ARCHIVE__TO", folder.to_str().unwrap())]
}

async fn a_node_archives_by_itself_what_is_older_than_it_keeps(
    mut server: Server,
    database: Database,
    kept: &Path,
) {
    let (athletes, _) = server.populate("old", 2).await;
    server.start().await;
    let mut phones = Vec::new();
    for athlete in &athletes {
        let mut phone = Phone::open(&server, athlete).await;
        phone.train().await;
        phones.push(phone);
    }
    server.stop().await;
    let last = before(Month::of(wire::now()));
    let older = before(last);
    let unfinished = before(older);
    let tool = Store::open(&database).await.unwrap();
    let streams = streams(&tool).await;
    for (place, stream) in streams.iter().enumerate() {
        make_old(&tool, *stream, if place % 2 == 0 { last } else { older }, place).await;
    }
    // As an archive leaves it that was broken off.
    fill(&tool, unfinished, 3).await;
    let (in_last, in_older) = (rows_of(&tool, last).await, rows_of(&tool, older).await);
    assert!(!in_last.is_empty() && !in_older.is_empty());
    let read_models = read_models(&tool).await;

    server.start().await;
    let archived = async {
        while !tool.months_before(last).await.unwrap().is_empty() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(ARCHIVED_WITHIN, archived).await.expect("old months go");

    let residents = streams.len().div_ceil(2) as u64;
    assert_eq!(tool.months_before(last.next()).await.unwrap(), [OldMonth { month: last, residents }]);
    assert_eq!(rows_of(&tool, last).await, in_last, "what is not older stays as it is");
    let rows_in_file = |month: Month| {
        let file = std::fs::read_to_string(kept.join(format!("journal-{month}.ndjson"))).unwrap();
        file.lines().count()
    };
    assert_eq!(rows_in_file(unfinished), 3);
    assert!(rows_in_file(older) > in_older.len(), "with where each stream went");
    assert_eq!(std::fs::read_dir(kept).unwrap().count(), 2, "nothing half done");
    assert_eq!(self::read_models(&tool).await, read_models, "history and bests stay");
    for (phone, athlete) in phones.into_iter().zip(&athletes) {
        let mut phone = phone.open_again(&server, athlete).await;
        let reply = phone.tell(a_note()).await;
        assert!(reply.error.is_none() && !reply.repeat, "everyone goes on: {reply:?}");
    }
    // The turn is free: an operator archives what the policy keeps.
    let said = server.tool(&["archive", "--before", &last.next().to_string(), "--drop"], "").await;
    assert!(said.contains(&format!("moved {residents} entities, took away 1 months\n")), "{said}");
    assert_eq!(server.stop().await, Some(0));
    let report = verify::run(&tool.db().reader, |_| {}).await.unwrap();
    assert_eq!(report.findings, [], "nothing is missing that should be there");
    tool.close().await;
}

#[tokio::test]
async fn a_node_whose_archive_cannot_be_written_does_not_start() {
    let folder = tempfile::tempdir().unwrap();
    let absent = folder.path().join("absent");
    let mut server = Server::prepare(folder.path(), &keeping_a_month(&absent));
    let said = folder.path().join("said");
    server.write_down(&said);

    assert_eq!(server.start_in_vain().await, Some(1));

    let said = std::fs::read_to_string(said).unwrap();
    assert!(said.contains("`archive.to` is") && said.contains("make it, or name another"), "{said}");
    assert!(!absent.exists() && !folder.path().join("spotter.db").exists());
}

async fn streams(store: &Store) -> Vec<Uuid> {
    let rows = db::query("SELECT stream FROM entities ORDER BY stream").fetch_all(&store.db().reader).await;
    rows.unwrap().iter().map(|row| row.get("stream").unwrap()).collect()
}

/// Makes a stream one that began in a month.
async fn make_old(store: &Store, stream: Uuid, month: Month, place: usize) {
    let db = store.db();
    let StreamId(begin) = month.streams().start;
    let old = Uuid::from_u128(begin.as_u128() + ((place as u128 + 1) << 90) + (0x7 << 76));
    assert!(month.streams().contains(&StreamId(old)));
    if let db::Pool::Postgres(pool) = &db.writer {
        let open = format!("SELECT spotter_open_month('{month}-01')");
        pool.execute(AssertSqlSafe(open)).await.unwrap();
    }
    for change in [
        "UPDATE journal SET stream = $1 WHERE stream = $2",
        "UPDATE snapshots SET stream = $1 WHERE stream = $2",
        "UPDATE entities SET stream = $1 WHERE stream = $2",
    ] {
        db::query(change).bind(old).bind(stream).execute(&db.writer).await.unwrap();
    }
}

async fn rows_of(store: &Store, month: Month) -> Vec<KeptRow> {
    let (mut rows, mut behind) = (Vec::new(), None);
    loop {
        let page = store.rows_of(month, behind, 7).await.unwrap();
        let Some(last) = page.last() else { return rows };
        behind = Some(last.place());
        rows.extend(page);
    }
}

/// What pages and bests are read from.
async fn read_models(store: &Store) -> Vec<String> {
    let sets = "SELECT owner, set_id, grams, reps, status FROM sets ORDER BY owner, set_id";
    let rows = db::query(sets).fetch_all(&store.db().reader).await.unwrap();
    let set = |row: &Row| {
        let (owner, set): (Uuid, Uuid) = (row.get("owner").unwrap(), row.get("set_id").unwrap());
        let (grams, reps): (i64, i64) = (row.get("grams").unwrap(), row.get("reps").unwrap());
        format!("{owner} {set} {grams} {reps} {}", row.get::<String>("status").unwrap())
    };
    let sets: Vec<String> = rows.iter().map(set).collect();
    assert_eq!(sets.len(), 6);
    sets
}

/// A month that is over, with rows of a stream that no entity is in.
async fn with_rows(serving: &Serving, rows: i64) -> Month {
    let month = before(Month::of(wire::now()));
    fill(&serving.store, month, rows).await;
    assert_eq!(serving.store.months_before(month.next()).await.unwrap(), [OldMonth { month, residents: 0 }]);
    month
}

/// Puts a stream of rows into a month, that no entity is in.
async fn fill(store: &Store, month: Month, rows: i64) {
    let db = store.db();
    let StreamId(stream) = month.streams().start;
    if let db::Pool::Postgres(pool) = &db.writer {
        let open = format!("SELECT spotter_open_month('{month}-01')");
        pool.execute(AssertSqlSafe(open)).await.unwrap();
    }
    let fill = db::query(
        "WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < $1)
         INSERT INTO journal (stream, version, epoch, kind, schema, at, received_at, device_at, clock_offset, author,
             command, client, n, body)
         SELECT $2, n, 1, 'paused', 1, 0, 0, 0, 0, $2, $2, $2, n, $3 FROM numbers",
    );
    fill.bind(rows).bind(stream).bind(vec![0x80_u8]).execute(&db.writer).await.unwrap();
}

/// Takes a month away; answers what each request came to.
async fn take_away(serving: &Serving, month: Month) -> Vec<TakenAway> {
    let mut taken = Vec::new();
    loop {
        let now = serving.store.take_away(&serving.claim, month).await.unwrap();
        taken.push(now);
        if now != TakenAway::Partly {
            return taken;
        }
    }
}

on_both! {
    #[tokio::test]
    super::store::on_file().await, super::store::on_server().await =>
    a_node_that_lost_a_shard_takes_nothing_away
    a_month_that_somebody_is_in_stays
}

async fn a_node_that_lost_a_shard_takes_nothing_away(serving: Serving) {
    let month = with_rows(&serving, 3).await;
    let stolen = db::query("UPDATE shards SET epoch = epoch + 1, node = $1 WHERE shard = 1023");
    stolen.bind(Uuid::from_u128(2)).execute(&serving.store.db().writer).await.unwrap();

    assert_eq!(take_away(&serving, month).await, [TakenAway::Fenced]);
    assert_eq!(rows_of(&serving.store, month).await.len(), 3);
}

async fn a_month_that_somebody_is_in_stays(serving: Serving) {
    let month = with_rows(&serving, 3).await;
    let resident = db::query(
        "INSERT INTO entities (owner, kind, id, gym, stream, first_version) VALUES ($1, 'session', $1, $1, $2, 1)",
    );
    let StreamId(stream) = month.streams().start;
    let db = serving.store.db();
    resident.bind(Uuid::from_u128(7)).bind(stream).execute(&db.writer).await.unwrap();

    assert_eq!(take_away(&serving, month).await, [TakenAway::LivedIn(1)]);
    assert_eq!(rows_of(&serving.store, month).await.len(), 3);
    assert_eq!(serving.store.months_before(month.next()).await.unwrap(), [OldMonth { month, residents: 1 }]);
    db::query("DELETE FROM entities").execute(&db.writer).await.unwrap();
    assert_eq!(take_away(&serving, month).await, [TakenAway::Whole]);
    assert_eq!(serving.store.months_before(month.next()).await.unwrap(), []);
    assert_eq!(take_away(&serving, month).await, [TakenAway::Whole], "again");
}

#[tokio::test]
async fn a_file_gives_up_some_thousands_of_rows_at_a_time() {
    let serving = store::on_file().await;
    let month = with_rows(&serving, 12_000).await;

    let taken = take_away(&serving, month).await;

    assert_eq!(taken, [TakenAway::Partly, TakenAway::Partly, TakenAway::Whole]);
    assert_eq!(rows_of(&serving.store, month).await, []);
}

#[tokio::test]
async fn a_month_that_is_read_keeps_no_commit_waiting_for_long() {
    let url = Postgres::shared().new_database().await;
    let (store, claim) = Store::open_serving(&store::server(&url), "here").await.unwrap();
    let serving = Serving::of(store, claim);
    let month = with_rows(&serving, 3).await;
    let mut backup = url.parse::<sqlx::postgres::PgConnectOptions>().unwrap().connect().await.unwrap();
    let mut reading = backup.begin().await.unwrap();
    let part = format!("SELECT * FROM journal_{}", month.to_string().replace('-', ""));
    reading.execute(AssertSqlSafe(part)).await.unwrap();

    let begun = std::time::Instant::now();
    assert_eq!(take_away(&serving, month).await, [TakenAway::Busy]);

    assert!(begun.elapsed() < std::time::Duration::from_secs(2));
    assert!(serving.store.commit(serving.claim.node, &[]).await.unwrap().is_empty());
    reading.rollback().await.unwrap();
    assert_eq!(take_away(&serving, month).await, [TakenAway::Whole]);
}
