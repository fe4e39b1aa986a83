//! What only the PostgreSQL store promises: a server it can trust, tables of this build, one spotter at a time, and
//! nothing left of a history that the server has lost.

#![allow(clippy::unwrap_used, reason = "what a test cannot do without, it fails without")]

#[path = "support/postgres.rs"]
mod postgres;
#[path = "support/store.rs"]
mod store;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use postgres::Postgres;
use spotter::db;
use spotter::store::{Database, OpenError, Server, Store, Void};
use spotter_actors::{Append, Claim, EventRow, Journal, Opening, Outcome, Remind};
use spotter_protocol::{
    Address, ClientId, CommandId, GymId, SessionId, Stamp, StreamId, Timestamp, UserId, Version,
};
use sqlx::postgres::PgConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, Executor, PgConnection, PgPool};
use uuid::Uuid;

const GYM: GymId = GymId(Uuid::from_u128(1));

/// The names of the columns of each table.
type Tables = BTreeMap<String, BTreeSet<String>>;

fn with(url: &str, change: impl FnOnce(&mut Server)) -> Database {
    let Database::Server(mut server) = store::server(url) else { panic!("a server") };
    change(&mut server);
    Database::Server(server)
}

async fn connect(url: &str) -> PgConnection {
    url.parse::<PgConnectOptions>().unwrap().connect().await.unwrap()
}

#[tokio::test]
async fn both_databases_have_the_same_tables_and_columns() {
    let folder = tempfile::tempdir().unwrap();
    let file = Store::open(&store::file(folder.path())).await.unwrap();
    let server = Store::open(&store::server(&Postgres::shared().new_database().await)).await.unwrap();
    let columns = || {
        db::query_each(
        "SELECT tables.name AS of, columns.name AS named FROM sqlite_schema AS tables
         JOIN pragma_table_info(tables.name) AS columns
         WHERE tables.type = 'table' AND tables.name NOT LIKE 'sqlite_%' AND tables.name <> '_sqlx_migrations'",
        "SELECT table_name::text AS of, column_name::text AS named FROM information_schema.columns
         WHERE table_schema = 'public' AND table_name <> '_sqlx_migrations' AND table_name NOT LIKE 'journal\\_%'",
    )
    };
    let migrations =
        || db::query("SELECT version AS number, description AS of FROM _sqlx_migrations ORDER BY version");
    let tables = |rows: Vec<db::Row>| {
        let mut tables = Tables::new();
        for row in rows {
            tables.entry(row.get("of").unwrap()).or_default().insert(row.get("named").unwrap());
        }
        tables
    };
    let numbers = |rows: Vec<db::Row>| -> Vec<(i64, String)> {
        rows.iter().map(|row| (row.get("number").unwrap(), row.get("of").unwrap())).collect()
    };

    let on_file = tables(columns().fetch_all(&file.db().reader).await.unwrap());
    let on_server = tables(columns().fetch_all(&server.db().reader).await.unwrap());

    assert!(on_file.len() > 12, "{on_file:?}");
    assert_eq!(on_file, on_server);
    assert_eq!(
        numbers(migrations().fetch_all(&file.db().reader).await.unwrap()),
        numbers(migrations().fetch_all(&server.db().reader).await.unwrap())
    );
}

/// The order of a language changes with the system's library, and an index in another order loses what is in it.
#[tokio::test]
async fn keys_are_compared_by_their_bytes_whatever_language_the_server_speaks() {
    let server = Store::open(&store::server(&Postgres::shared().new_database().await)).await.unwrap();
    let keys = db::query(
        "SELECT keys.relname || '.' || columns.attname AS key, collations.collname = 'C' AS by_bytes
         FROM pg_index JOIN pg_class AS keys ON keys.oid = indexrelid
         JOIN pg_attribute AS columns ON columns.attrelid = indexrelid
         JOIN pg_collation AS collations ON collations.oid = columns.attcollation
         WHERE keys.relnamespace = 'public'::regnamespace",
    );
    let keys = keys.fetch_all(&server.db().reader).await.unwrap();
    let (by_bytes, others): (Vec<_>, Vec<_>) =
        keys.iter().partition(|row| row.get::<bool>("by_bytes").unwrap());

    let others: Vec<String> = others.iter().map(|row| row.get("key").unwrap()).collect();
    assert_eq!(others, Vec::<String>::new());
    assert!(by_bytes.len() >= 5, "{}", by_bytes.len());
}

