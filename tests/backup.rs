//! A copy taken under load, put back elsewhere and served: all that was acknowledged before the copy began is in it,
//! and clients that are ahead of it are shown what there is.

#![allow(
    clippy::unwrap_used,
    clippy::wildcard_enum_match_arm,
    reason = "a test that is surprised should end"
)]

#[path = "support/postgres.rs"]
mod postgres;
#[path = "support/server.rs"]
mod server;
#[path = "support/wire.rs"]
mod wire;

use std::collections::BTreeSet;
use std::os::unix::fs::{FileExt, PermissionsExt};
use std::path::Path;
use std::process::{Command, Output};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use postgres::Postgres;
use server::{Person, Server};
use spotter_protocol::{
    Address, ClientFrame, ClientId, CommandFrame, CommandId, ErrorCode, InstanceId, Reply, ServerFrame,
    SessionId, Start, Title, Version,
};
use sqlx::Row;
use tokio::task::JoinSet;
use uuid::Uuid;
use wire::Wire;

const ATHLETES: usize = 6;
/// Acknowledged commands before the copy begins, and after it.
const ACKS: usize = 120;
const DEADLINE: Duration = Duration::from_secs(60);

/// What an athlete knows when the server is gone.
struct Athlete {
    person: Person,
    client: ClientId,
    session: Address,
    incarnation: Uuid,
    /// The last command and the version it was acknowledged at.
    n: u64,
    version: Version,
}

/// What everyone shares.
#[derive(Default)]
struct Gym {
    acknowledged: Mutex<BTreeSet<CommandId>>,
    acks: AtomicUsize,
    stopping: AtomicBool,
}

