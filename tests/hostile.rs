//! Peers that mean harm, or are broken: each gets its documented answer or close code, costs a bounded amount of
//! memory, and leaves a bystander untouched, whose every command is acknowledged meanwhile.

#![allow(
    clippy::unwrap_used,
    clippy::wildcard_enum_match_arm,
    reason = "a test that is surprised should end"
)]

#[path = "support/server.rs"]
mod server;
#[path = "support/wire.rs"]
mod wire;

use std::collections::HashMap;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::{Rng, RngExt, SeedableRng};
use server::{Person, Server};
use spotter_protocol::{
    Address, ClientFrame, ClientId, Codec, CommandFrame, ErrorCode, InstanceId, Note, NoteText, Ping, Reply,
    ServerFrame, SessionCommand, SessionId, Start, Title, Version,
};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;
use uuid::Uuid;
use wire::{Closed, Wire, command, now};

const SEED: u64 = 0x0b5c_e55e_d000;
/// A server that says nothing for so long hangs.
const ANSWER: Duration = Duration::from_secs(20);
/// Between two commands of the bystander.
const BREATH: Duration = Duration::from_millis(20);

/// A running server, someone who trains on it while it is attacked, and those who attack.
struct Gym {
    server: Server,
    people: Vec<Person>,
    coach: Person,
    stop: Arc<AtomicBool>,
    bystander: Option<JoinHandle<u64>>,
    folder: TempDir,
}

impl Gym {
    async fn new(variables: &[(&str, &str)]) -> Self {
        Self::of(3, variables).await
    }

    async fn of(athletes: usize, variables: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut server = Server::prepare(folder.path(), variables);
        let (people, coach) = server.populate("iron", athletes).await;
        server.start().await;
        let stop = Arc::new(AtomicBool::new(false));
        let bystander = tokio::spawn(train(server.socket(), people[0].clone(), Arc::clone(&stop)));
        Self { server, people, coach, stop, bystander: Some(bystander), folder }
    }

    async fn connect(&self, person: &Person) -> Wire {
        let client = ClientId(Uuid::now_v7());
        let mut wire = Wire::open(&self.server.socket(), &person.token, client, None).await.unwrap();
        assert!(matches!(wire.next().await.unwrap(), ServerFrame::Welcome(_)));
        wire
    }

    async fn raw(&self) -> TcpStream {
        TcpStream::connect(("127.0.0.1", self.server.port)).await.unwrap()
    }

    /// Bytes of memory the server has in use.
    fn memory(&self) -> u64 {
        memory_of(self.server.pid())
    }

    /// The bystander's commands were all acknowledged, on one socket.
    async fn bystander_is_untouched(mut self) {
        self.stop.store(true, Ordering::Relaxed);
        let acknowledged = timeout(ANSWER, self.bystander.take().unwrap()).await.unwrap().unwrap();
        assert!(acknowledged > 0, "the bystander trained");
        assert_eq!(self.server.stop().await, Some(0));
        drop(self.folder);
    }
}

fn memory_of(process: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
}

/// The most memory a process has in use while something is done.
async fn most_memory<T>(process: u32, done: impl Future<Output = T>) -> (u64, T) {
    let (mut done, mut most) = (pin!(done), 0);
    loop {
        most = memory_of(process).max(most);
        if let Ok(done) = timeout(Duration::from_millis(2), &mut done).await {
            return (most, done);
        }
    }
}

/// Logs notes, one after another, each acknowledged; whatever else happens ends the test.
async fn train(url: String, person: Person, stop: Arc<AtomicBool>) -> u64 {
    let client = ClientId(Uuid::now_v7());
    let mut wire = Wire::open(&url, &person.token, client, None).await.unwrap();
    assert!(matches!(wire.next().await.unwrap(), ServerFrame::Welcome(_)));
    let mut acknowledged = 0;
    while !stop.load(Ordering::Relaxed) {
        // A session holds a bounded number of notes.
        let session = Address::session(person.user, SessionId(Uuid::now_v7()));
        for n in 1..100 {
            let reply = timeout(ANSWER, ask(&mut wire, numbered(client, n, session))).await;
            assert_eq!(reply.expect("the bystander is answered").error, None);
            acknowledged += 1;
            if stop.load(Ordering::Relaxed) {
                break;
            }
            tokio::time::sleep(BREATH).await;
        }
    }
    acknowledged
}

