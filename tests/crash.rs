//! The real binary is killed twenty times while a hundred athletes log sets. Afterwards: every acknowledged
//! command is in the journal exactly once, versions are consecutive, epochs never go back, and every
//! subscriber saw each version once or a snapshot in its place.

#![allow(clippy::unwrap_used, reason = "a test that is surprised should end")]

#[path = "support/athletes.rs"]
mod athletes;
#[path = "support/journal.rs"]
mod journal;
#[path = "support/server.rs"]
mod server;
#[path = "support/watching.rs"]
mod watching;
#[path = "support/wire.rs"]
mod wire;

use std::time::Duration;

use athletes::Gym;
use journal::Journal;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use server::Server;

const ATHLETES: usize = 100;
const KILLS: usize = 20;
const SEED: u64 = 0x5907_7e12;
/// Acknowledged commands between two kills, at least and at most.
const ACKS_BETWEEN: std::ops::Range<u64> = 150..450;
/// A run that takes longer hangs.
const DEADLINE: Duration = Duration::from_secs(120);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_acknowledged_is_lost_or_doubled_when_the_server_is_killed() {
    let folder = tempfile::tempdir().unwrap();
    let unlimited =
        [("SPOTTER_SOCKET__COMMANDS_PER_S", "10000"), ("SPOTTER_SOCKET__COMMANDS_BURST", "10000")];
    let mut server = Server::prepare(folder.path(), &unlimited);
    let (athletes, coach) = server.populate("crash", ATHLETES).await;
    server.start().await;

    let gym = Gym::new(server.socket(), athletes, Duration::ZERO, SEED);
    let training = gym.train();
    let observer = watching::watch(&gym, coach);
    let whole = async {
        let mut chance = StdRng::seed_from_u64(SEED);
        for _ in 0..KILLS {
            gym.more_acks(chance.random_range(ACKS_BETWEEN)).await;
            server.kill().await;
            server.start().await;
        }
        gym.stop();
        training.join_all().await
    };
    tokio::time::timeout(DEADLINE, whole).await.expect("the run ends in time");
    gym.all_is_done();
    let observed =
        tokio::time::timeout(DEADLINE, observer).await.expect("the coach sees everything in time").unwrap();
    assert_eq!(server.stop().await, Some(0), "a drained server exits 0");

    assert!(server.tool(&["verify"], "").await.starts_with("clean: "));
    let journal = Journal::of_sqlite(&server.data.join("spotter.db")).await;
    journal.check();
    for book in gym.books() {
        journal.holds(&book);
        let head = journal.head(book.session);
        assert_eq!(book.seen.version, head, "the athlete saw everything");
        assert_eq!(observed[&book.session].version, head, "the coach saw everything");
    }
    let (acks, resumed) = (gym.acks(), gym.resumed());
    println!("{acks} commands acknowledged over {KILLS} kills; {resumed} reconnections; seed {SEED:#x}");
    assert!(acks >= KILLS as u64 * ACKS_BETWEEN.start);
}
