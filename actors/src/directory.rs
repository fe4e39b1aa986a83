//! Which entities are in memory. Finds the actor of an address, wakes one that rests (once, however many
//! ask), sends idle ones to rest, starts those that fail again, later and later, and in the end leaves those
//! that keep failing to an operator.

mod care;
mod closed;
mod slot;
mod supervisor;

use std::collections::{BTreeSet, HashMap};
use std::error::Error;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use ractor::{Actor, ActorId, ActorProcessingErr, ActorRef, SpawnErr};
use spotter_protocol::{Address, EntityKind, ErrorCode, Fault, GymId, Millis, Shard};
use spotter_rules::{Inbox, Room, Session};
use tokio::sync::Notify;
use tokio::time::Instant;
use tracing::{error, warn};

pub use self::care::Quarantined;
use self::care::{Population, blame};
use self::closed::ClosedGyms;
use self::slot::{Part, Stage};
use self::supervisor::Supervisor;
use crate::ask::{Ask, Gate};
use crate::peers::elsewhere;
use crate::queue::WAIT_MAX;
use crate::shell::{Awake, Fenced, Kind, Shared, Shell, Work};

/// Commands of the whole node under way at once.
const NODE_COMMANDS_MAX: u32 = 8_192;
/// Entities in memory at once, spread over the parts.
const ENTITIES_MAX: usize = 200_000;
/// Locks the entities are spread over.
const PARTS: usize = 64;
/// How long a client waits before it sends again what was not admitted.
const BUSY_RETRY: Millis = Millis(250);
/// How often it is seen whether the entities of a shard are at rest.
const CLEAR_EVERY: Duration = Duration::from_millis(10);
/// How long a client waits before it tries an entity in quarantine again.
const QUARANTINE_RETRY: Millis = Millis(60_000);

/// The entities of a node.
pub(crate) struct Directory {
    shared: Arc<Shared>,
    /// How long an entity without commands stays in memory.
    idle: Duration,
    supervisor: ActorRef<Weak<Directory>>,
    parts: [Mutex<Part>; PARTS],
    /// Of which entity an actor is an activation.
    activations: Mutex<HashMap<ActorId, Address>>,
    gate: Arc<Gate>,
    population: Population,
    /// Activations on their way to rest.
    draining: AtomicUsize,
    closed: AtomicBool,
    closed_gyms: ClosedGyms,
    left: Notify,
}

impl Directory {
    /// An empty directory.
    ///
    /// # Errors
    /// When its supervisor cannot be started.
    pub(crate) async fn start(shared: Arc<Shared>, idle: Duration) -> Result<Arc<Self>, SpawnErr> {
        let (supervisor, _) = Actor::spawn(None, Supervisor, ()).await?;
        let directory = Arc::new(Self {
            shared,
            idle,
            supervisor,
            parts: std::array::from_fn(|_| Mutex::default()),
            activations: Mutex::default(),
            gate: Arc::default(),
            population: Population::default(),
            draining: AtomicUsize::new(0),
            closed: AtomicBool::new(false),
            closed_gyms: ClosedGyms::default(),
            left: Notify::new(),
        });
        // A supervisor that was just started takes its first message.
        let _ = directory.supervisor.send_message(Arc::downgrade(&directory));
        tokio::spawn(care::take_care(Arc::downgrade(&directory)));
        Ok(directory)
    }

