//! One spotter on a PostgreSQL of its own, two hundred athletes and their coach, and everything that a server room
//! does to either of the two programs. After each fault: nothing acknowledged is missing or there twice, nothing
//! that is shown is ahead of the journal, and everyone is served again within seconds, without help.

#![allow(clippy::unwrap_used, reason = "a test that is surprised should end")]
#![cfg(target_os = "linux")]

#[path = "support/athletes.rs"]
mod athletes;
#[path = "support/cable.rs"]
mod cable;
#[path = "support/journal.rs"]
mod journal;
#[path = "support/postgres.rs"]
mod postgres;
#[path = "support/served.rs"]
mod served;
#[path = "support/server.rs"]
mod server;
#[path = "support/small_disk.rs"]
mod small_disk;
#[path = "support/watching.rs"]
mod watching;
#[path = "support/wire.rs"]
mod wire;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use athletes::Gym;
use cable::Cable;
use journal::Journal;
use postgres::{Ending, Postgres, connect, signal};
use server::Server;
use small_disk::SmallDisk;
use spotter_protocol::Address;
use sqlx::{ConnectOptions, Connection, Executor, PgConnection};
use tempfile::TempDir;
use tokio::sync::Mutex;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{Instant, sleep, timeout};
use watching::Seen;

const ATHLETES: usize = 200;
/// How long an athlete waits between two sets: hundreds of commands a second, and no session full before the end.
const PACE: Duration = Duration::from_millis(700);
const SEED: u64 = 0x6661_756c_7473;
/// Commands acknowledged before each fault.
const BEFORE: u64 = 400;
/// How long a program is stopped.
const STOPPED: Duration = Duration::from_secs(10);
/// How long a disk stays full, connections stay taken or are ended one after another.
const HARASSED: Duration = Duration::from_secs(5);
/// How long questions about everything may take.
const QUESTIONS: Duration = Duration::from_secs(60);
/// Connections that the server takes; spotter is content with fewer.
const CONNECTIONS: &str = "60";
/// Room for the tables before the disk is filled, and for the write-ahead log.
const SIZE: &str = "96m";

/// One test after another: each measures how soon something happens.
static TURN: Mutex<()> = Mutex::const_new(());

