//! Athletes who log sets over real sockets, whatever is done to the server meanwhile: they reconnect, resume and
//! send again what was not acknowledged, as phones do.

#![allow(dead_code, unreachable_pub, reason = "each test uses its part")]
#![allow(clippy::wildcard_enum_match_arm, reason = "a test that is surprised should end")]

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock};
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use spotter_protocol::{
    Actual, Address, ClientFrame, ClientId, Command, CommandFrame, Complete, Fault, InstanceId, Load, Name,
    Note, NoteText, Persistence, Place, Reply, Reps, ServerFrame, SessionId, SetId, Start, Title, Unit,
    Version,
};
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout_at};
use uuid::Uuid;

use crate::server::Person;
use crate::watching::Seen;
use crate::wire::{self, Closed, Wire};

/// Commands an athlete has under way at once.
const WINDOW: usize = 4;
/// How often somebody looks up from a socket.
pub const LOOK_UP: Duration = Duration::from_millis(100);
/// How long somebody waits before trying again, when the server names no time.
pub const AGAIN: Duration = Duration::from_millis(20);

/// The request to follow one's own session; commands are requested by their numbers, from 1.
pub const FOLLOW: u64 = 0;

/// Athletes in training, and what everyone of them knows.
pub struct Gym {
    urls: Mutex<Vec<String>>,
    /// Connections that were tried.
    tries: AtomicUsize,
    /// How long an athlete waits between two commands.
    pace: Duration,
    books: Vec<Mutex<Book>>,
    acks: AtomicU64,
    resumed: AtomicU64,
    resting: AtomicBool,
    over: AtomicBool,
    /// What there is to be seen in the end, once that is known.
    heads: OnceLock<HashMap<Address, Version>>,
}

/// What one athlete's phone remembers.
pub struct Book {
    pub athlete: Person,
    pub session: Address,
    pub client: ClientId,
    /// By number: the command, and the version it was acknowledged at.
    pub acknowledged: BTreeMap<u64, (CommandFrame, Version)>,
    pub seen: Seen,
    unanswered: VecDeque<CommandFrame>,
    chance: StdRng,
    instance: InstanceId,
    next: u64,
}

impl Gym {
    /// Nobody trains yet. `url` is the server's socket.
    pub fn new(url: String, athletes: Vec<Person>, pace: Duration, seed: u64) -> Arc<Self> {
        let book = |(number, athlete)| Mutex::new(Book::new(athlete, seed + number as u64));
        Arc::new(Self {
            urls: Mutex::new(vec![url]),
            tries: AtomicUsize::new(0),
            pace,
            books: athletes.into_iter().enumerate().map(book).collect(),
            acks: AtomicU64::new(0),
            resumed: AtomicU64::new(0),
            resting: AtomicBool::new(false),
            over: AtomicBool::new(false),
            heads: OnceLock::new(),
        })
    }

    /// Every athlete logs sets until told to stop, and then until everything is acknowledged and seen.
    pub fn train(self: &Arc<Self>) -> JoinSet<()> {
        (0..self.books.len()).map(|place| train(Arc::clone(self), place)).collect()
    }