    /// Hands a command to its entity, or refuses it at once. Never waits: commands handed over in turn
    /// reach the entity in turn.
    pub(crate) fn dispatch(self: &Arc<Self>, mut ask: Ask) {
        let (address, gym) = (ask.address(), ask.gym);
        if self.is_closed() {
            return ask.reply.send(Err(Fault::retry(ErrorCode::Unavailable, BUSY_RETRY)));
        }
        let busy = || Err(Fault::retry(ErrorCode::Busy, BUSY_RETRY));
        ask.place = self.gate.admit(NODE_COMMANDS_MAX);
        if ask.place.is_none() {
            return ask.reply.send(busy());
        }
        let now = Instant::now();
        let mut part = self.part(address);
        // Under the part's lock: whoever hands a shard over looks into each part afterwards.
        if !self.is_open(address) {
            drop(part);
            ask.place = None;
            return match ask.stays {
                true => ask.reply.send(Err(elsewhere())),
                false => self.shared.peers.forward(ask),
            };
        }
        // Under the part's lock: whoever closes a gym looks into each part afterwards.
        if self.closed_gyms.contain(gym) {
            return ask.reply.send(Err(Fault::new(ErrorCode::NotFound)));
        }
        let (mut wake, is_full) = (false, part.len() >= ENTITIES_MAX / PARTS);
        let slot = match part.get(address) {
            Some(slot) if slot.gym == gym => slot,
            Some(_) => return ask.reply.send(Err(Fault::new(ErrorCode::NotFound))),
            None if is_full => return ask.reply.send(busy()),
            None => {
                wake = true;
                self.population.add(address.kind);
                part.insert(address, gym, now + WAIT_MAX)
            }
        };
        if let Stage::Quarantined { .. } = slot.stage {
            return ask.reply.send(Err(Fault::retry(ErrorCode::Quarantined, QUARANTINE_RETRY)));
        }
        let tell = match slot.queue.push(ask) {
            Ok(tell) => tell,
            Err(ask) => return ask.reply.send(busy()),
        };
        let mut check = now + WAIT_MAX;
        match &mut slot.stage {
            Stage::Loading | Stage::Quarantined { .. } => {}
            Stage::Draining { .. } => park(),
            Stage::Failed { until } if now < *until => check = check.min(*until),
            Stage::Failed { .. } => {
                wake = true;
                slot.stage = Stage::Loading;
            }
            Stage::Live { actor, since, used } => {
                *used = now;
                check = check.min(now + self.idle);
                if tell && actor.send_message(Work).is_err() {
                    // It ended on its own and the news is on the way: the command waits for the next.
                    let (actor, since) = (actor.get_id(), *since);
                    slot.stage = Stage::Draining { actor, since };
                    self.draining.fetch_add(1, Ordering::Relaxed);
                    park();
                }
            }
        }
        part.check_by(address, check);
        drop(part);
        if wake {
            self.wake(address, gym);
        }
    }

    /// Takes no more commands, and waits until every entity has finished those it has and gone to rest.
    pub(crate) async fn close(&self) {
        self.closed.store(true, Ordering::Release);
        for part in &self.parts {
            loop {
                let room = self.room_to_drain().await;
                let mut part = lock(part);
                let down: Vec<Address> =
                    part.iter().filter(|(_, slot)| slot.is_down()).map(|(address, _)| address).collect();
                down.into_iter().for_each(|address| self.forget(&mut part, address));
                let drained = part.iter().filter_map(|(_, slot)| self.drain(slot).then_some(())).take(room);
                if drained.count() < room {
                    break;
                }
            }
        }
        // What is being read now is drained as soon as it has started.
        self.until(|| self.population.total() == 0).await;
    }

    /// Whether it takes no more commands.
    pub(crate) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    /// Sends the entities of shards to rest that take nothing more, and waits until none of them is awake.
    pub(crate) async fn clear(&self, shards: &BTreeSet<Shard>) {
        loop {
            let mut awake = 0;
            for part in &self.parts {
                let mut part = lock(part);
                let is_theirs = |address: &Address| shards.contains(&address.shard());
                let down = part.iter().filter(|(address, slot)| is_theirs(address) && slot.is_down());
                let down: Vec<Address> = down.map(|(address, _)| address).collect();
                down.into_iter().for_each(|address| self.forget(&mut part, address));
                for (_, slot) in part.iter().filter(|(address, _)| is_theirs(address)) {
                    awake += 1;
                    if self.draining.load(Ordering::Relaxed) < care::DRAINS_MAX {
                        self.drain(slot);
                    }
                }
            }
            if awake == 0 {
                return;
            }
            tokio::time::sleep(CLEAR_EVERY).await;
        }
    }