/// Whatever the server takes of its own accord, it takes from the cores on which sets are committed.
#[tokio::test]
async fn what_grows_is_sampled_little_also_in_months_to_come() {
    let server = Store::open(&store::server(&Postgres::shared().new_database().await)).await.unwrap();
    let pool = &server.db().reader;
    db::query("SELECT spotter_open_month('2031-05-01')").fetch_all(pool).await.unwrap();
    let columns = db::query(
        "SELECT relname::text AS of, bool_and(coalesce(attstattarget, -1) = 10) AS little
         FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid
         WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p') AND attnum > 0
             AND (relname ~ '^journal' OR relname IN ('snapshots', 'entities', 'sessions', 'sets', 'bests', 'letters',
                 'messages', 'reminders'))
         GROUP BY relname",
    );
    let columns = columns.fetch_all(pool).await.unwrap();
    let tables: BTreeMap<String, bool> =
        columns.iter().map(|row| (row.get("of").unwrap(), row.get("little").unwrap())).collect();

    assert!(tables.values().all(|little| *little), "{tables:?}");
    assert!(tables.contains_key("journal_203105"), "{tables:?}");
    assert!(tables.len() >= 12, "{tables:?}");
}

/// The limit stands from the transaction's first moment on, however long whoever began it is kept from going on.
#[tokio::test]
async fn whoever_reads_as_of_one_moment_is_not_ended_before_the_first_question() {
    let options: PgConnectOptions = Postgres::shared().new_database().await.parse().unwrap();
    let hasty = options.options([("idle_in_transaction_session_timeout", "1ms")]);
    let pool = db::Pool::Postgres(PgPool::connect_lazy_with(hasty));
    for _ in 0..1_000 {
        let mut moment = pool.moment().await.unwrap();
        db::query("SELECT 1 AS one").fetch_all(&mut moment).await.unwrap();
    }
}

#[tokio::test]
async fn tables_are_changed_when_that_is_wished_and_not_otherwise() {
    let url = Postgres::shared().new_database().await;

    let refused =
        Store::open_serving(&with(&url, |server| server.migrate = false), "here").await.unwrap_err();
    assert!(matches!(&refused, OpenError::Behind { missing: 1.., .. }), "{refused:?}");
    assert!(refused.to_string().contains("spotter migrate"), "{refused}");
    let database = with(&url, |server| server.migrate = false);
    // Two at once: one waits for the other.
    let (one, other) = tokio::join!(Store::migrate(&database), Store::migrate(&database));
    one.unwrap();
    other.unwrap();

    Store::open_serving(&database, "here").await.unwrap();
}

#[tokio::test]
async fn tables_of_a_newer_build_are_refused() {
    let url = Postgres::shared().new_database().await;
    Store::migrate(&store::server(&url)).await.unwrap();
    let newer = "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time)
                 VALUES (9999, 'of tomorrow', true, '\\x00', 0)";
    connect(&url).await.execute(newer).await.unwrap();

    let refused = Store::open(&store::server(&url)).await.unwrap_err();

    assert!(matches!(&refused, OpenError::Newer { migration: 9999, .. }), "{refused:?}");
}

#[tokio::test]
async fn a_server_that_does_not_flush_is_refused_by_the_name_of_the_setting() {
    let url = Postgres::shared().new_database().await;
    let name = url.rsplit_once('/').unwrap().1.split('?').next().unwrap().to_owned();
    let off = format!("ALTER DATABASE {name} SET synchronous_commit = off");
    connect(&url).await.execute(AssertSqlSafe(off)).await.unwrap();

    let refused = Store::open(&store::server(&url)).await.unwrap_err();

    assert!(matches!(&refused, OpenError::Unsafe { setting: "synchronous_commit", .. }), "{refused:?}");
    assert!(refused.to_string().contains("postgres.allow_unsafe"), "{refused}");
    Store::open(&with(&url, |server| server.allow_unsafe = true)).await.unwrap();
}

