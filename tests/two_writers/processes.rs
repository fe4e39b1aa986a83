//! Two processes. One is stopped under load, the other takes over, the first goes on: it writes nothing more,
//! acknowledges nothing more, and ends.

use std::collections::HashSet;
use std::path::Path;
use std::time::Duration;

use crate::athletes::Gym;
use crate::journal::Journal;
use crate::postgres::{Postgres, connect, signal};
use crate::served;
use crate::server::{Person, Server};
use crate::wire::{Wire, a_set, command};
use spotter_protocol::{
    Address, ClientFrame, ClientId, CommandFrame, InstanceId, ServerFrame, SessionId, Start, Title,
};
use tokio::time::{sleep, timeout};
use uuid::Uuid;

const ATHLETES: usize = 60;
/// Of the athletes, those whose connections to the first server stay open to the end.
const WITNESSES: usize = 10;
const PACE: Duration = Duration::from_millis(100);
const SEED: u64 = 0x0074_776f;
/// Longer than the lease of one who serves.
const SILENCE: Duration = Duration::from_secs(4);
/// How soon whoever was taken over is to end.
const END: Duration = Duration::from_secs(10);
/// A step that takes longer hangs.
const STEP: Duration = Duration::from_secs(30);

/// An athlete who stays connected to the first server, whatever it does.
struct Witness {
    wire: Wire,
    client: ClientId,
    session: Address,
    instance: InstanceId,
}

impl Witness {
    async fn begin(server: &Server, athlete: &Person) -> Self {
        let client = ClientId(Uuid::now_v7());
        let session = Address::session(athlete.user, SessionId(Uuid::now_v7()));
        let wire = Wire::open(&server.socket(), &athlete.token, client, None).await.unwrap();
        let mut witness = Self { wire, client, session, instance: InstanceId(Uuid::now_v7()) };
        let start = command(client, 1, session, Start { workout: None, title: Some(Title::clipped("Legs")) });
        witness.wire.send(ClientFrame::Command(start)).await.unwrap();
        loop {
            if let ServerFrame::Reply(reply) = witness.wire.next().await.unwrap() {
                assert_eq!(reply.error, None);
                return witness;
            }
        }
    }

    /// Sends sets without waiting for answers; answers what was sent.
    async fn send(&mut self) -> Vec<CommandFrame> {
        let sets: Vec<_> =
            (2..6).map(|n| command(self.client, n, self.session, a_set(self.instance))).collect();
        for set in &sets {
            self.wire.send(ClientFrame::Command(set.clone())).await.unwrap();
        }
        sets
    }

    /// Reads to the end of the connection: nothing is acknowledged any more.
    async fn hears_no_success(mut self) {
        while let Ok(frame) = self.wire.next().await {
            if let ServerFrame::Reply(reply) = frame {
                assert!(reply.error.is_some(), "{}: acknowledged by whoever was taken over", self.session);
            }
        }
    }
}

fn prepare(folder: &Path, database: &str) -> Server {
    let settings = [
        ("SPOTTER_DATABASE", database),
        ("SPOTTER_SOCKET__COMMANDS_PER_S", "10000"),
        ("SPOTTER_SOCKET__COMMANDS_BURST", "10000"),
    ];
    Server::prepare(folder, &settings)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stopped_spotter_that_was_taken_over_writes_nothing_when_it_goes_on() {
    let database = Postgres::shared().new_database().await;
    let (folder_a, folder_b) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let mut a = prepare(folder_a.path(), &database);
    let mut b = prepare(folder_b.path(), &database);
    let said = folder_a.path().join("said");
    a.write_down(&said);
    a.tool(&["migrate"], "").await;
    let (mut athletes, _) = a.populate("two", ATHLETES).await;
    copy_keys(folder_a.path(), folder_b.path());
    let watching = athletes.split_off(ATHLETES - WITNESSES);

    a.start().await;
    let mut witnesses = Vec::new();
    for athlete in &watching {
        witnesses.push(Witness::begin(&a, athlete).await);
    }
    let gym = Gym::new(a.socket(), athletes, PACE, SEED);
    let training = gym.train();
    timeout(STEP, gym.more_acks(1_000)).await.expect("everyone trains");
    let before = gym.acks();
    let epoch = epoch_of_shards(&database).await;
    signal("STOP", &[a.pid()]);
    let mut unheard = Vec::new();
    for witness in &mut witnesses {
        unheard.extend(witness.send().await);
    }
    sleep(SILENCE).await;
    b.start().await;
    let written = rows_until(&database, epoch).await;
    assert!(written.len() as u64 >= before && epoch_of_shards(&database).await > epoch);
    gym.move_to(b.socket());
    timeout(STEP, gym.everyone_is_served()).await.expect("everyone goes on at the other");
    let moved = gym.acks();

    signal("CONT", &[a.pid()]);
    let code = timeout(END, a.ended()).await.expect("whoever was taken over ends");
    assert_eq!(code, Some(1), "and says that it failed");
    let said = std::fs::read_to_string(said).unwrap();
    assert!(said.contains("has taken over"), "and why: {said}");
    for witness in witnesses {
        timeout(STEP, witness.hears_no_success()).await.expect("its connections end with it");
    }
    timeout(STEP, gym.more_acks(500)).await.expect("everyone goes on");
    timeout(STEP, gym.rest()).await.expect("everyone comes to an end");

    assert_eq!(rows_until(&database, epoch).await, written, "it has written nothing more");
    let journal = Journal::of_postgres(&database).await;
    journal.check();
    for book in gym.books() {
        journal.holds(&book);
    }
    let commands: HashSet<_> = journal.all().map(|row| row.command).collect();
    assert!(unheard.iter().all(|set| !commands.contains(&set.id)), "nothing that was sent to it is there");
    timeout(STEP, served::as_written(&gym, &journal)).await.expect("everything is answered");
    assert!(b.tool(&["verify"], "").await.starts_with("clean: "), "spotter verify finds nothing");
    println!(
        "{before} acknowledged by the one, {} by the other before the first went on, {} after",
        moved - before,
        gym.acks() - moved
    );
    gym.stop();
    timeout(STEP, training.join_all()).await.expect("everyone has seen everything");
    assert_eq!(b.stop().await, Some(0), "a drained server exits 0");
}

/// Tokens of the one are good at the other.
fn copy_keys(from: &Path, to: &Path) {
    let copied =
        std::process::Command::new("cp").arg("-a").args([from.join("keys"), to.join("keys")]).status();
    assert!(copied.unwrap().success());
}

/// The epoch of whoever serves; it is that of every shard.
async fn epoch_of_shards(database: &str) -> i64 {
    let mut connection = connect(database).await;
    sqlx::query_scalar("SELECT max(epoch) FROM shards").fetch_one(&mut connection).await.unwrap()
}

/// Every event in the journal, of whatever entity, up to an epoch: its stream, version and epoch.
async fn rows_until(database: &str, epoch: i64) -> Vec<(Uuid, i64, i64)> {
    let mut connection = connect(database).await;
    let rows = "SELECT stream, version, epoch FROM journal WHERE epoch <= $1 ORDER BY stream, version";
    sqlx::query_as(rows).bind(epoch).fetch_all(&mut connection).await.unwrap()
}