    /// What every athlete knows.
    pub fn books(&self) -> impl Iterator<Item = MutexGuard<'_, Book>> {
        self.books.iter().map(|book| book.lock().expect("no athlete panicked"))
    }

    /// How many commands were acknowledged.
    pub fn acks(&self) -> u64 {
        self.acks.load(Ordering::Relaxed)
    }

    /// How often a connection broke and another was made.
    pub fn resumed(&self) -> u64 {
        self.resumed.load(Ordering::Relaxed)
    }

    /// Waits until so many commands more were acknowledged.
    pub async fn more_acks(&self, more: u64) {
        let enough = self.acks() + more;
        while self.acks() < enough {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    /// Waits until everyone has a command acknowledged that began after this moment; answers how long the first of them
    /// waited, and the last.
    pub async fn everyone_is_served(&self) -> (Duration, Duration) {
        let begun = Instant::now();
        let next: Vec<u64> = self.books().map(|book| book.next).collect();
        let served =
            || self.books().zip(&next).filter(|(book, next)| book.acknowledged.contains_key(next)).count();
        let mut first = None;
        loop {
            let served = served();
            if served > 0 {
                first.get_or_insert(begun.elapsed());
            }
            match first {
                Some(first) if served == self.books.len() => return (first, begun.elapsed()),
                _ => tokio::time::sleep(Duration::from_millis(5)).await,
            }
        }
    }

    /// Nobody begins a command; answers when all that were begun are acknowledged.
    pub async fn rest(&self) {
        self.resting.store(true, Ordering::SeqCst);
        while !self.books().all(|book| book.unanswered.is_empty()) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// The rest is over.
    pub fn go_on(&self) {
        self.resting.store(false, Ordering::SeqCst);
    }

    /// The training is over; everyone's task ends when everything they did is acknowledged and seen.
    pub fn stop(&self) {
        self.over.store(true, Ordering::SeqCst);
    }

    /// Says, after everyone's task has ended, what the coach is to see before theirs ends.
    pub fn all_is_done(&self) {
        let heads = self.books().map(|book| (book.session, book.seen.version.unwrap_or_default()));
        self.heads.set(heads.collect()).expect("said once");
    }

    /// The version of each session up to which the coach is to see it, once that is known.
    pub fn heads(&self) -> Option<&HashMap<Address, Version>> {
        self.heads.get()
    }

    /// The socket of the server whose turn it is.
    pub fn url(&self) -> String {
        let (urls, number) = (self.urls(), self.tries.fetch_add(1, Ordering::Relaxed));
        urls[number % urls.len()].clone()
    }

    /// Everyone leaves the server they are connected to, and goes on at another.
    pub fn move_to(&self, url: String) {
        self.spread(vec![url]);
    }

    /// Whoever connects goes to one of these, each in turn; whoever is connected to another leaves it.
    pub fn spread(&self, urls: Vec<String>) {
        *self.urls() = urls;
    }

    fn urls(&self) -> MutexGuard<'_, Vec<String>> {
        self.urls.lock().expect("nobody panicked with it")
    }

    fn is_over(&self) -> bool {
        self.over.load(Ordering::SeqCst)
    }

    fn begins_nothing(&self) -> bool {
        self.is_over() || self.resting.load(Ordering::SeqCst)
    }

    /// Held for a moment only: the test looks at all books now and then.
    fn book(&self, place: usize) -> MutexGuard<'_, Book> {
        self.books[place].lock().expect("nobody panicked with it")
    }
}

impl Book {
    fn new(athlete: Person, seed: u64) -> Self {
        Self {
            session: Address::session(athlete.user, SessionId(Uuid::now_v7())),
            athlete,
            client: ClientId(Uuid::now_v7()),
            acknowledged: BTreeMap::new(),
            seen: Seen::default(),
            unanswered: VecDeque::new(),
            chance: StdRng::seed_from_u64(seed),
            instance: InstanceId(Uuid::now_v7()),
            next: 1,
        }
    }

    fn is_done(&self) -> bool {
        let newest = self.acknowledged.values().map(|(_, version)| *version).max();
        self.unanswered.is_empty() && self.seen.version >= newest
    }

    /// What the athlete does next; kept before it is sent, as a phone does: a socket that breaks must not lose it.
    fn begin(&mut self) -> CommandFrame {
        let n = self.next;
        self.next += 1;
        let what: Command = match n {
            1 => Start { workout: None, title: Some(Title::clipped("Legs")) }.into(),
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
        let command = wire::command(self.client, n, self.session, what);
        self.unanswered.push_back(command.clone());
        command
    }

    fn acknowledge(&mut self, n: u64, version: Version) {
        let place =
            self.unanswered.iter().position(|command| command.n == n).expect("an answer to a question");
        let command = self.unanswered.remove(place).expect("just found");
        let before = self.acknowledged.insert(n, (command, version));
        assert_eq!(before, None, "each command is acknowledged once");
    }
}

/// Requests that were refused for now, to be made once more at some moment.
struct Repeats {
    requests: BTreeSet<u64>,
    at: Instant,
}

impl Repeats {
    fn none() -> Self {
        Self { requests: BTreeSet::new(), at: Instant::now() }
    }