#[tokio::test]
async fn a_server_that_is_not_there_is_named_without_its_password() {
    let url = "postgres://ana:secret@127.0.0.1:1/gym";

    let refused = Store::open(&store::server(url)).await.unwrap_err();

    assert!(refused.to_string().contains("postgres://127.0.0.1:1/gym"), "{refused}");
    assert!(!format!("{refused:?} {refused}").contains("secret"), "{refused:?}");
}

#[tokio::test]
async fn one_that_serves_keeps_others_out_until_it_ends() {
    let database = store::server(&Postgres::shared().new_database().await);
    let (first, claim) = Store::open_serving(&database, "first").await.unwrap();
    let renewing = async { first.until_void().await };
    let second = async {
        let refused = Store::open_serving(&database, "second").await.unwrap_err();
        assert!(matches!(&refused, OpenError::Served { by, .. } if by == "first"), "{refused:?}");
    };
    tokio::select! {
        void = renewing => panic!("{void:?}"),
        () = second => {}
    }
    first.close().await;

    // At once: the lease was ended.
    let begun = std::time::Instant::now();
    let (third, later) = Store::open_serving(&database, "third").await.unwrap();

    assert!(begun.elapsed() < Duration::from_secs(3));
    assert_eq!(third.incarnation(), first.incarnation(), "the same history");
    let raised = claim.epochs.iter().zip(&later.epochs).all(|(before, after)| before < after);
    assert!(raised, "every shard under a higher epoch");
}

#[tokio::test]
async fn one_that_fell_silent_is_told_who_took_over() {
    let database = store::server(&Postgres::shared().new_database().await);
    let (silent, _) = Store::open_serving(&database, "silent").await.unwrap();

    let (_second, _) = Store::open_serving(&database, "second").await.unwrap();

    let void = tokio::time::timeout(Duration::from_secs(3), silent.until_void()).await.unwrap();
    assert_eq!(void, Void::TakenOver { by: "second".to_owned() });
}

#[tokio::test]
async fn a_server_that_lost_what_it_acknowledged_voids_every_epoch_and_begins_another_history() {
    for promoted in [true, false] {
        let mut postgres = Postgres::start(&[]);
        let database = store::server(&postgres.new_database().await);
        let (store, claim) = Store::open_serving(&database, "before").await.unwrap();
        let writes = async |append: Append| loop {
            // The first to use a connection finds that it has died.
            if let Ok(outcomes) = store.commit(claim.node, std::slice::from_ref(&append)).await {
                break outcomes;
            }
        };
        assert_eq!(writes(an_append(&claim, 1, 1)).await, [Outcome::Committed]);
        postgres.remember();
        assert_eq!(writes(an_append(&claim, 1, 2)).await, [Outcome::Committed]);
        assert_eq!(tokio::time::timeout(Duration::from_millis(1500), store.until_void()).await.ok(), None);

        postgres.go_back(promoted);

        // What the writer believes to follow is refused, in whatever way it went back.
        let refused = if promoted { Outcome::Fenced } else { Outcome::Conflict };
        assert_eq!(writes(an_append(&claim, 1, 3)).await, [refused], "promoted: {promoted}");
        let void = tokio::time::timeout(Duration::from_secs(10), store.until_void()).await.unwrap();
        assert_eq!(void, Void::Rewound, "promoted: {promoted}");
        store.close().await;
        let (again, later) = Store::open_serving(&database, "after").await.unwrap();
        assert_ne!(again.incarnation(), store.incarnation(), "what clients remember is void");
        let stored = again.load(GYM, address(1)).await.unwrap().unwrap();
        assert_eq!(stored.tail.len(), 1, "the history that there is");
        assert_eq!(again.commit(later.node, &[an_append(&later, 1, 2)]).await.unwrap(), [Outcome::Committed]);
    }
}

#[tokio::test]
async fn the_journal_has_a_part_for_this_month_and_the_next() {
    let url = Postgres::shared().new_database().await;
    let (store, _) = Store::open_serving(&store::server(&url), "here").await.unwrap();
    let parts = "SELECT count(*) AS parts FROM pg_inherits WHERE inhparent = 'journal'::regclass";

    let parts = db::query(parts).fetch_one(&store.db().reader).await.unwrap();

    assert_eq!(parts.get::<i64>("parts").unwrap(), 4, "this month, the next, kept and other streams");
    let mut connection = connect(&url).await;
    let month = "SELECT spotter_month_begins('2026-11-17')::text";
    let month: String = sqlx::query_scalar(month).fetch_one(&mut connection).await.unwrap();
    // 2026-11-01T00:00:00Z is the millisecond 1793491200000.
    assert_eq!(month, Uuid::from_u128(1_793_491_200_000 << 80).to_string());
    connection.close().await.unwrap();
}