/// The start of a session, or a note in it.
fn numbered(client: ClientId, n: u64, session: Address) -> CommandFrame {
    let text = NoteText::clipped("keep the elbows in");
    let title = Some(Title::clipped("Legs"));
    match n {
        1 => command(client, n, session, Start { workout: None, title }),
        _ => command(client, n, session, SessionCommand::from(Note { set: None, text })),
    }
}

fn a_client() -> ClientId {
    ClientId(Uuid::now_v7())
}

async fn ask(wire: &mut Wire, frame: CommandFrame) -> Reply {
    wire.send(ClientFrame::Command(frame)).await.unwrap();
    reply(wire).await
}

async fn reply(wire: &mut Wire) -> Reply {
    loop {
        if let ServerFrame::Reply(reply) = wire.next().await.unwrap() {
            return reply;
        }
    }
}

/// The code a socket is closed with, whatever comes before.
async fn closing(wire: &mut Wire) -> Option<u16> {
    let closed = async {
        loop {
            if let Err(Closed(code)) = wire.next().await {
                return code;
            }
        }
    };
    timeout(ANSWER, closed).await.expect("the socket is closed")
}

/// Sets that an athlete of a full floor logs, so many at once and so often.
const SETS: u64 = 200;
const SETS_AT_ONCE: u64 = 10;
const SQUATS: InstanceId = InstanceId(Uuid::from_u128(7));
const SETS_EVERY: Duration = Duration::from_millis(100);

/// An athlete of a full floor, with a session begun.
struct Lifter {
    wire: Wire,
    client: ClientId,
    session: Address,
}

/// The floor: everybody but the first two people of the gym.
async fn floor(gym: &Gym) -> Vec<Lifter> {
    let mut floor = Vec::new();
    for person in &gym.people[2..] {
        let (mut wire, client) = (gym.connect(person).await, a_client());
        let session = Address::session(person.user, SessionId(Uuid::now_v7()));
        assert_eq!(ask(&mut wire, numbered(client, 1, session)).await.error, None);
        floor.push(Lifter { wire, client, session });
    }
    floor
}

/// A page that follows sessions which have just begun.
async fn a_page(gym: &Gym, sessions: &[Address]) -> Wire {
    let mut page = gym.connect(&gym.coach).await;
    for session in sessions {
        page.subscribe(1, *session, None).await.unwrap();
        assert_eq!(reply(&mut page).await.v, Some(Version(1)));
    }
    page
}

/// All of them train at once; answers how many sets a second it came to.
async fn train_all(floor: Vec<Lifter>) -> f64 {
    floor.into_iter().map(lift).collect::<JoinSet<_>>().join_all().await.into_iter().sum()
}

/// Logs sets at a steady rate, each acknowledged, once the session stands; answers how many a second it came to.
async fn lift(lifter: Lifter) -> f64 {
    let Lifter { mut wire, client, session } = lifter;
    let begun = Instant::now();
    let mut beats = tokio::time::interval(SETS_EVERY);
    for first in (2..SETS + 2).step_by(SETS_AT_ONCE as usize) {
        beats.tick().await;
        for n in first..first + SETS_AT_ONCE {
            wire.send(ClientFrame::Command(command(client, n, session, wire::a_set(SQUATS)))).await.unwrap();
        }
        for _ in 0..SETS_AT_ONCE {
            assert_eq!(reply(&mut wire).await.error, None);
        }
    }
    SETS as f64 / begun.elapsed().as_secs_f64()
}