    fn refused(&mut self, request: u64, fault: &Fault) {
        assert_eq!(fault.kind, Persistence::Temporary, "request {request}: {fault}");
        let wait = fault.retry_after_ms.map_or(AGAIN, |wait| Duration::from_millis(wait.0.into()));
        self.at = self.at.max(Instant::now() + wait);
        self.requests.insert(request);
    }

    fn due(&mut self) -> BTreeSet<u64> {
        if Instant::now() < self.at { BTreeSet::new() } else { std::mem::take(&mut self.requests) }
    }
}

async fn train(gym: Arc<Gym>, place: usize) {
    let mut incarnation = None;
    while trained(&gym, place, &mut incarnation).await.is_err() {
        gym.resumed.fetch_add(1, Ordering::Relaxed);
        tokio::time::sleep(AGAIN).await;
    }
}

/// One connection of an athlete.
async fn trained(gym: &Gym, place: usize, incarnation: &mut Option<Uuid>) -> Result<(), Closed> {
    let (athlete, client, session) = {
        let book = gym.book(place);
        (book.athlete.clone(), book.client, book.session)
    };
    let url = gym.url();
    let mut wire = Wire::open(&url, &athlete.token, client, *incarnation).await?;
    let ServerFrame::Welcome(welcome) = wire.next().await? else { panic!("welcome comes first") };
    *incarnation = Some(welcome.incarnation);
    let (resend, seen, mut following) = {
        let book = gym.book(place);
        (book.unanswered.clone(), book.seen.version, !book.acknowledged.is_empty())
    };
    if following {
        wire.subscribe(FOLLOW, session, seen).await?;
    }
    for command in resend {
        wire.send(ClientFrame::Command(command)).await?;
    }
    let mut next = Instant::now() + gym.pace.mul_f64(gym.book(place).chance.random());
    let mut again = Repeats::none();
    loop {
        if gym.is_over() && gym.book(place).is_done() {
            return Ok(());
        }
        if !gym.urls().contains(&url) {
            return Err(Closed(None));
        }
        for request in again.due() {
            let (command, seen) = {
                let book = gym.book(place);
                (book.unanswered.iter().find(|command| command.n == request).cloned(), book.seen.version)
            };
            match command {
                Some(command) => wire.send(ClientFrame::Command(command)).await?,
                None if request == FOLLOW => wire.subscribe(FOLLOW, session, seen).await?,
                None => {}
            }
        }
        while Instant::now() >= next {
            let command = {
                let mut book = gym.book(place);
                if gym.begins_nothing() || book.unanswered.len() >= WINDOW {
                    break;
                }
                book.begin()
            };
            wire.send(ClientFrame::Command(command)).await?;
            next = Instant::now() + gym.pace;
        }
        let mut look_up = Instant::now() + LOOK_UP;
        if next > Instant::now() {
            look_up = look_up.min(next);
        }
        if !again.requests.is_empty() {
            look_up = look_up.min(again.at);
        }
        let Ok(frame) = timeout_at(look_up, wire.next()).await else { continue };
        match frame? {
            ServerFrame::Reply(Reply { req: Some(n), error: Some(fault), .. }) => again.refused(n, &fault),
            ServerFrame::Reply(Reply { req: Some(FOLLOW), .. }) => {}
            ServerFrame::Reply(Reply { req: Some(n), v: Some(version), .. }) => {
                gym.book(place).acknowledge(n, version);
                gym.acks.fetch_add(1, Ordering::Relaxed);
                if !following {
                    following = true;
                    wire.subscribe(FOLLOW, session, None).await?;
                }
            }
            ServerFrame::Snapshot(snapshot) => gym.book(place).seen.snapshot(snapshot.v),
            ServerFrame::Events(events) => gym.book(place).seen.events(&events),
            ServerFrame::GoAway(_) => {}
            other => panic!("not asked for: {other:?}"),
        }
    }
}