/// Everything that runs.
struct Room {
    spotter: Server,
    postgres: Postgres,
    /// The database, as the test reaches it; spotter reaches it by the cable.
    database: String,
    cable: Cable,
    gym: Arc<Gym>,
    training: JoinSet<()>,
    coach: JoinHandle<HashMap<Address, Seen>>,
    _folder: TempDir,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_lost_and_service_returns_when_a_program_is_killed_stopped_or_cut_off() {
    let _turn = TURN.lock().await;
    let mut room = Room::open(Postgres::start(&[("max_connections", CONNECTIONS)])).await;
    room.survives("kill -9 of spotter", async |room| {
        room.spotter.kill().await;
        room.spotter.start().await;
    })
    .await;
    room.survives("kill -9 of one PostgreSQL process", async |room| {
        signal("KILL", &room.connections_of_spotter().await[..1]);
    })
    .await;
    room.survives("kill -9 of all of PostgreSQL", async |room| {
        room.postgres.kill();
        sleep(Duration::from_secs(1)).await;
        room.postgres.run();
    })
    .await;
    room.survives("immediate restart of PostgreSQL", async |room| room.postgres.restart(Ending::Immediate))
        .await;
    room.survives("fast restart of PostgreSQL", async |room| room.postgres.restart(Ending::Fast)).await;
    room.survives("spotter stopped for 10 s", async |room| {
        signal("STOP", &[room.spotter.pid()]);
        sleep(STOPPED).await;
        signal("CONT", &[room.spotter.pid()]);
    })
    .await;
    room.survives("PostgreSQL stopped for 10 s", async |room| {
        room.postgres.stop_processes();
        sleep(STOPPED).await;
        room.postgres.continue_processes();
    })
    .await;
    room.survives("connections ended again and again", async |room| {
        let mut connection = connect(&room.database).await;
        let until = Instant::now() + HARASSED;
        while Instant::now() < until {
            end_connections_of_others(&mut connection).await;
            sleep(Duration::from_millis(50)).await;
        }
    })
    .await;
    room.survives("no connection left", async |room| {
        let mut connection = connect(&room.database).await;
        let mut foreign = Vec::new();
        let until = Instant::now() + HARASSED;
        while Instant::now() < until {
            take_connections(&room.database, &mut foreign).await;
            end_connections_of_others(&mut connection).await;
            sleep(Duration::from_millis(10)).await;
        }
    })
    .await;
    room.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_lost_and_service_returns_when_connections_fall_silent_or_a_disk_is_full() {
    let _turn = TURN.lock().await;
    let disks = SmallDisk::mount(SIZE).zip(SmallDisk::mount(SIZE));
    let settings = [("max_connections", CONNECTIONS), ("min_wal_size", "2MB"), ("max_wal_size", "80MB")];
    let mut room = Room::open(match &disks {
        Some((data, log)) => Postgres::start_on(data.path(), log.path(), &settings),
        None => Postgres::start(&settings),
    })
    .await;
    room.survives("connections fallen silent", async |room| room.cable.cut()).await;
    let Some((data, log)) = &disks else {
        println!(
            "SKIPPED full disks: this process may not mount a file system, and no other has a size of its own"
        );
        return room.close().await;
    };
    room.survives("disk of the tables full", async |_| {
        let filler = data.fill();
        sleep(HARASSED).await;
        std::fs::remove_file(filler).unwrap();
    })
    .await;
    room.survives("disk of the write-ahead log full", async |room| {
        let filler = log.fill();
        sleep(HARASSED).await;
        std::fs::remove_file(filler).unwrap();
        let ended = if room.postgres.has_ended() { "ended by itself" } else { "went on" };
        println!("  without room for its log, PostgreSQL {ended}");
        room.postgres.run_if_ended();
    })
    .await;
    room.close().await;
}

impl Room {
    async fn open(postgres: Postgres) -> Self {
        let database = postgres.new_database().await;
        let cable = Cable::to(postgres.port()).await;
        let through_it = database.replace(&format!(":{}/", postgres.port()), &format!(":{}/", cable.port()));
        let folder = tempfile::tempdir().unwrap();
        let settings = [
            ("SPOTTER_DATABASE", through_it.as_str()),
            // What goes wrong on one lane must not reach the other.
            ("SPOTTER_POSTGRES__LANES", "2"),
            ("SPOTTER_SOCKET__COMMANDS_PER_S", "10000"),
            ("SPOTTER_SOCKET__COMMANDS_BURST", "10000"),
            ("SPOTTER_LOG__FILTER", "off"),
        ];
        let mut spotter = Server::prepare(folder.path(), &settings);
        spotter.tool(&["migrate"], "").await;
        let (athletes, coach) = spotter.populate("faults", ATHLETES).await;
        spotter.start().await;
        let gym = Gym::new(spotter.socket(), athletes, PACE, SEED);
        let training = gym.train();
        timeout(QUESTIONS, gym.everyone_is_served()).await.expect("everyone begins");
        let coach = watching::watch(&gym, coach);
        Self { spotter, postgres, database, cable, gym, training, coach, _folder: folder }
    }

    /// Has something bad happen under load, and looks at everything once it is over.
    async fn survives(&mut self, fault: &str, happen: impl AsyncFnOnce(&mut Self)) {
        let enough = self.gym.more_acks(BEFORE);
        timeout(QUESTIONS, enough).await.expect("everyone trains");
        let gym = Arc::clone(&self.gym);
        if served::again(&gym, fault, happen(self)).await.is_err() {
            let said = self.postgres.log();
            panic!(
                "{fault}: not everyone is served again within {:?}; PostgreSQL said:\n{said}",
                served::RECOVERY
            );
        }
        let told = served::as_told(&gym, &self.database, &self.spotter);
        let looked = timeout(QUESTIONS, told).await;
        looked.unwrap_or_else(|_| panic!("{fault}: everyone has seen everything in time"));
        self.gym.go_on();
    }

    async fn close(mut self) {
        self.gym.stop();
        while let Some(ended) =
            timeout(QUESTIONS, self.training.join_next()).await.expect("all is acknowledged")
        {
            ended.unwrap();
        }
        self.gym.all_is_done();
        let observed = timeout(QUESTIONS, self.coach).await.expect("the coach sees everything").unwrap();
        let stopped = timeout(QUESTIONS, self.spotter.stop()).await.expect("a stopped server ends");
        assert_eq!(stopped, Some(0), "a drained server exits 0");
        assert!(
            self.spotter.tool(&["verify", "--database", &self.database], "").await.starts_with("clean: ")
        );
        let journal = Journal::of_postgres(&self.database).await;
        for book in self.gym.books() {
            assert_eq!(
                observed[&book.session].version,
                journal.head(book.session),
                "the coach saw everything"
            );
        }
    }

    async fn connections_of_spotter(&self) -> Vec<u32> {
        let mut connection = connect(&self.database).await;
        let query = "SELECT pid FROM pg_stat_activity WHERE datname = current_database() \
                     AND backend_type = 'client backend' AND pid <> pg_backend_pid()";
        let found: Vec<i32> = sqlx::query_scalar(query).fetch_all(&mut connection).await.unwrap();
        connection.close().await.unwrap();
        found.into_iter().map(|pid| u32::try_from(pid).unwrap()).collect()
    }
}

/// Ends every connection to the database but this one and those of [`take_connections`].
async fn end_connections_of_others(connection: &mut PgConnection) {
    let query = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() \
                 AND pid <> pg_backend_pid() AND application_name <> 'foreign'";
    connection.execute(query).await.unwrap();
}

/// Takes every connection that the server has left.
async fn take_connections(database: &str, taken: &mut Vec<PgConnection>) {
    let options: sqlx::postgres::PgConnectOptions = database.parse().unwrap();
    let options = options.application_name("foreign");
    while let Ok(connection) = options.connect().await {
        taken.push(connection);
    }
}
