//! The real binary is killed twenty times while a hundred athletes log sets. Afterwards: every acknowledged
//! command is in the journal exactly once, versions are consecutive, epochs never go back, and every
//! subscriber saw each version once or a snapshot in its place.

#![allow(
    clippy::unwrap_used,
    clippy::wildcard_enum_match_arm,
    reason = "a test that is surprised should end"
)]

#[path = "support/server.rs"]
mod server;
#[path = "support/wire.rs"]
mod wire;

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use server::{Person, Server};
use spotter_protocol::{
    Actual, Address, ClientFrame, ClientId, Command, CommandFrame, CommandId, Complete, EventsFrame,
    InstanceId, Load, Name, Note, NoteText, Persistence, Place, Reply, Reps, ServerFrame, SessionId, SetId,
    Start, Title, Unit, Version,
};
use sqlx::Row;
use tokio::task::JoinSet;
use uuid::Uuid;
use wire::{Closed, Wire};

const ATHLETES: usize = 100;
const KILLS: usize = 20;
const SEED: u64 = 0x5907_7e12;
/// Acknowledged commands between two kills, at least and at most.
const ACKS_BETWEEN: std::ops::Range<u64> = 150..450;
/// Commands an athlete has under way at once.
const WINDOW: usize = 4;
/// How often the observer looks up from its socket.
const LOOK_UP: Duration = Duration::from_millis(100);
/// A run that takes longer hangs.
const DEADLINE: Duration = Duration::from_secs(120);

/// What everyone shares.
struct Gym {
    url: String,
    acks: AtomicU64,
    resumed: AtomicU64,
    stopping: AtomicBool,
    /// What there is to be seen in the end, once that is known.
    heads: OnceLock<HashMap<Address, Version>>,
}

/// What one athlete knows at the end.
struct Log {
    session: Address,
    client: ClientId,
    /// By number: the command and the version it was acknowledged at.
    acknowledged: BTreeMap<u64, (CommandId, Version)>,
    seen: Seen,
}

/// The versions a subscriber has of one entity; it panics at a gap and at a double.
#[derive(Clone, Copy, Debug, Default)]
struct Seen {
    version: Option<Version>,
}

impl Seen {
    fn events(&mut self, frame: &EventsFrame) {
        for event in &frame.events {
            let next = self.version.map(Version::next).expect("a snapshot or the first event comes first");
            assert_eq!(event.v, next, "{}: each version once", frame.to);
            self.version = Some(event.v);
        }
    }