/// Takes in what is told of the sessions that `seen` has versions of: each event is the next of its session.
fn follow(seen: &mut HashMap<Address, Version>, frame: ServerFrame) {
    match frame {
        ServerFrame::Snapshot(snapshot) => {
            seen.insert(snapshot.to, snapshot.v);
        }
        ServerFrame::Events(frame) => {
            let seen = seen.get_mut(&frame.to).expect("a session that is followed");
            for event in frame.events {
                assert_eq!(event.v, seen.next(), "no gap");
                *seen = event.v;
            }
        }
        _ => {}
    }
}

/// A hundred coaches' pages stop reading in the middle of a training on a full floor. Each may hold its send queue and
/// no more, is closed, and misses nothing once it comes back with its version.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn readers_that_stop_cost_a_bounded_amount_and_resume_complete() {
    const STALLED: usize = 100;
    const FLOOR: usize = 20;
    /// The send queue that is set below, the one state it was asked for last, and what a connection costs anyway.
    const EACH: u64 = 65_536 + 121 * 2_100 + 64 * 1024;
    /// The allocator's: memory that few frames which still wait keep among many that are gone.
    const SCATTERED: u64 = 16 * 1024 * 1024;
    let gym = Gym::of(
        2 + FLOOR,
        &[
            ("SPOTTER_SOCKET__SEND_QUEUE_BYTES", "65536"),
            ("SPOTTER_SOCKET__COMMANDS_PER_S", "10000"),
            ("SPOTTER_SOCKET__COMMANDS_BURST", "10000"),
        ],
    )
    .await;
    // What the training costs anyway, with a page that reads.
    let trained = floor(&gym).await;
    let mut reading = a_page(&gym, &trained.iter().map(|lifter| lifter.session).collect::<Vec<_>>()).await;
    let reads = tokio::spawn(async move { while reading.next().await.is_ok() {} });
    let before = gym.memory();
    let (most, _) = most_memory(gym.server.pid(), train_all(trained)).await;
    let anyway = most.saturating_sub(before);
    reads.abort();

    let mut athlete = gym.connect(&gym.people[1]).await;
    let (client, session) = (a_client(), Address::session(gym.people[1].user, SessionId(Uuid::now_v7())));
    assert_eq!(ask(&mut athlete, numbered(client, 1, session)).await.error, None);
    let floor = floor(&gym).await;
    let sessions: Vec<Address> = floor.iter().map(|lifter| lifter.session).chain([session]).collect();
    let mut stalled = Vec::new();
    for _ in 0..STALLED {
        stalled.push(a_page(&gym, &sessions).await);
    }
    let before = gym.memory();

    // What a page does not read is first kept by the system: asking for the state again and again uses that up.
    let mut n = 1;
    let long = || SessionCommand::from(Note { set: None, text: NoteText::clipped(&"x".repeat(2000)) });
    for _ in 0..60 {
        n += 1;
        assert_eq!(ask(&mut athlete, command(client, n, session, long())).await.error, None);
    }
    for page in &mut stalled {
        for req in 0..60 {
            let asked = timeout(Duration::from_millis(200), page.subscribe(req, session, None));
            // Not taken any more: the server does not read from who does not read.
            let Ok(Ok(())) = asked.await else { break };
        }
    }
    let longer = async {
        for _ in 0..60 {
            n += 1;
            assert_eq!(ask(&mut athlete, command(client, n, session, long())).await.error, None);
        }
    };
    let training = async { tokio::join!(train_all(floor), longer).0 };
    let (most, rate) = most_memory(gym.server.pid(), training).await;
    let cost = most.saturating_sub(before);
    println!(
        "{STALLED} stalled pages at {rate:.0} sets/s: {} KiB more, {} without",
        cost / 1024,
        anyway / 1024
    );
    let bound = EACH * STALLED as u64 + anyway + SCATTERED;
    assert!(cost < bound, "{cost} bytes for {STALLED} stalled pages, {anyway} without");

    let (mut codes, mut seen) = (Vec::new(), HashMap::new());
    for mut page in stalled {
        seen = sessions.iter().map(|session| (*session, Version(1))).collect();
        codes.push(loop {
            match timeout(ANSWER, page.next()).await {
                Ok(Ok(frame)) => follow(&mut seen, frame),
                Ok(Err(Closed(code))) => break code,
                // It was not slow enough to be closed, and misses nothing.
                Err(_) => break None,
            }
        });
    }
    // A close that finds no room is a broken connection; one that does says why.
    assert!(codes.iter().all(|code| matches!(code, None | Some(4413))), "{codes:?}");
    let mut back = gym.connect(&gym.coach).await;
    for session in sessions {
        back.subscribe(1, session, Some(seen[&session])).await.unwrap();
        let head = loop {
            match back.next().await.unwrap() {
                ServerFrame::Reply(reply) => break reply.v,
                frame => follow(&mut seen, frame),
            }
        };
        assert_eq!(head, Some(seen[&session]), "the resumed stream is complete");
    }
    assert_eq!(seen[&session], Version(n));
    gym.bystander_is_untouched().await;
}

