//! What goes wrong in a world, as its seed wants it.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use rand::RngExt;
use rand::rngs::StdRng;
use spotter_actors::CommitFault;
use uuid::Uuid;

use crate::process::Slice;
use crate::world::World;

/// A node that takes shards and does nothing with them.
const THIEF: Uuid = Uuid::from_u128(0x7415f);
/// More failures in a row than a commit is offered again.
const UNKNOWN: u32 = 13;
/// After this long without a command a session is abandoned.
const SILENCE_MICROS: i64 = 13 * 3_600_000_000;
/// Processes that run at once; of more, the oldest crashes.
const PROCESSES_MAX: usize = 3;

/// Which kinds of misfortune a world has. Each seed has some of them, so that none always hides behind the others.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Temper {
    pub(crate) failures: bool,
    pub(crate) lost_replies: bool,
    pub(crate) delays: bool,
    pub(crate) thefts: bool,
    pub(crate) crashes: bool,
    pub(crate) zombies: bool,
    pub(crate) roll_backs: bool,
    pub(crate) drains: bool,
    pub(crate) defects: bool,
    pub(crate) naps: bool,
    pub(crate) bursts: bool,
    pub(crate) lossy: bool,
}

impl Temper {
    pub(crate) fn of(chance: &mut StdRng) -> Self {
        Self {
            failures: chance.random(),
            lost_replies: chance.random(),
            delays: chance.random(),
            thefts: chance.random_ratio(1, 3),
            crashes: chance.random_ratio(1, 3),
            zombies: chance.random_ratio(1, 3),
            roll_backs: chance.random_ratio(1, 4),
            drains: chance.random_ratio(1, 4),
            defects: chance.random_ratio(1, 4),
            naps: chance.random_ratio(1, 2),
            bursts: chance.random_ratio(1, 4),
            lossy: chance.random(),
        }
    }
}

/// Lets something go wrong, when the world has that kind of misfortune.
pub(crate) fn strike(world: &mut World) {
    let temper = world.temper;
    match world.chance.random_range(0..14) {
        0..=1 if temper.failures => fail(world),
        2 if temper.lost_replies => inject(world, "lost replies", CommitFault::LoseReply),
        3..=4 if temper.delays => {
            let length = Duration::from_millis(world.chance.random_range(1..700));
            inject(world, "delays", CommitFault::Delay(length));
        }
        5 if temper.thefts => steal(world),
        6 if temper.crashes => crash(world),
        7 if temper.zombies => suspend_or_wake(world),
        8 if temper.roll_backs => roll_back(world),
        9 if temper.drains => drain(world),
        10 if temper.defects => {
            let times = world.chance.random_range(1..3);
            world.ground.library.crash(times);
            world.ground.ledger.count("defects");
        }
        11 if temper.naps => sleep(world),
        // A copy of the journal hears of what is new.
        12..=13 if temper.roll_backs => remember(world),
        _ => {}
    }
}

/// Nothing goes wrong any more, and all that is left of earlier misfortunes ends.
pub(crate) fn relent(world: &mut World) {
    world.ground.journal.heal();
    world.ground.library.crash(0);
    world.temper.lossy = false;
    world.processes.retain(|process| Some(process.number) == world.current);
    world.restart_in = Some(0);
}

fn inject(world: &World, name: &'static str, fault: CommitFault) {
    world.ground.ledger.count(name);
    world.ground.journal.inject(fault);
}

fn fail(world: &mut World) {
    let times = if world.chance.random_ratio(1, 8) { UNKNOWN } else { world.chance.random_range(1..4) };
    (0..times).for_each(|_| inject(world, "failures", CommitFault::FailBefore));
}

/// Another node takes shards; some time later a new process claims them again.
fn steal(world: &mut World) {
    match world.chance.random_range(0..3) {
        0 => inject(world, "thefts before a write", CommitFault::StealBefore(THIEF)),
        1 => inject(world, "thefts after a write", CommitFault::StealAfter(THIEF)),
        _ => {
            let victim = world.chance.random_range(0..world.phones.len());
            world.ground.journal.steal(world.phones[victim].to.shard(), THIEF);
            world.ground.ledger.count("thefts");
        }
    }
    let soon = world.chance.random_range(5..60);
    world.restart_in.get_or_insert(soon);
}

/// The process ends where it is; another starts some time later.
fn crash(world: &mut World) {
    let Some(number) = world.current.take() else { return };
    world.processes.retain(|process| process.number != number);
    world.ground.ledger.count("crashes");
    let soon = world.chance.random_range(0..10);
    world.restart_in.get_or_insert(soon);
}

/// The process stops where it is while another takes over, or one that was stopped goes on as if nothing had been.
fn suspend_or_wake(world: &mut World) {
    let asleep = world.processes.iter_mut().find(|process| process.suspended);
    if let Some(zombie) = asleep {
        zombie.suspended = false;
        world.ground.ledger.count("zombies that woke");
        return;
    }
    let current = world.current;
    let Some(process) = world.processes.iter_mut().find(|process| Some(process.number) == current) else {
        return;
    };
    process.suspended = true;
    world.current = None;
    world.ground.ledger.count("suspensions");
    let soon = world.chance.random_range(0..10);
    world.restart_in.get_or_insert(soon);
}

/// A copy of the journal takes over that has not heard of everything. Every connection breaks; the process that runs
/// does not notice, until another takes its place.
fn roll_back(world: &mut World) {
    if world.chance.random() {
        return;
    }
    let before = world.incarnation();
    world.ground.journal.roll_back();
    world.ground.ledger.roll_back();
    if world.incarnation() == before {
        world.ground.ledger.is_wrong("two histories of the journal have one name".to_owned());
    }
    world.ground.ledger.count("roll-backs");
    world.phones.iter_mut().for_each(|phone| phone.disconnect());
    world.subscribers.iter_mut().for_each(|subscriber| subscriber.disconnect());
    world.current = None;
    let soon = world.chance.random_range(0..10);
    world.restart_in.get_or_insert(soon);
}

fn remember(world: &World) {
    world.ground.journal.remember();
    world.ground.ledger.remember();
}

/// The process takes nothing more, and another starts before it is done or after.
fn drain(world: &mut World) {
    let Some(process) = world.current() else { return };
    let engine = Arc::clone(&process.engine);
    process.runtime.spawn(async move { engine.drain().await });
    world.ground.ledger.count("drains");
    let soon = world.chance.random_range(0..60);
    world.restart_in.get_or_insert(soon);
}

/// Nothing happens for long, by the clock of the wall or by every clock.
fn sleep(world: &mut World) {
    if world.chance.random_ratio(1, 4) {
        world.ground.jumped.fetch_add(SILENCE_MICROS, Ordering::Relaxed);
        world.ground.ledger.count("hours that passed");
    } else {
        let length = Duration::from_millis(world.chance.random_range(800..4_000));
        world.run(Slice::Time(length));
        world.ground.ledger.count("naps");
    }
}

/// The oldest processes crash when there are too many.
pub(crate) fn cull(world: &mut World) {
    while world.processes.len() > PROCESSES_MAX {
        world.processes.remove(0);
    }
}