    fn snapshot(&mut self, version: Version) {
        assert!(self.version.is_none_or(|seen| seen <= version), "a snapshot never goes back");
        self.version = Some(version);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_acknowledged_is_lost_or_doubled_when_the_server_is_killed() {
    let folder = tempfile::tempdir().unwrap();
    let unlimited =
        [("SPOTTER_SOCKET__COMMANDS_PER_S", "10000"), ("SPOTTER_SOCKET__COMMANDS_BURST", "10000")];
    let mut server = Server::prepare(folder.path(), &unlimited);
    let (athletes, coach) = server.populate("crash", ATHLETES).await;
    server.start().await;

    let gym = Arc::new(Gym {
        url: server.socket(),
        acks: AtomicU64::new(0),
        resumed: AtomicU64::new(0),
        stopping: AtomicBool::new(false),
        heads: OnceLock::new(),
    });
    let mut running = JoinSet::new();
    let mut sessions = Vec::new();
    for (number, athlete) in athletes.into_iter().enumerate() {
        let session = Address::session(athlete.user, SessionId(Uuid::now_v7()));
        sessions.push(session);
        running.spawn(train(Arc::clone(&gym), athlete, session, SEED + number as u64));
    }
    let observer = tokio::spawn(observe(Arc::clone(&gym), coach, sessions));

    let whole = async {
        let mut chance = StdRng::seed_from_u64(SEED);
        for _ in 0..KILLS {
            let enough = gym.acks.load(Ordering::Relaxed) + chance.random_range(ACKS_BETWEEN);
            while gym.acks.load(Ordering::Relaxed) < enough {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            server.kill().await;
            server.start().await;
        }
        gym.stopping.store(true, Ordering::Relaxed);
        running.join_all().await
    };
    let logs = tokio::time::timeout(DEADLINE, whole).await.expect("the run ends in time");
    let heads = logs.iter().map(|log| (log.session, log.seen.version.unwrap_or_default()));
    gym.heads.set(heads.collect()).unwrap();
    let observed =
        tokio::time::timeout(DEADLINE, observer).await.expect("the coach sees everything in time").unwrap();
    assert_eq!(server.stop().await, Some(0), "a drained server exits 0");

    assert!(server.tool(&["verify"], "").await.starts_with("clean: "));
    let journal = read_journal(&server).await;
    let mut acknowledged = 0;
    for log in &logs {
        let rows = &journal[&log.session];
        check_rows(rows);
        for (n, (command, version)) in &log.acknowledged {
            let events: Vec<_> = rows.iter().filter(|row| row.command == *command).collect();
            assert!(
                !events.is_empty(),
                "acknowledged {command} (n {n}) of {} is in the journal",
                log.session
            );
            assert!(events.iter().all(|row| row.n == *n && row.client == log.client));
            assert_eq!(
                events.last().map(|row| row.version),
                Some(*version),
                "acknowledged at its last version"
            );
            let first = events[0].version.0;
            assert_eq!(
                first + events.len() as u64 - 1,
                version.0,
                "the events of {command} stand together, once"
            );
        }
        acknowledged += log.acknowledged.len();
        let head = rows.last().map(|row| row.version);
        assert_eq!(log.seen.version, head, "the athlete saw everything");
        assert_eq!(observed[&log.session].version, head, "the coach saw everything");
    }
    let resumed = gym.resumed.load(Ordering::Relaxed);
    println!(
        "{acknowledged} commands acknowledged over {KILLS} kills; {resumed} reconnections; seed {SEED:#x}"
    );
    assert!(acknowledged as u64 >= KILLS as u64 * ACKS_BETWEEN.start);
}

/// An athlete who logs sets until told to stop, and then until everything is acknowledged.
async fn train(gym: Arc<Gym>, athlete: Person, session: Address, seed: u64) -> Log {
    let client = ClientId(Uuid::now_v7());
    let mut log = Log { session, client, acknowledged: BTreeMap::new(), seen: Seen::default() };
    let mut script =
        Script { chance: StdRng::seed_from_u64(seed), instance: InstanceId(Uuid::now_v7()), next: 1 };
    let mut unanswered: VecDeque<CommandFrame> = VecDeque::new();
    let mut incarnation = None;
    loop {
        match trained(&gym, &athlete, &mut log, &mut script, &mut unanswered, &mut incarnation).await {
            Ok(()) => return log,
            Err(Closed(_)) => {
                gym.resumed.fetch_add(1, Ordering::Relaxed);
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
    }
}

/// One connection of an athlete.
async fn trained(
    gym: &Gym,
    athlete: &Person,
    log: &mut Log,
    script: &mut Script,
    unanswered: &mut VecDeque<CommandFrame>,
    incarnation: &mut Option<Uuid>,
) -> Result<(), Closed> {
    let mut wire = Wire::open(&gym.url, &athlete.token, log.client, *incarnation).await?;
    let ServerFrame::Welcome(welcome) = wire.next().await? else { panic!("welcome comes first") };
    *incarnation = Some(welcome.incarnation);
    let mut following = !log.acknowledged.is_empty();
    if following {
        wire.subscribe(0, log.session, log.seen.version).await?;
    }
    for command in unanswered.iter() {
        wire.send(ClientFrame::Command(command.clone())).await?;
    }
    loop {
        let stopping = gym.stopping.load(Ordering::Relaxed);
        if stopping && unanswered.is_empty() && log.caught_up() {
            return Ok(());
        }
        while !stopping && unanswered.len() < WINDOW {
            let command = script.next(log.client, log.session);
            // Kept before it is sent, as a phone does: a socket that breaks here must not lose it.
            unanswered.push_back(command.clone());
            wire.send(ClientFrame::Command(command)).await?;
        }
        match wire.next().await? {
            ServerFrame::Reply(Reply { req: Some(0), error, .. }) => {
                assert_eq!(error, None, "the session is there")
            }
            ServerFrame::Reply(Reply { req: Some(n), v: Some(version), .. }) => {
                let place =
                    unanswered.iter().position(|command| command.n == n).expect("an answer to a question");
                let command = unanswered.remove(place).expect("just found");
                gym.acks.fetch_add(1, Ordering::Relaxed);
                let before = log.acknowledged.insert(n, (command.id, version));
                assert_eq!(before, None, "each command is acknowledged once");
                if !following {
                    following = true;
                    wire.subscribe(0, log.session, None).await?;
                }
            }
            ServerFrame::Reply(Reply { req: Some(n), error: Some(fault), .. }) => {
                assert_eq!(fault.kind, Persistence::Temporary, "n {n}: {fault}");
                let again: Vec<_> = unanswered.iter().filter(|command| command.n >= n).cloned().collect();
                for command in again.into_iter().take(1) {
                    wire.send(ClientFrame::Command(command)).await?;
                }
            }
            ServerFrame::Snapshot(snapshot) => log.seen.snapshot(snapshot.v),
            ServerFrame::Events(events) => log.seen.events(&events),
            other => panic!("not asked for: {other:?}"),
        }
    }
}

impl Log {
    fn caught_up(&self) -> bool {
        let newest = self.acknowledged.values().map(|(_, version)| *version).max();
        self.seen.version >= newest
    }
}

/// What an athlete does next.
struct Script {
    chance: StdRng,
    instance: InstanceId,
    next: u64,
}

impl Script {
    fn next(&mut self, client: ClientId, session: Address) -> CommandFrame {
        let n = self.next;
        self.next += 1;
        let what: Command = match n {
            1 => Start { workout: None, title: Some(Title::clipped("Crash")) }.into(),
            _ if self.chance.random_bool(0.1) => {
                Note { set: None, text: NoteText::clipped("still here") }.into()
            }
            _ => Complete {
                set: SetId(Uuid::now_v7()),
                actual: Actual {
                    load: Load::new(self.chance.random_range(20..200) * 1000, Unit::Kg).ok(),
                    reps: Reps::new(self.chance.random_range(1..12)).ok(),
                    ..Actual::default()
                },
                place: Some(Place {
                    instance: self.instance,
                    exercise: "squat".parse().unwrap(),
                    name: Name::clipped("Squat"),
                    load_kind: Default::default(),
                    set_type: Default::default(),
                }),
            }
            .into(),
        };
        wire::command(client, n, session, what)
    }
}

/// A coach who follows every session until everything there is to see was seen.
async fn observe(gym: Arc<Gym>, coach: Person, sessions: Vec<Address>) -> HashMap<Address, Seen> {
    let mut seen: HashMap<Address, Seen> =
        sessions.into_iter().map(|session| (session, Seen::default())).collect();
    let client = ClientId(Uuid::now_v7());
    let mut incarnation = None;
    // A connection that breaks is not an error here: the next one resumes.
    while observed(&gym, &coach, client, &mut incarnation, &mut seen).await.is_err() {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    seen
}

/// Whether a coach who has `seen` that has seen everything.
fn saw_everything(gym: &Gym, seen: &HashMap<Address, Seen>) -> bool {
    gym.heads
        .get()
        .is_some_and(|heads| heads.iter().all(|(session, head)| seen[session].version >= Some(*head)))
}

async fn observed(
    gym: &Gym,
    coach: &Person,
    client: ClientId,
    incarnation: &mut Option<Uuid>,
    seen: &mut HashMap<Address, Seen>,
) -> Result<(), Closed> {
    let mut wire = Wire::open(&gym.url, &coach.token, client, *incarnation).await?;
    let ServerFrame::Welcome(welcome) = wire.next().await? else { panic!("welcome comes first") };
    *incarnation = Some(welcome.incarnation);
    for (session, seen) in seen.iter() {
        wire.subscribe(0, *session, seen.version).await?;
    }
    while !saw_everything(gym, seen) {
        // Looks up now and then: the last frame may come before what there is to see is known.
        let Ok(frame) = tokio::time::timeout(LOOK_UP, wire.next()).await else { continue };
        match frame? {
            ServerFrame::Snapshot(snapshot) => {
                seen.get_mut(&snapshot.to).expect("asked for").snapshot(snapshot.v)
            }
            ServerFrame::Events(events) => seen.get_mut(&events.to).expect("asked for").events(&events),
            // A session that has not begun is not there yet: asked for again at the next connection.
            ServerFrame::Reply(_) | ServerFrame::GoAway(_) => {}
            other => panic!("not asked for: {other:?}"),
        }
    }
    Ok(())
}

struct JournalRow {
    version: Version,
    epoch: i64,
    command: CommandId,
    client: ClientId,
    n: u64,
}

fn check_rows(rows: &[JournalRow]) {
    for (place, row) in rows.iter().enumerate() {
        assert_eq!(row.version.0, place as u64 + 1, "versions are consecutive from 1");
    }
    assert!(rows.is_sorted_by_key(|row| row.epoch), "epochs never go back");
}

async fn read_journal(server: &Server) -> HashMap<Address, Vec<JournalRow>> {
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(server.data.join("spotter.db"));
    let pool = sqlx::SqlitePool::connect_with(options).await.unwrap();
    let query = "SELECT e.owner, e.id, j.version, j.epoch, j.command, j.client, j.n \
                 FROM journal j JOIN entities e ON e.stream = j.stream ORDER BY j.stream, j.version";
    let rows = sqlx::query(query).fetch_all(&pool).await.unwrap();
    let uuid = |row: &sqlx::sqlite::SqliteRow, column: &str| Uuid::from_slice(row.get(column)).unwrap();
    let number =
        |row: &sqlx::sqlite::SqliteRow, column: &str| u64::try_from(row.get::<i64, _>(column)).unwrap();
    let mut journal: HashMap<Address, Vec<JournalRow>> = HashMap::new();
    for row in &rows {
        let owner = spotter_protocol::UserId(uuid(row, "owner"));
        let address = Address::session(owner, SessionId(uuid(row, "id")));
        journal.entry(address).or_default().push(JournalRow {
            version: Version(number(row, "version")),
            epoch: row.get("epoch"),
            command: CommandId(uuid(row, "command")),
            client: ClientId(uuid(row, "client")),
            n: number(row, "n"),
        });
    }
    journal
}