#[tokio::test]
async fn a_flood_of_commands_is_answered_busy_and_nobody_else_waits() {
    let gym = Gym::new(&[]).await;
    let mut flood = gym.connect(&gym.people[1]).await;
    let client = a_client();
    let before = gym.memory();

    let mut refused = 0;
    for burst in 0..20 {
        for n in 0..200 {
            let session = Address::session(gym.people[1].user, SessionId(Uuid::now_v7()));
            let frame = CommandFrame { req: burst * 200 + n, ..numbered(client, 1, session) };
            flood.send(ClientFrame::Command(frame)).await.unwrap();
        }
        for _ in 0..200 {
            let reply = reply(&mut flood).await;
            if let Some(fault) = reply.error {
                assert_eq!(fault.code, ErrorCode::Busy);
                assert!(fault.retry_after_ms.is_some());
                refused += 1;
            }
        }
    }

    assert!(refused > 2000, "{refused} of 4000 were refused");
    assert!(gym.memory() < before + 64 * 1024 * 1024);
    gym.bystander_is_untouched().await;
}

#[tokio::test]
async fn frames_beyond_every_bound_close_their_socket_alone() {
    let gym = Gym::new(&[]).await;
    let before = gym.memory();

    // A hundred megabytes are announced; what follows is never gathered.
    let mut huge = gym.connect(&gym.people[1]).await;
    let sent = huge.send_raw(Message::Binary(vec![0x92; 100 * 1024 * 1024].into())).await;
    assert!(sent.is_err() || matches!(closing(&mut huge).await, None | Some(1009)));

    let mut deep = b"\x92\xa4ping".to_vec();
    deep.extend(std::iter::repeat_n(0x91, 10_000));
    let mut json = "[".repeat(10_000);
    json.insert_str(0, r#"{"k":"ping","b":"#);
    for (codec, message) in
        [(Codec::MsgPack, Message::Binary(deep.into())), (Codec::Json, Message::Text(json.into()))]
    {
        let mut wire = Wire::connect(&gym.server.socket(), codec).await.unwrap();
        wire.send_raw(message).await.unwrap();
        assert_eq!(closing(&mut wire).await, Some(1002), "{codec:?}");
    }

    let mut mistaken = gym.connect(&gym.people[1]).await;
    mistaken.send_raw(Message::Text(r#"{"k":"ping","b":{"clock":1}}"#.into())).await.unwrap();
    assert_eq!(closing(&mut mistaken).await, Some(1003));

    assert!(gym.memory() < before + 32 * 1024 * 1024);
    gym.bystander_is_untouched().await;
}

#[tokio::test]
async fn random_bytes_are_refused_or_close_the_socket() {
    let gym = Gym::new(&[]).await;
    let mut chance = StdRng::seed_from_u64(SEED);
    for round in 0..200 {
        let mut noise = vec![0; chance.random_range(1..2000)];
        chance.fill_bytes(&mut noise);
        if round % 2 == 0 {
            // On a socket that was welcomed, behind the head of a frame that is known.
            let mut wire = gym.connect(&gym.people[1]).await;
            let mut frame = b"\x92\xa7command".to_vec();
            frame.extend(&noise);
            wire.send_raw(Message::Binary(frame.into())).await.unwrap();
            match timeout(ANSWER, wire.next()).await.expect("an answer") {
                Ok(ServerFrame::Reply(reply)) => {
                    assert_eq!(reply.error.map(|fault| fault.code), Some(ErrorCode::BadFrame));
                }
                Ok(frame) => panic!("seed {SEED:#x}: {frame:?}"),
                Err(Closed(code)) => assert_eq!(code, Some(1002), "seed {SEED:#x}"),
            }
        } else {
            // In place of HTTP.
            let mut stream = gym.raw().await;
            let _ = stream.write_all(&noise).await;
            let _ = stream.shutdown().await;
            let mut answer = Vec::new();
            let _ = timeout(ANSWER, stream.read_to_end(&mut answer)).await.expect("it is closed");
            assert!(answer.is_empty() || answer.starts_with(b"HTTP/1.1 400"), "seed {SEED:#x}");
        }
    }
    gym.bystander_is_untouched().await;
}

#[tokio::test]
async fn numbers_that_make_no_sense_are_refused_and_change_nothing() {
    let gym = Gym::new(&[]).await;
    let mut wire = gym.connect(&gym.people[1]).await;
    let (client, session) = (a_client(), Address::session(gym.people[1].user, SessionId(Uuid::now_v7())));
    let good = numbered(client, 1, session);
    let cases = [
        (CommandFrame { n: 0, after: 0, ..good.clone() }, ErrorCode::BadFrame),
        (CommandFrame { client: ClientId(Uuid::nil()), ..good.clone() }, ErrorCode::BadFrame),
        (CommandFrame { client: ClientId(Uuid::nil()), n: 0, after: 0, ..good.clone() }, ErrorCode::BadFrame),
        (CommandFrame { n: 1, after: 1, ..good.clone() }, ErrorCode::BadFrame),
        (CommandFrame { n: 2, after: 7, ..good.clone() }, ErrorCode::BadFrame),
        (CommandFrame { n: 9, after: 8, ..good.clone() }, ErrorCode::OutOfOrder),
        (CommandFrame { n: u64::MAX, after: u64::MAX - 1, ..good.clone() }, ErrorCode::OutOfOrder),
    ];
    for (frame, expected) in cases {
        let (n, after) = (frame.n, frame.after);
        let fault = ask(&mut wire, frame).await.error.expect("refused");
        assert_eq!(fault.code, expected, "n {n} after {after}");
    }
    assert_eq!(ask(&mut wire, good).await.v, Some(Version(1)), "nothing had happened");
    // A number that leaves others out follows what it says it follows.
    let sparse = CommandFrame { n: 40, after: 1, ..numbered(client, 2, session) };
    assert_eq!(ask(&mut wire, sparse).await.v, Some(Version(2)));
    gym.bystander_is_untouched().await;
}

#[tokio::test]
async fn forged_foreign_and_outdated_tokens_open_nothing() {
    let gym = Gym::new(&[]).await;
    let (others, _) = gym.server.populate("other", 1).await;
    let good = &gym.people[1].token;
    let (head, signature) = good.rsplit_once('.').unwrap();
    let (header, payload) = head.split_once('.').unwrap();
    let foreign_payload = others[0].token.split('.').nth(1).unwrap();
    let forged = [
        format!("{header}.{foreign_payload}.{signature}"),
        format!("{header}.{payload}."),
        format!("eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0.{payload}."),
        "a".repeat(60_000),
        String::new(),
    ];
    for token in forged {
        let mut wire = Wire::open(&gym.server.socket(), &token, a_client(), None).await.unwrap();
        assert_eq!(closing(&mut wire).await, Some(4503));
    }

    // A good token of another gym reaches nothing of this one.
    let mut foreign = gym.connect(&others[0]).await;
    let to = Address::session(gym.people[1].user, SessionId(Uuid::now_v7()));
    let fault = ask(&mut foreign, numbered(a_client(), 1, to)).await.error;
    assert_eq!(fault.map(|fault| fault.code), Some(ErrorCode::NotFound));
    foreign.subscribe(2, Address::room(gym.coach.user), None).await.unwrap();
    assert_eq!(reply(&mut foreign).await.error.map(|fault| fault.code), Some(ErrorCode::NotFound));
    gym.bystander_is_untouched().await;
}

/// Heads that come a byte at a time, or never end, are given up after ten seconds; others are served meanwhile.
#[tokio::test]
async fn slow_heads_and_bodies_are_given_up() {
    let gym = Gym::new(&[]).await;
    let mut slow = Vec::new();
    for head in [&b"GET /v1/so"[..], b"GET / HTTP/1.1\r\nHost: x\r\nX-Slow: ", b""] {
        let mut stream = gym.raw().await;
        stream.write_all(head).await.unwrap();
        slow.push(stream);
    }
    let mut body = gym.raw().await;
    let head = b"POST /api/v1/auth/login HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 60000\r\n\r\n{";
    body.write_all(head).await.unwrap();
    slow.push(body);

    for mut stream in slow {
        let mut answer = Vec::new();
        let ended = timeout(ANSWER, stream.read_to_end(&mut answer)).await;
        assert!(ended.is_ok(), "given up: {}", String::from_utf8_lossy(&answer));
    }
    gym.bystander_is_untouched().await;
}

#[tokio::test]
async fn guessing_passwords_is_slowed_alike_for_accounts_that_exist_and_that_do_not() {
    let gym = Gym::new(&[]).await;
    let known = gym.people[1].email.clone();
    let passwd = ["user", "passwd", "--gym", "iron", "--password-stdin", "--email"];
    gym.server.tool(&[&passwd[..], &[&known]].concat(), "correct horse\n").await;
    let client = reqwest::Client::new();
    let login = async |email: &str, password: &str| {
        let body = serde_json::json!({"gym": "iron", "email": email, "password": password});
        let url = format!("{}/api/v1/auth/login", gym.server.http());
        let request = client.post(url).header("content-type", "application/json").body(body.to_string());
        let answer = request.send().await.unwrap();
        (answer.status().as_u16(), answer.headers().contains_key("retry-after"))
    };

    let mut answers = Vec::new();
    for email in [known.as_str(), "nobody@iron.example"] {
        let mut statuses = Vec::new();
        for _ in 0..12 {
            statuses.push(login(email, "wrong horse").await);
        }
        answers.push(statuses);
    }
    assert_eq!(answers[0], answers[1], "what exists and what does not look alike");
    assert_eq!(answers[0][..10], [(401, false); 10]);
    assert_eq!(answers[0][11], (429, true));
    assert_eq!(login(&known, "correct horse").await.0, 429, "also the right one waits");

    let before = gym.memory();
    for n in 0..300 {
        login(&format!("guess{n}@iron.example"), "wrong horse").await;
    }
    assert_eq!(login("one.more@iron.example", "wrong horse").await.0, 429, "one address guesses at everyone");
    assert!(gym.memory() < before + 64 * 1024 * 1024);

    let mut wire = gym.connect(&gym.people[2]).await;
    wire.send(ClientFrame::Ping(Ping { clock: now() })).await.unwrap();
    assert!(matches!(wire.next().await.unwrap(), ServerFrame::Pong(_)), "who is signed in stays so");
    gym.bystander_is_untouched().await;
}