    /// Whether entities of the shard are woken here.
    pub(crate) fn is_open(&self, address: Address) -> bool {
        self.shared.claims.admit(address.shard())
    }

    /// Waits until some activation may go to rest; says how many may.
    async fn room_to_drain(&self) -> usize {
        let room = || care::DRAINS_MAX.saturating_sub(self.draining.load(Ordering::Relaxed));
        self.until(|| room() > 0).await;
        room().max(1)
    }

    /// Waits until something is so that changes when an entity leaves.
    async fn until(&self, is_so: impl Fn() -> bool) {
        loop {
            let left = self.left.notified();
            tokio::pin!(left);
            left.as_mut().enable();
            if is_so() {
                return;
            }
            left.await;
        }
    }

    fn part(&self, address: Address) -> MutexGuard<'_, Part> {
        let bytes = address.id.as_bytes();
        lock(&self.parts[usize::from(bytes[15] ^ bytes[7]) % PARTS])
    }

    /// Removes an entity that has no activation, and answers what waits for it.
    fn forget(&self, part: &mut Part, address: Address) {
        let Some(slot) = part.remove(address) else { return };
        self.population.remove(address.kind);
        if let Stage::Quarantined { .. } = slot.stage {
            self.population.release();
        }
        slot.queue.refuse_all(&match self.closed_gyms.contain(slot.gym) {
            true => Fault::new(ErrorCode::NotFound),
            false => Fault::retry(ErrorCode::Unavailable, BUSY_RETRY),
        });
    }

    /// Reads an entity and starts its actor. There is one such task for each slot that is loading.
    fn wake(self: &Arc<Self>, address: Address, gym: GymId) {
        let directory = Arc::clone(self);
        tokio::spawn(async move {
            // A task of its own, so that a panic while folding is a failure like any other.
            let start = tokio::spawn(Arc::clone(&directory).start_actor(address, gym));
            match start.await {
                Ok(Ok(actor)) => directory.started(address, actor),
                Ok(Err(error)) => directory.not_started(address, &*error),
                Err(panic) => directory.not_started(address, &panic),
            }
        });
    }

    async fn start_actor(
        self: Arc<Self>,
        address: Address,
        gym: GymId,
    ) -> Result<ActorRef<Work>, Box<dyn Error + Send + Sync>> {
        match address.kind {
            EntityKind::Session => self.start_kind::<Session>(address, gym).await,
            EntityKind::Inbox => self.start_kind::<Inbox>(address, gym).await,
            EntityKind::Room => self.start_kind::<Room>(address, gym).await,
        }
    }

    async fn start_kind<S: Kind>(
        &self,
        address: Address,
        gym: GymId,
    ) -> Result<ActorRef<Work>, Box<dyn Error + Send + Sync>> {
        let epoch = self.shared.claims.epoch(address.shard()).ok_or(Fenced)?;
        let queue = self.part(address).get(address).map(|slot| Arc::clone(&slot.queue));
        let queue = queue.ok_or("nobody waits for it any more")?;
        let awake = Awake::<S>::load(Arc::clone(&self.shared), gym, address, epoch, queue).await?;
        let (actor, _) =
            Actor::spawn_linked(None, Shell::<S>::default(), awake, self.supervisor.get_cell()).await?;
        Ok(actor)
    }

    fn started(&self, address: Address, actor: ActorRef<Work>) {
        let mut part = self.part(address);
        lock(&self.activations).insert(actor.get_id(), address);
        let now = Instant::now();
        let Some(slot) = part.get(address) else { return };
        if slot.queue.begin() {
            // It cannot have ended before its first message.
            let _ = actor.send_message(Work);
        }
        slot.stage = Stage::Live { actor, since: now, used: now };
        if self.is_closed() || !self.is_open(address) || self.closed_gyms.contain(slot.gym) {
            self.drain(slot);
        }
        part.check_by(address, now + self.idle);
    }

    fn not_started(self: &Arc<Self>, address: Address, error: &(dyn Error + 'static)) {
        error!(%address, error, "entity cannot be loaded");
        self.failed(&mut self.part(address), address, error, Duration::ZERO);
        self.left.notify_waiters();
    }

    /// An activation ended, with a failure or without: the entity rests, begins anew for the commands that
    /// wait, or backs off.
    fn ended(self: &Arc<Self>, actor: ActorId, failure: Option<ActorProcessingErr>) {
        let Some(address) = lock(&self.activations).remove(&actor) else { return };
        let mut part = self.part(address);
        let Some(slot) = part.get(address) else { return };
        let since = match &slot.stage {
            Stage::Live { actor: live, since, .. } if live.get_id() == actor => *since,
            Stage::Draining { actor: draining, since } if *draining == actor => {
                self.draining.fetch_sub(1, Ordering::Relaxed);
                *since
            }
            // News of an earlier activation.
            Stage::Live { .. }
            | Stage::Draining { .. }
            | Stage::Loading
            | Stage::Failed { .. }
            | Stage::Quarantined { .. } => return,
        };
        if let Some(error) = failure {
            warn!(%address, %error, "entity actor failed");
            metrics::counter!("spotter_actor_restarts_total").increment(1);
            self.failed(&mut part, address, &*error, since.elapsed());
        } else if slot.queue.is_empty() || !self.is_open(address) || self.closed_gyms.contain(slot.gym) {
            self.forget(&mut part, address);
        } else {
            let gym = slot.gym;
            slot.be_well();
            slot.stage = Stage::Loading;
            self.wake(address, gym);
        }
        drop(part);
        self.left.notify_waiters();
    }

    /// Backs off, or gives the entity to an operator. What waits is offered to the next activation; a command
    /// that was the cause again is given up.
    fn failed(
        &self,
        part: &mut MutexGuard<'_, Part>,
        address: Address,
        error: &(dyn Error + 'static),
        lived: Duration,
    ) {
        let Some(slot) = part.get(address) else { return };
        if self.closed_gyms.contain(slot.gym) {
            // Nothing of it is kept any more, no command that was the cause either.
            slot.stage = Stage::Failed { until: Instant::now() };
            return self.forget(part, address);
        }
        let why = error.to_string();
        if let Some(ask) = slot.queue.fail() {
            let (store, clock) = (Arc::clone(&self.shared.dead_letters), Arc::clone(&self.shared.clock));
            tokio::spawn(crate::dead_letter::give_up(store, clock, ask, why.clone()));
        }
        slot.count_failure(lived, blame(error) == care::Blame::Entity);
        if blame(error) == care::Blame::Fence {
            // Whoever owns the shard takes them.
            slot.queue.refuse_all(&Fault::retry(ErrorCode::Unavailable, BUSY_RETRY));
        }
        if self.is_closed() || !self.is_open(address) {
            slot.stage = Stage::Failed { until: Instant::now() };
            return self.forget(part, address);
        }
        if slot.faults >= care::QUARANTINE_AFTER {
            error!(%address, failures = slot.failures, why, "entity quarantined: an operator has to look");
            slot.queue.refuse_all(&Fault::retry(ErrorCode::Quarantined, QUARANTINE_RETRY));
            slot.stage = Stage::Quarantined { since: self.shared.clock.now(), error: why };
            self.population.quarantine();
            return;
        }
        let until = Instant::now() + slot.backoff();
        slot.stage = Stage::Failed { until };
        part.check_by(address, until);
    }
}

/// Counts a command that met an activation on its way out.
fn park() {
    metrics::counter!("spotter_commands_parked_total").increment(1);
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing that can panic happens between two changes that belong together.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
