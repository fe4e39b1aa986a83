//! The world of one seed: people with their phones, processes that serve them, subscribers, and a journal that outlives
//! the processes. It goes on in slices; after each of them it is seen whether anything was wrong.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use spotter_actors::{Journal, SimulatedJournal};
use spotter_protocol::{Address, GymId, SessionId, Timestamp, UserId};
use uuid::Uuid;

use crate::chaos::{self, Temper};
use crate::checks;
use crate::ledger::{Ledger, Tally};
use crate::library::Fragile;
use crate::phones::Phone;
use crate::process::{Ground, Process, Slice};
use crate::subscribers::Subscriber;

pub(crate) const GYM: GymId = GymId(Uuid::from_u128(0x67));
pub(crate) const COACH: UserId = UserId(Uuid::from_u128(0xc0));
pub(crate) const ATHLETES: u128 = 3;
/// The first moment of a world.
const DAWN: Timestamp = Timestamp(1_760_000_000_000_000);
/// Slices in which things go wrong.
const TROUBLED: u32 = 110;
/// Slices after which everything has settled.
const SETTLED: u32 = 1_000;

pub(crate) const fn athlete(k: u128) -> UserId {
    UserId(Uuid::from_u128(0xa0 + k))
}

/// Whom something can be published to.
pub(crate) fn everybody() -> impl Iterator<Item = UserId> {
    (0..ATHLETES).map(athlete).chain([COACH])
}

/// Where commands go: a session of each athlete, the inboxes of two of them and the coach's room.
fn entities() -> impl Iterator<Item = Address> {
    let sessions = (0..ATHLETES).map(|k| Address::session(athlete(k), SessionId(Uuid::from_u128(0x5e0 + k))));
    sessions.chain((0..2).map(athlete).map(Address::inbox)).chain([Address::room(COACH)])
}

pub(crate) struct World {
    pub(crate) chance: StdRng,
    pub(crate) temper: Temper,
    pub(crate) ground: Ground,
    /// All that run, oldest first; those that lost their shards do not know it.
    pub(crate) processes: Vec<Process>,
    /// The process that people connect to.
    pub(crate) current: Option<usize>,
    /// Slices after which a new process takes over.
    pub(crate) restart_in: Option<u32>,
    pub(crate) phones: Vec<Phone>,
    pub(crate) subscribers: Vec<Subscriber>,
    started: usize,
    now: Timestamp,
}

/// Plays the world of a seed; answers a number that stands for everything that happened, and how often what did.
pub(crate) fn play(seed: u64) -> Result<(u64, Tally), String> {
    let mut world = World::new(seed);
    for _ in 0..TROUBLED {
        if world.chance.random_ratio(1, 6) {
            chaos::strike(&mut world);
        }
        let (some, slice) = (world.chance.random_range(0..4), world.slice());
        world.turn(some, slice)?;
    }
    chaos::relent(&mut world);
    for turn in 0.. {
        // Now and then far ahead: an entity that failed often waits for long.
        let length = Duration::from_millis(if turn % 16 == 15 { 2_000 } else { 25 });
        world.turn(3 * world.phones.len(), Slice::Time(length))?;
        if world.is_settled() {
            break;
        }
        if turn == SETTLED {
            return Err(world.unsettled());
        }
    }
    checks::at_the_end(&mut world)?;
    Ok(world.ground.ledger.sum())
}

impl World {
    fn new(seed: u64) -> Self {
        let mut chance = StdRng::seed_from_u64(seed);
        let journal = Arc::new(SimulatedJournal::default());
        let ledger = Arc::new(Ledger::default());
        journal.be_seen_by(Arc::clone(&ledger) as _);
        journal.set_roster(GYM, COACH, (0..ATHLETES).map(athlete).collect());
        let library = Arc::new(Fragile::new(Arc::clone(&journal)));
        let (jumped, answers) = (Arc::default(), Arc::new(Mutex::default()));
        let ground = Ground { journal, ledger, library, jumped, answers };
        let mut phones = Vec::new();
        for to in entities() {
            // The owner's own phone begins; a coach's phone comes beside it.
            for author in [to.owner, COACH] {
                let wishes = chance.random_range(2..14);
                phones.push(Phone::new(phones.len(), to, author, wishes));
            }
        }
        Self {
            temper: Temper::of(&mut chance),
            chance,
            ground,
            processes: Vec::new(),
            current: None,
            restart_in: Some(0),
            phones,
            subscribers: entities().map(Subscriber::of).collect(),
            started: 0,
            now: DAWN,
        }
    }