impl Gym {
    async fn acks(&self, count: usize) {
        let until = self.acks.load(Ordering::Relaxed) + count;
        let reached = async {
            while self.acks.load(Ordering::Relaxed) < until {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        tokio::time::timeout(DEADLINE, reached).await.expect("commands are acknowledged");
    }
}

fn spotter(data: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_spotter"));
    command.args(arguments).arg("--data-dir").arg(data).output().unwrap()
}

/// Why a command failed.
fn refused(data: &Path, arguments: &[&str]) -> String {
    let output = spotter(data, arguments);
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success(), "{arguments:?}: {said}");
    said
}

/// What a command printed.
fn done(data: &Path, arguments: &[&str]) -> String {
    let output = spotter(data, arguments);
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_copy_taken_under_load_holds_what_was_acknowledged_before() {
    let folder = tempfile::tempdir().unwrap();
    let (old, new, file) =
        (folder.path().join("old"), folder.path().join("new"), folder.path().join("copy.db"));
    let name = file.to_str().unwrap();
    std::fs::create_dir(&old).unwrap();
    let mut server = Server::prepare(&old, &[]);
    let (people, _) = server.populate("copied", ATHLETES).await;
    server.start().await;

    let gym = Arc::new(Gym::default());
    let mut training = JoinSet::new();
    for person in people {
        training.spawn(train(Arc::clone(&gym), server.socket(), person));
    }
    gym.acks(ACKS).await;
    let before = gym.acknowledged.lock().unwrap().clone();
    let said = server.tool(&["backup", name], "").await;
    assert!(said.contains("the signing keys are secrets") && said.contains("old/keys"), "{said}");
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    assert!(refused(&old, &["backup", name]).contains("is there already"));
    server.tool(&["verify"], "").await;
    gym.acks(ACKS).await;
    gym.stopping.store(true, Ordering::Relaxed);
    let athletes = tokio::time::timeout(DEADLINE, training.join_all()).await.unwrap();
    server.kill().await;

    let said = done(&new, &["restore", name]);
    assert!(said.contains("spotter verify") && said.contains("copy yours to"), "{said}");
    assert!(done(&new, &["verify"]).starts_with("clean: "));
    let copied = Command::new("cp").arg("-a").arg(old.join("keys")).arg(&new).status().unwrap();
    assert!(copied.success());
    let mut server = Server::prepare(&new, &[]);
    server.start().await;

    let there = journaled(&new).await;
    assert!(before.len() >= ACKS && before.is_subset(&there), "acknowledged before the copy began");
    let lost = gym.acknowledged.lock().unwrap().difference(&there).count();
    assert!(lost > 0, "all that came later was copied too: the test has shown nothing");
    for athlete in athletes {
        comes_back(&server, athlete).await;
    }
    assert!(server.tool(&["verify"], "").await.starts_with("clean: "), "beside the node");
    assert!(refused(&new, &["restore", name, "--force"]).contains("another spotter"));
    assert_eq!(server.stop().await, Some(0));

    assert!(refused(&new, &["restore", name]).contains("a database is there already"));
    let said = done(&new, &["restore", name, "--force"]);
    let kept = said.lines().find_map(|line| line.strip_prefix("what was there before is kept as ")).unwrap();
    assert!(Path::new(kept).is_file(), "{said}");
    assert_eq!(journaled(&new).await, there);
    // Nothing of the work is left behind.
    let mut names = std::fs::read_dir(&new).unwrap().map(|entry| entry.unwrap().file_name());
    assert!(names.all(|name| !name.to_str().unwrap().starts_with('.')));
}

/// Logs sets, one after another, until told to stop.
async fn train(gym: Arc<Gym>, url: String, person: Person) -> Athlete {
    let client = ClientId(Uuid::now_v7());
    let session = Address::session(person.user, SessionId(Uuid::now_v7()));
    let instance = InstanceId(Uuid::now_v7());
    let mut wire = Wire::open(&url, &person.token, client, None).await.unwrap();
    let ServerFrame::Welcome(welcome) = wire.next().await.unwrap() else { panic!("welcome comes first") };
    let (mut n, mut version) = (0, Version(0));
    while !gym.stopping.load(Ordering::Relaxed) {
        n += 1;
        let command = match n {
            1 => wire::command(
                client,
                n,
                session,
                Start { workout: None, title: Some(Title::clipped("Copied")) },
            ),
            _ => wire::command(client, n, session, wire::a_set(instance)),
        };
        let id = command.id;
        version = told(&mut wire, command).await.unwrap();
        gym.acknowledged.lock().unwrap().insert(id);
        gym.acks.fetch_add(1, Ordering::Relaxed);
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    Athlete { person, client, session, incarnation: welcome.incarnation, n, version }
}

/// Sends a command and waits for its answer.
async fn told(wire: &mut Wire, command: CommandFrame) -> Result<Version, spotter_protocol::Fault> {
    wire.send(ClientFrame::Command(command)).await.unwrap();
    loop {
        if let ServerFrame::Reply(Reply { error, v, .. }) = wire.next().await.unwrap() {
            return error.map_or(Ok(v.unwrap_or_default()), Err);
        }
    }
}

/// Somebody who knows more than the server is shown what there is, and goes on from there.
async fn comes_back(server: &Server, athlete: Athlete) {
    let Athlete { person, client, session, incarnation, n, version } = athlete;
    let mut wire = Wire::open(&server.socket(), &person.token, client, Some(incarnation)).await.unwrap();
    let ServerFrame::Welcome(welcome) = wire.next().await.unwrap() else { panic!("welcome comes first") };
    assert_ne!(welcome.incarnation, incarnation);
    wire.subscribe(0, session, Some(version)).await.unwrap();
    let ServerFrame::Snapshot(snapshot) = wire.next().await.unwrap() else { panic!("a snapshot comes") };
    assert!(snapshot.v < version, "{} of {}", snapshot.v.0, version.0);
    let ServerFrame::Reply(Reply { error: None, .. }) = wire.next().await.unwrap() else {
        panic!("no error")
    };

    let command = wire::command(client, n + 1, session, wire::a_set(InstanceId(Uuid::now_v7())));
    let fault = told(&mut wire, command.clone()).await.unwrap_err();
    assert_eq!(fault.code, ErrorCode::OutOfOrder);
    let command = CommandFrame { after: fault.highest.unwrap(), ..command };
    assert!(told(&mut wire, command).await.unwrap() > snapshot.v);
}

/// The commands in a journal.
async fn journaled(data: &Path) -> BTreeSet<CommandId> {
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(data.join("spotter.db"));
    let pool = sqlx::SqlitePool::connect_with(options).await.unwrap();
    let rows = sqlx::query("SELECT command FROM journal").fetch_all(&pool).await.unwrap();
    pool.close().await;
    rows.iter().map(|row| CommandId(Uuid::from_slice(row.get("command")).unwrap())).collect()
}

#[test]
fn only_sound_copies_of_this_program_are_put_back() {
    let folder = tempfile::tempdir().unwrap();
    let (old, new, file) =
        (folder.path().join("old"), folder.path().join("new"), folder.path().join("copy.db"));
    let name = file.to_str().unwrap();
    assert!(refused(&old, &["backup", name]).contains("there is no database"));
    done(&old, &["migrate"]);
    assert!(
        refused(&old, &["backup", old.join("spotter.db").to_str().unwrap(), "--force"]).contains("itself")
    );

    done(&old, &["backup", name]);
    done(&old, &["backup", name, "--force"]);
    assert!(!refused(&new, &["restore", "absent.db"]).is_empty());
    std::fs::write(folder.path().join("words"), "no database at all").unwrap();
    let said = refused(&new, &["restore", folder.path().join("words").to_str().unwrap()]);
    assert!(said.contains("is no database of spotter"), "{said}");

    // A page in its middle.
    let size = std::fs::metadata(&file).unwrap().len();
    let copy = std::fs::File::options().write(true).open(&file).unwrap();
    copy.write_all_at(&[0xff; 4096], size / 2 / 4096 * 4096).unwrap();
    let said = refused(&new, &["restore", name]);
    assert!(said.contains("damaged"), "{said}");
    assert!(!new.join("spotter.db").exists());
    let left = std::fs::read_dir(&new).unwrap().map(|entry| entry.unwrap().file_name());
    assert_eq!(left.collect::<Vec<_>>(), ["spotter.lock"]);
}

#[test]
fn a_server_has_tools_of_its_own() {
    let folder = tempfile::tempdir().unwrap();
    for command in ["backup", "restore"] {
        let said = refused(
            folder.path(),
            &[command, "copy.db", "--database", "postgres://spotter@db.example/spotter"],
        );
        assert!(said.contains("pg_basebackup") && said.contains("docs/operations.md"), "{said}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dump_of_a_server_that_is_put_back_begins_another_history() {
    let folder = tempfile::tempdir().unwrap();
    let (old, new) = (Postgres::shared().new_database().await, Postgres::shared().new_database().await);
    let settings = |database| [("SPOTTER_DATABASE", database), ("SPOTTER_POSTGRES__MIGRATE", "true")];
    let mut server = Server::prepare(folder.path(), &settings(old.as_str()));
    server.tool(&["migrate"], "").await;
    let (people, _) = server.populate("dumped", 1).await;
    server.start().await;
    let gym = Arc::new(Gym::default());
    let training = tokio::spawn(train(Arc::clone(&gym), server.socket(), people[0].clone()));
    gym.acks(20).await;
    let (before, file) = (gym.acknowledged.lock().unwrap().len(), folder.path().join("dump"));
    let dumped =
        Command::new(postgres::program("pg_dump")).args(["-Fc", "-d", &old, "-f"]).arg(&file).status();
    assert!(dumped.unwrap().success());
    gym.acks(20).await;
    gym.stopping.store(true, Ordering::Relaxed);
    let athlete = training.await.unwrap();
    assert_eq!(server.stop().await, Some(0));

    let put_back = Command::new(postgres::program("pg_restore")).args(["-d", &new]).arg(&file).status();
    assert!(put_back.unwrap().success());
    let mut server = Server::prepare(folder.path(), &settings(new.as_str()));
    server.start().await;
    assert!(server.tool(&["doctor"], "").await.contains("up to date"));
    assert!(server.tool(&["verify"], "").await.starts_with("clean: "));
    assert!(athlete.n > before as u64, "nothing came after the dump");
    comes_back(&server, athlete).await;
    assert_eq!(server.stop().await, Some(0));
}