/// While nobody has counted the rows of a table PostgreSQL plans for few, and a connection keeps its plan.
#[tokio::test]
async fn entities_are_looked_up_by_key_before_anybody_has_counted_them() {
    const ENTITIES: u128 = 600;
    const TOGETHER: u128 = 64;
    let url = Postgres::shared().new_database().await;
    let (store, claim) = Store::open_serving(&store::server(&url), "here").await.unwrap();
    let mut connection = connect(&url).await;
    connection.execute("ALTER TABLE entities SET (autovacuum_enabled = off)").await.unwrap();
    let appends: Vec<Append> = (0..ENTITIES).map(|n| an_append(&claim, n, 1)).collect();
    store.commit(claim.node, &appends).await.unwrap();

    let wanted: Vec<Address> = (ENTITIES - TOGETHER..ENTITIES).map(address).collect();
    assert_eq!(store.load_all(GYM, &wanted).await.unwrap().len(), wanted.len());

    store.close().await;
    let (_, read) = looks_at(&mut connection, "entities").await;
    assert!(read <= 2 * wanted.len() as i64, "{read} rows were read to find {}", wanted.len());
}

/// A look for the event before is an eighth of a full batch's cost.
#[tokio::test]
async fn what_a_connection_has_committed_itself_is_not_looked_for() {
    let url = Postgres::shared().new_database().await;
    let (store, claim) = Store::open_serving(&store::server(&url), "here").await.unwrap();
    for version in 1..=3 {
        let append = an_append(&claim, 1, version);
        assert_eq!(store.commit(claim.node, &[append]).await.unwrap(), [Outcome::Committed]);
    }
    // Nobody wrote the second event of this one.
    let refused = [an_append(&claim, 2, 1), an_append(&claim, 2, 3)];
    assert_eq!(
        store.commit(claim.node, &refused).await.unwrap(),
        [Outcome::Committed, Outcome::Conflict],
        "what is not known is looked for"
    );

    store.close().await;
    let mut connection = connect(&url).await;
    // Each look reads the parts' index once, and so does the question why an append was refused.
    assert_eq!(looks_at(&mut connection, "journal\\_%").await.0, 2);
}

/// How often the indexes of some tables were looked into, and what was read there, by connections that are closed:
/// what one has counted is known no sooner.
async fn looks_at(connection: &mut PgConnection, tables: &str) -> (i64, i64) {
    let counted = "SELECT sum(idx_scan)::bigint, sum(idx_tup_read)::bigint FROM pg_stat_user_indexes
         WHERE relname LIKE $1";
    loop {
        let counted = sqlx::query_as::<_, (i64, i64)>(counted).bind(tables);
        match counted.fetch_one(&mut *connection).await.unwrap() {
            (0, _) => tokio::time::sleep(Duration::from_millis(20)).await,
            looks => return looks,
        }
    }
}

fn address(of: u128) -> Address {
    Address::session(UserId(Uuid::from_u128(of)), SessionId(Uuid::from_u128(of)))
}

/// The event that gives a session its version `version`.
fn an_append(claim: &Claim, session: u128, version: u64) -> Append {
    let address = address(session);
    let stamp = Stamp {
        at: Timestamp(10),
        received_at: Timestamp(11),
        device_at: Timestamp(9),
        offset: 1,
        author: address.owner,
        command: CommandId(Uuid::from_u128(u128::from(version))),
        client: ClientId(Uuid::from_u128(5)),
        n: version,
    };
    Append {
        gym: GYM,
        address,
        stream: StreamId(Uuid::from_u128(6 + session)),
        opening: if version == 1 { Opening::Entity } else { Opening::No },
        epoch: claim.epoch(address.shard()).unwrap(),
        events: vec![EventRow {
            version: Version(version),
            stamp,
            kind: "paused".to_owned(),
            schema: 1,
            body: vec![0x80],
        }],
        rows: Vec::new(),
        letters: Vec::new(),
        carried: Vec::new(),
        reminder: Remind::Keep,
    }
}