    /// The process that people connect to.
    pub(crate) fn current(&self) -> Option<&Process> {
        self.processes.iter().find(|process| Some(process.number) == self.current)
    }

    /// The name of the journal's history.
    pub(crate) fn incarnation(&self) -> Uuid {
        self.ground.journal.incarnation()
    }

    fn slice(&mut self) -> Slice {
        match self.chance.random_range(0..20) {
            0..=12 => Slice::Polls(self.chance.random_range(1..16)),
            13..=18 => Slice::Time(Duration::from_millis(self.chance.random_range(1..60))),
            _ => Slice::Time(Duration::from_millis(self.chance.random_range(60..1_000))),
        }
    }

    /// People do so many things, the processes get on by a slice, and it is seen what came of it.
    fn turn(&mut self, acts: usize, slice: Slice) -> Result<(), String> {
        self.restart();
        self.people_act(acts);
        self.run(slice);
        self.people_hear();
        self.ground.ledger.wrong().map_or(Ok(()), Err)
    }

    /// Starts the process that takes over, when it is time.
    fn restart(&mut self) {
        match &mut self.restart_in {
            None => {}
            Some(0) => {
                self.restart_in = None;
                // The one that was there goes on without knowing, or not.
                if let Some(number) = self.current.take().filter(|_| self.chance.random()) {
                    self.processes.retain(|process| process.number != number);
                }
                self.processes.push(Process::start(self.started, &self.ground, self.now));
                self.current = Some(self.started);
                self.started += 1;
                chaos::cull(self);
            }
            Some(soon) => *soon -= 1,
        }
    }

    fn people_act(&mut self, acts: usize) {
        let Some(process) = self.processes.iter().find(|process| Some(process.number) == self.current) else {
            return;
        };
        let incarnation = self.ground.journal.incarnation();
        for _ in 0..acts {
            let who = self.chance.random_range(0..self.phones.len());
            let phone = &mut self.phones[who];
            if phone.is_at(process.number) {
                phone.act(&mut self.chance, process, self.temper.bursts);
            } else if self.chance.random_ratio(1, 3) {
                phone.connect(process);
            } else if let Some(old) = self.processes.iter().find(|process| phone.is_at(process.number)) {
                phone.act(&mut self.chance, old, self.temper.bursts);
            }
        }
        for _ in 0..acts.div_ceil(3) {
            let who = self.chance.random_range(0..self.subscribers.len());
            let subscriber = &mut self.subscribers[who];
            if self.temper.lossy && self.chance.random_ratio(1, 20) {
                subscriber.disconnect();
            } else if !subscriber.follows(process.number) {
                subscriber.connect(process, incarnation);
            }
        }
    }

    /// Lets every process that is not suspended get on.
    pub(crate) fn run(&mut self, slice: Slice) {
        for process in &self.processes {
            // Those that are no longer wanted are slow.
            if Some(process.number) == self.current || self.chance.random_ratio(1, 3) {
                process.run(slice);
            }
        }
        match self.current() {
            Some(process) => self.now = self.now.max(process.now()),
            None => self.now = self.now.shifted(5_000),
        }
    }

    fn people_hear(&mut self) {
        let heard = std::mem::take(&mut *self.ground.answers.lock().unwrap());
        for heard in heard {
            let lost = self.temper.lossy && self.chance.random_ratio(1, 12);
            let phone = heard.phone;
            self.phones[phone].hear(heard, lost, self.now, &self.ground.ledger);
        }
        let incarnation = self.ground.journal.incarnation();
        for subscriber in &mut self.subscribers {
            subscriber.listen(&self.processes, &self.ground.ledger, incarnation);
        }
        if self.chance.random_ratio(1, 10)
            && let Some(process) = self.current()
        {
            process.release();
        }
    }

    fn is_settled(&self) -> bool {
        let ledger = &self.ground.ledger;
        let is_told = |subscriber: &Subscriber| subscriber.version() == ledger.head(subscriber.address);
        self.phones.iter().all(Phone::is_content)
            && ledger.letters() == 0
            && self.subscribers.iter().all(is_told)
    }

    fn unsettled(&self) -> String {
        let phones = self.phones.iter().filter(|phone| !phone.is_content()).map(|phone| phone.to.to_string());
        let letters = self.ground.ledger.letters();
        let behind = self.subscribers.iter().map(|one| (one.address.to_string(), one.version()));
        let behind: Vec<_> = behind.collect();
        format!("unsettled: phones of {:?}, {letters} letters, {behind:?}", phones.collect::<Vec<_>>())
    }
}
