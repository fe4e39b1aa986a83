//! One process that runs the engine: a runtime of its own, whose tasks are taken step by step. To let it crash is to
//! drop it, wherever its tasks are; to suspend it is to take no steps.

use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use spotter_actors::{
    Alone, Answer, Ask, Backplane, Claims, Clock, Engine, Journal, Listener, LocalBackplane, Ports,
    Publication, ReplyTo, SimulatedJournal, Tuning, Watch,
};
use spotter_protocol::{Address, CommandFrame, Timestamp, UserId};
use tokio::runtime::Runtime;
use tokio::time::Instant;
use uuid::Uuid;

use crate::ledger::Ledger;
use crate::library::Fragile;
use crate::world::{COACH, GYM, everybody};

const TUNING: Tuning = Tuning {
    idle: Duration::from_millis(700),
    tick: Duration::from_millis(400),
    snapshot_every: 10,
    rotate_every: 20,
    lanes: 2,
};

/// What all processes share, and outlives them.
#[derive(Clone)]
pub(crate) struct Ground {
    pub(crate) journal: Arc<SimulatedJournal>,
    pub(crate) ledger: Arc<Ledger>,
    pub(crate) library: Arc<Fragile>,
    /// How far the clocks of all processes were put forward, in microseconds.
    pub(crate) jumped: Arc<AtomicI64>,
    pub(crate) answers: Arc<Mutex<Vec<Heard>>>,
}

/// An answer on its way to a phone.
pub(crate) struct Heard {
    /// The process that it comes from.
    pub(crate) from: usize,
    pub(crate) phone: usize,
    pub(crate) n: u64,
    pub(crate) answer: Answer,
}

/// How far a process gets before something else happens.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Slice {
    /// About so many polls of its tasks; no time passes.
    Polls(u32),
    /// Everything that happens within so long.
    Time(Duration),
}

pub(crate) struct Process {
    pub(crate) number: usize,
    /// The timeline of the journal in which it claimed its shards.
    pub(crate) timeline: usize,
    /// Whether it takes no steps.
    pub(crate) suspended: bool,
    pub(crate) engine: Arc<Engine>,
    pub(crate) runtime: Runtime,
    ground: Ground,
    /// Whether anybody can hear it.
    alive: Arc<AtomicBool>,
    _watch: Watch,
}

impl Process {
    /// Starts a process at `now`, which claims every shard.
    pub(crate) fn start(number: usize, ground: &Ground, now: Timestamp) -> Self {
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        // Between two tasks there is always a moment at which the process may stop.
        let runtime = runtime.enable_time().start_paused(true).event_interval(1).build().unwrap();
        let entered = runtime.enter();
        let timeline = ground.ledger.timeline();
        let backplane = Arc::new(LocalBackplane::default());
        let ear: Arc<dyn Listener> = Arc::new(Ear { timeline, ledger: Arc::clone(&ground.ledger) });
        for person in everybody() {
            backplane.listen(person, Arc::clone(&ear));
        }
        let ports = Ports {
            journal: Arc::clone(&ground.journal) as Arc<dyn Journal>,
            library: Arc::clone(&ground.library) as _,
            backplane: Arc::clone(&backplane) as _,
            dead_letters: Arc::clone(&ground.journal) as _,
            clock: Arc::new(Running::from(now, Arc::clone(&ground.jumped))),
            peers: Arc::new(Alone),
        };
        let claim = ground.journal.claim(Uuid::from_u128(0x90de << 64 | number as u128));
        let engine =
            runtime.block_on(Engine::start(ports, Arc::new(Claims::lasting(&claim)), TUNING)).unwrap();
        let watch = engine.watch(GYM, COACH, ear);
        drop(entered);
        let (ground, alive) = (ground.clone(), Arc::new(AtomicBool::new(true)));
        Self { number, timeline, suspended: false, engine, runtime, ground, alive, _watch: watch }
    }

    /// Takes some steps, unless it is suspended.
    pub(crate) fn run(&self, slice: Slice) {
        if self.suspended {
            return;
        }
        self.runtime.block_on(async {
            match slice {
                Slice::Polls(count) => {
                    for _ in 0..count {
                        tokio::task::yield_now().await;
                    }
                }
                Slice::Time(length) => tokio::time::sleep(length).await,
            }
        });
    }

    /// The time by its clock.
    pub(crate) fn now(&self) -> Timestamp {
        let _entered = self.runtime.enter();
        self.engine.clock().now()
    }

    /// Hands a command over; the answer is held against the ledger before the phone hears it.
    pub(crate) fn dispatch(&self, phone: usize, author: UserId, frame: CommandFrame) {
        let _entered = self.runtime.enter();
        let (to, id, n) = (frame.to, frame.id, frame.n);
        let (from, timeline, alive) = (self.number, self.timeline, Arc::clone(&self.alive));
        let (ledger, answers) = (Arc::clone(&self.ground.ledger), Arc::clone(&self.ground.answers));
        let reply = ReplyTo::new(move |answer| {
            if alive.load(Ordering::Relaxed) {
                ledger.answered(timeline, to, id, &answer);
                answers.lock().unwrap().push(Heard { from, phone, n, answer });
            }
        });
        self.engine.dispatch(Ask::new(GYM, author, frame, 0, self.engine.clock().now(), reply));
    }

    /// Lets entities in quarantine try again, as an operator does.
    pub(crate) fn release(&self) {
        let _entered = self.runtime.enter();
        for held in self.engine.quarantined() {
            self.ground.ledger.count("quarantines");
            self.engine.release(held.address);
        }
    }

    /// Listens to the owner of `address` here.
    pub(crate) fn listen(&self, address: Address, listener: Arc<dyn Listener>) {
        self.engine.backplane().listen(address.owner, listener);
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.alive.store(false, Ordering::Relaxed);
    }
}

/// A clock that goes with the runtime's.
struct Running {
    from: Timestamp,
    since: Instant,
    jumped: Arc<AtomicI64>,
}

impl Running {
    fn from(now: Timestamp, jumped: Arc<AtomicI64>) -> Self {
        let from = now.shifted(-jumped.load(Ordering::Relaxed));
        Self { from, since: Instant::now(), jumped }
    }
}

impl Clock for Running {
    fn now(&self) -> Timestamp {
        let lived = i64::try_from(self.since.elapsed().as_micros()).unwrap();
        self.from.shifted(lived + self.jumped.load(Ordering::Relaxed))
    }
}

/// Hears everything that a process says, and holds it against the ledger.
struct Ear {
    timeline: usize,
    ledger: Arc<Ledger>,
}

impl Listener for Ear {
    fn hear(&self, publication: &Arc<Publication>) {
        match &**publication {
            Publication::Events(news) => self.ledger.published(self.timeline, news),
            Publication::Tiles(news) => self.ledger.shown(self.timeline, &news.frame),
            Publication::Presence(..) | Publication::Signal(_) | Publication::Doubt(_) => {}
        }
    }
}
