//! `spotter doctor` says that a good database is good, and names what is wrong with another and what to do.

#![allow(clippy::unwrap_used, reason = "what a test cannot do without, it fails without")]

#[path = "support/postgres.rs"]
mod postgres;
#[path = "support/redis.rs"]
mod redis;
#[path = "support/server.rs"]
mod server;

use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use postgres::Postgres;
use redis::Redis;
use server::Server;
use sqlx::{AssertSqlSafe, Executor};

/// How long something of another process is waited for.
const PATIENCE: Duration = Duration::from_secs(20);

/// What it printed, and whether it was content.
fn doctor(data: &Path, database: &str) -> (String, bool) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_spotter"));
    command.arg("doctor").arg("--data-dir").arg(data).args(["--database", database]);
    let output = command.output().unwrap();
    (String::from_utf8(output.stdout).unwrap(), output.status.success())
}

/// The lines of something.
fn of<'a>(said: &'a str, name: &str) -> Vec<&'a str> {
    said.lines()
        .filter(|line| line.split_once(' ').unwrap().1.trim_start().starts_with(&format!("{name}: ")))
        .collect()
}

fn migrate(database: &str) {
    let folder = tempfile::tempdir().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_spotter"));
    command.arg("migrate").arg("--data-dir").arg(folder.path()).args(["--database", database]);
    assert!(command.status().unwrap().success());
}

async fn run(database: &str, text: &str) {
    postgres::connect(database).await.execute(AssertSqlSafe(text.to_owned())).await.unwrap();
}

#[tokio::test]
async fn a_file_is_good_at_rest_and_beside_a_node() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let mut server = Server::prepare(&data, &[]);
    let (said, content) = doctor(&data, "");
    assert!(content, "{said}");
    assert!(of(&said, "folder")[0].starts_with("warn"), "{said}");

    server.start().await;
    let (said, content) = doctor(&data, "");
    assert!(content, "{said}");
    assert!(of(&said, "lock")[0].contains(&format!("process {} serves", server.pid())), "{said}");
    assert!(of(&said, "nodes")[0].contains(&format!("127.0.0.1:{}", server.port)), "{said}");
    assert_eq!(server.stop().await, Some(0));

    let (said, content) = doctor(&data, "");
    assert!(content, "{said}");
    for name in
        ["reachable", "version", "tables", "journal_mode", "synchronous", "statistics", "folder", "lock"]
    {
        assert!(of(&said, name)[0].starts_with("ok"), "{name}: {said}");
    }
    assert_eq!((of(&said, "durable commit").len(), of(&said, "disk space").len()), (1, 1), "{said}");
    let left = std::fs::read_dir(&data)
        .unwrap()
        .filter(|entry| entry.as_ref().unwrap().file_name().to_string_lossy().contains("doctor"));
    assert_eq!(left.count(), 0);
}

#[tokio::test]
async fn a_server_is_good_at_rest_and_beside_a_node() {
    let folder = tempfile::tempdir().unwrap();
    let database = Postgres::shared().new_database().await;
    let (said, content) = doctor(folder.path(), &database);
    assert!(content, "{said}");
    assert!(of(&said, "tables")[0].contains("run `spotter migrate`"), "{said}");
    migrate(&database);

    let (said, content) = doctor(folder.path(), &database);
    assert!(content, "{said}");
    let good = [
        "reachable",
        "version",
        "tables",
        "privileges",
        "extensions",
        "fsync",
        "synchronous_commit",
        "full_page_writes",
        "connections",
        "pooler",
        "timeouts",
        "standbys",
        "statistics",
        "round trip",
        "clocks",
        "nodes",
    ];
    for name in good {
        assert!(of(&said, name)[0].starts_with("ok"), "{name}: {said}");
    }
    assert!(of(&said, "durable commit")[0].contains("median"), "{said}");
    assert!(of(&said, "disk space")[0].contains("MiB free"), "{said}");
    let mut connection = postgres::connect(&database).await;
    let left = sqlx::query("SELECT 1 FROM pg_class WHERE relname = 'spotter_doctor'");
    assert!(left.fetch_optional(&mut connection).await.unwrap().is_none());

    let mut server = Server::prepare(folder.path(), &[("SPOTTER_DATABASE", database.as_str())]);
    server.start().await;
    let (said, content) = doctor(folder.path(), &database);
    assert!(content && of(&said, "nodes")[0].contains(&format!("127.0.0.1:{}", server.port)), "{said}");
    assert_eq!(server.stop().await, Some(0));
}

#[tokio::test]
async fn the_redis_of_several_nodes_is_looked_at_as_they_use_it() {
    let folder = tempfile::tempdir().unwrap();
    let database = Postgres::shared().new_database().await;
    migrate(&database);
    let mut redis = Redis::start();
    let settings = [("SPOTTER_DATABASE", database.as_str()), ("SPOTTER_CLUSTER__REDIS", &redis.url())];
    let server = Server::prepare(folder.path(), &settings);
    let said = server.tool(&["doctor"], "").await;
    assert!(of(&said, "Redis")[0].starts_with("ok") && said.contains("a message takes"), "{said}");

    redis.kill();
    let output = server.tool_in_vain(&["doctor"]).await;
    assert!(output.contains("one thing has to be put right first"), "{output}");
}

#[tokio::test]
async fn a_server_that_does_not_flush_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let database = Postgres::shared().new_database().await;
    let name = database.rsplit_once('/').unwrap().1.split('?').next().unwrap();
    run(&database, &format!("ALTER DATABASE {name} SET synchronous_commit = off")).await;

    let (said, content) = doctor(folder.path(), &database);

    assert!(!content);
    assert!(of(&said, "synchronous_commit")[0].starts_with("FAIL"), "{said}");
    assert_eq!(said.lines().filter(|line| line.starts_with("FAIL")).count(), 1, "{said}");
}

#[tokio::test]
async fn a_user_without_privileges_is_told_which_are_lacking() {
    let folder = tempfile::tempdir().unwrap();
    let database = Postgres::shared().new_database().await;
    migrate(&database);
    run(&database, "CREATE ROLE poor LOGIN CONNECTION LIMIT 3").await;

    let (said, content) = doctor(folder.path(), &database.replace("spotter@", "poor@"));

    assert!(!content);
    let lacking = of(&said, "privileges")[0];
    assert!(
        lacking.starts_with("FAIL") && lacking.contains("GRANT CREATE ON SCHEMA public TO poor"),
        "{said}"
    );
    let tables = sqlx::query_scalar(
        "SELECT relname::text FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p')
             AND NOT relispartition AND relname <> '_sqlx_migrations'",
    );
    let tables: Vec<String> = tables.fetch_all(&mut postgres::connect(&database).await).await.unwrap();
    for table in tables {
        assert!(lacking.contains(&table), "{table} is not named: {said}");
    }
    assert!(of(&said, "connections")[0].starts_with("FAIL"), "{said}");
    assert!(of(&said, "durable commit")[0].contains("not measured"), "{said}");
}

#[tokio::test]
async fn a_user_who_owns_the_database_needs_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let shared = Postgres::shared().url();
    run(&shared, "CREATE ROLE modest LOGIN").await;
    run(&shared, "CREATE DATABASE modest OWNER modest").await;
    let database = shared.replace("spotter@", "modest@").replace("/postgres?", "/modest?");
    let (said, content) = doctor(folder.path(), &database);
    assert!(content && of(&said, "privileges")[0].starts_with("ok"), "{said}");
    migrate(&database);

    let mut server = Server::prepare(folder.path(), &[("SPOTTER_DATABASE", database.as_str())]);
    server.start().await;
    let (said, content) = doctor(folder.path(), &database);
    assert!(content && !said.contains("warn  privileges"), "{said}");
    assert!(server.tool(&["verify"], "").await.starts_with("clean: "));
    assert_eq!(server.stop().await, Some(0));
}

#[tokio::test]
async fn a_server_that_nobody_reaches_is_given_up_in_seconds() {
    let folder = tempfile::tempdir().unwrap();
    // One where nobody listens, and one where nobody answers.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    for port in [1, silent.local_addr().unwrap().port()] {
        let begun = Instant::now();

        let (said, content) = doctor(folder.path(), &format!("postgres://spotter@127.0.0.1:{port}/spotter"));

        assert!(!content && begun.elapsed() < Duration::from_secs(10), "{said}");
        let lines = of(&said, "reachable");
        assert!(lines[0].starts_with("FAIL") && lines[0].contains("is it running"), "{said}");
    }
}

#[tokio::test]
async fn standbys_that_may_lose_sets_or_hold_up_commits_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let server = Postgres::start(&[]);
    let (said, _) = doctor(folder.path(), &server.url());
    assert!(of(&said, "standbys")[0].starts_with("ok"), "{said}");

    // It follows the server's log as a standby does.
    let follower = Follower::of(&server.url(), folder.path());
    let begun = Instant::now();
    let said = loop {
        let (said, content) = doctor(folder.path(), &server.url());
        assert!(content && begun.elapsed() < PATIENCE, "{said}");
        if of(&said, "standbys")[0].starts_with("warn") {
            break said;
        }
    };
    assert!(of(&said, "standbys")[0].contains("may lose acknowledged sets at failover"), "{said}");
    drop(follower);

    run(&server.url(), "ALTER SYSTEM SET synchronous_standby_names = 'absent'").await;
    run(&server.url(), "SELECT pg_reload_conf()").await;
    let begun = Instant::now();
    let said = loop {
        let (said, content) = doctor(folder.path(), &server.url());
        if !content {
            break said;
        }
        assert!(begun.elapsed() < PATIENCE, "{said}");
    };
    assert!(of(&said, "standbys")[0].contains("every commit waits"), "{said}");
}

/// A process that receives the log of a server.
struct Follower(Child);

impl Follower {
    fn of(url: &str, folder: &Path) -> Self {
        let mut command = Command::new(postgres::program("pg_receivewal"));
        command.arg("-D").arg(folder).args(["-d", url]).stdout(Stdio::null()).stderr(Stdio::null());
        Self(command.spawn().unwrap())
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}
