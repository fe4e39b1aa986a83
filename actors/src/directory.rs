//! Which entities are in memory. Finds the actor of an address, wakes one that rests (once, however many
//! ask), sends idle ones to rest, and starts those that fail again, later and later.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use ractor::{Actor, ActorId, ActorProcessingErr, ActorRef, MessagingErr, SpawnErr, SupervisionEvent};
use spotter_protocol::{Address, EntityKind, ErrorCode, Fault, GymId, Millis};
use spotter_rules::{Inbox, Room, Session};
use tokio::sync::{Notify, Semaphore};
use tokio::time::Instant;
use tracing::{error, info, warn};

use crate::Claim;
use crate::ask::{Ask, Gate};
use crate::shell::{Awake, Kind, Shared, Shell};

/// Commands of one entity under way at once.
const ENTITY_COMMANDS_MAX: u32 = 64;
/// Commands of the whole node under way at once.
const NODE_COMMANDS_MAX: u32 = 8_192;
/// Entities in memory at once, spread over the parts.
const ENTITIES_MAX: usize = 200_000;
/// Entities read from the journal at once.
const LOADS_MAX: usize = 16;
/// Locks the entities are spread over.
const PARTS: usize = 64;
/// How long a client waits before it sends again what was not admitted.
const BUSY_RETRY: Millis = Millis(250);
/// The wait before an entity that failed is started again; it doubles with each failure in a row.
const BACKOFF: Duration = Duration::from_millis(100);
/// The longest such wait.
const BACKOFF_MAX: Duration = Duration::from_secs(30);
/// An actor that lived this long before it failed is taken to have been well.
const WELL_AFTER: Duration = Duration::from_secs(60);

/// The entities of a node.
pub(crate) struct Directory {
    shared: Arc<Shared>,
    claim: Claim,
    supervisor: ActorRef<Weak<Directory>>,
    parts: [Mutex<HashMap<Address, Slot>>; PARTS],
    /// Of which entity an actor is an activation.
    activations: Mutex<HashMap<ActorId, Address>>,
    gate: Arc<Gate>,
    loads: Semaphore,
    closed: AtomicBool,
    left: Notify,
}

/// One entity that is in memory, on its way in or out, or waits to be started again.
struct Slot {
    gym: GymId,
    gate: Arc<Gate>,
    /// Failures in a row.
    failures: u32,
    stage: Stage,
}

enum Stage {
    /// It is being read; commands wait here, as many as its gate admits.
    Loading { parked: Vec<Ask> },
    /// It takes commands.
    Live { actor: ActorRef<Box<Ask>>, since: Instant, used: Instant },
    /// This activation takes no more; commands wait here for the next, as many as its gate admits.
    Draining { actor: ActorId, since: Instant, parked: Vec<Ask> },
    /// It failed; commands are refused until then.
    Failed { until: Instant },
}

impl Directory {
    /// An empty directory, which writes under `claim`.
    ///
    /// # Errors
    /// When its supervisor cannot be started.
    pub(crate) async fn start(shared: Arc<Shared>, claim: Claim) -> Result<Arc<Self>, SpawnErr> {
        let (supervisor, _) = Actor::spawn(None, Supervisor, ()).await?;
        let directory = Arc::new(Self {
            shared,
            claim,
            supervisor,
            parts: std::array::from_fn(|_| Mutex::default()),
            activations: Mutex::default(),
            gate: Arc::default(),
            loads: Semaphore::new(LOADS_MAX),
            closed: AtomicBool::new(false),
            left: Notify::new(),
        });
        // A supervisor that was just started takes its first message.
        let _ = directory.supervisor.send_message(Arc::downgrade(&directory));
        Ok(directory)
    }

    /// Hands a command to its entity, or refuses it at once. Never waits: commands handed over in turn
    /// reach the entity in turn.
    pub(crate) fn dispatch(self: &Arc<Self>, mut ask: Ask) {
        let (address, gym) = (ask.address(), ask.gym);
        if self.closed.load(Ordering::Acquire) {
            return ask.reply.send(Err(Fault::retry(ErrorCode::Unavailable, BUSY_RETRY)));
        }
        let busy = || Err(Fault::retry(ErrorCode::Busy, BUSY_RETRY));
        let Some(node_place) = self.gate.admit(NODE_COMMANDS_MAX) else {
            return ask.reply.send(busy());
        };
        let mut part = self.part(address);
        let crowded = part.len() >= ENTITIES_MAX / PARTS;
        let mut wake = false;
        let slot = match part.entry(address) {
            Entry::Occupied(slot) => slot.into_mut(),
            Entry::Vacant(_) if crowded => return ask.reply.send(busy()),
            Entry::Vacant(place) => {
                wake = true;
                let stage = Stage::Loading { parked: Vec::new() };
                place.insert(Slot { gym, gate: Arc::default(), failures: 0, stage })
            }
        };
        if slot.gym != gym {
            return ask.reply.send(Err(Fault::new(ErrorCode::NotFound)));
        }
        let Some(place) = slot.gate.admit(ENTITY_COMMANDS_MAX) else {
            return ask.reply.send(busy());
        };
        ask.places = Some([place, node_place]);
        match &mut slot.stage {
            Stage::Loading { parked } | Stage::Draining { parked, .. } => parked.push(ask),
            Stage::Failed { until } if Instant::now() < *until => {
                return ask.reply.send(Err(Fault::retry(ErrorCode::Unavailable, millis_until(*until))));
            }
            Stage::Failed { .. } => {
                wake = true;
                slot.stage = Stage::Loading { parked: vec![ask] };
            }
            Stage::Live { actor, since, used } => {
                *used = Instant::now();
                // It ended on its own and the news is on the way: the command waits for it.
                if let Err(MessagingErr::SendErr(ask)) = actor.send_message(Box::new(ask)) {
                    slot.stage = Stage::Draining { actor: actor.get_id(), since: *since, parked: vec![*ask] };
                }
            }
        }
        drop(part);
        if wake {
            self.wake(address, gym);
        }
    }

    /// Sends entities to rest that had no command for `idle`, and forgets failures long past.
    pub(crate) fn rest(&self, idle: Duration) {
        let now = Instant::now();
        let mut sessions = 0;
        let mut inboxes = 0;
        let mut rooms = 0;
        for part in &self.parts {
            let mut part = lock(part);
            part.retain(|_, slot| !matches!(slot.stage, Stage::Failed { until } if now > until + WELL_AFTER));
            for (address, slot) in part.iter_mut() {
                match address.kind {
                    EntityKind::Session => sessions += 1,
                    EntityKind::Inbox => inboxes += 1,
                    EntityKind::Room => rooms += 1,
                }
                if let Stage::Live { used, .. } = slot.stage
                    && slot.gate.taken() == 0
                    && now.duration_since(used) >= idle
                {
                    drain(slot);
                }
            }
        }
        metrics::gauge!("spotter_actors", "kind" => "session").set(f64::from(sessions));
        metrics::gauge!("spotter_actors", "kind" => "inbox").set(f64::from(inboxes));
        metrics::gauge!("spotter_actors", "kind" => "room").set(f64::from(rooms));
    }

    /// Takes no more commands, and waits until every entity has finished those it has and gone to rest.
    pub(crate) async fn close(&self) {
        self.closed.store(true, Ordering::Release);
        loop {
            let left = self.left.notified();
            let mut awake = 0;
            for part in &self.parts {
                let mut part = lock(part);
                part.retain(|_, slot| !matches!(slot.stage, Stage::Failed { .. }));
                part.values_mut().for_each(drain);
                awake += part.len();
            }
            if awake == 0 {
                return;
            }
            left.await;
        }
    }

    fn part(&self, address: Address) -> MutexGuard<'_, HashMap<Address, Slot>> {
        let bytes = address.id.as_bytes();
        lock(&self.parts[usize::from(bytes[15] ^ bytes[7]) % PARTS])
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
    ) -> Result<ActorRef<Box<Ask>>, Box<dyn std::error::Error + Send + Sync>> {
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
    ) -> Result<ActorRef<Box<Ask>>, Box<dyn std::error::Error + Send + Sync>> {
        let _permit = self.loads.acquire().await?;
        let epoch = self.claim.epoch(address.shard()).ok_or("the shard belongs to another node")?;
        let awake = Awake::<S>::load(Arc::clone(&self.shared), gym, address, epoch).await?;
        let (actor, _) =
            Actor::spawn_linked(None, Shell::<S>::default(), awake, self.supervisor.get_cell()).await?;
        Ok(actor)
    }

    fn started(&self, address: Address, actor: ActorRef<Box<Ask>>) {
        let mut part = self.part(address);
        lock(&self.activations).insert(actor.get_id(), address);
        let now = Instant::now();
        let live = Stage::Live { actor: actor.clone(), since: now, used: now };
        let stage = part.get_mut(&address).map(|slot| std::mem::replace(&mut slot.stage, live));
        if let Some(Stage::Loading { parked }) = stage {
            for ask in parked {
                // It cannot have ended before its first message.
                let _ = actor.send_message(Box::new(ask));
            }
        }
        if self.closed.load(Ordering::Acquire) {
            part.get_mut(&address).into_iter().for_each(drain);
        }
    }

    fn not_started(&self, address: Address, error: &(dyn std::error::Error + 'static)) {
        error!(%address, error, "entity cannot be loaded");
        let mut part = self.part(address);
        if let Some(slot) = part.get_mut(&address) {
            fail(slot);
        }
        drop(part);
        self.left.notify_waiters();
    }

    /// An activation ended: the entity rests, begins anew for the commands that wait, or backs off.
    fn ended(self: &Arc<Self>, actor: ActorId, failed: bool) {
        let Some(address) = lock(&self.activations).remove(&actor) else { return };
        let mut part = self.part(address);
        let Some(slot) = part.get_mut(&address) else { return };
        let (since, parked) = match &mut slot.stage {
            Stage::Live { actor: live, since, .. } if live.get_id() == actor => (*since, Vec::new()),
            Stage::Draining { actor: draining, since, parked } if *draining == actor => {
                (*since, std::mem::take(parked))
            }
            // News of an earlier activation.
            Stage::Live { .. } | Stage::Draining { .. } | Stage::Loading { .. } | Stage::Failed { .. } => {
                return;
            }
        };
        if failed {
            if since.elapsed() >= WELL_AFTER {
                slot.failures = 0;
            }
            fail(slot);
            metrics::counter!("spotter_actor_restarts_total").increment(1);
        } else if parked.is_empty() || self.closed.load(Ordering::Acquire) {
            part.remove(&address);
        } else {
            let gym = slot.gym;
            slot.failures = 0;
            slot.stage = Stage::Loading { parked };
            self.wake(address, gym);
        }
        drop(part);
        self.left.notify_waiters();
    }
}

/// Lets the actor of a live slot finish what it has and take no more.
fn drain(slot: &mut Slot) {
    if let Stage::Live { actor, since, .. } = &slot.stage {
        // An actor that has ended already is drained.
        let _ = actor.drain();
        slot.stage = Stage::Draining { actor: actor.get_id(), since: *since, parked: Vec::new() };
    }
}

/// Backs off. What waited in the slot is dropped, and so answered as of unknown outcome.
fn fail(slot: &mut Slot) {
    let wait = BACKOFF.saturating_mul(1 << slot.failures.min(16)).min(BACKOFF_MAX);
    slot.failures = slot.failures.saturating_add(1);
    slot.stage = Stage::Failed { until: Instant::now() + wait };
}

fn millis_until(moment: Instant) -> Millis {
    let wait = moment.saturating_duration_since(Instant::now());
    Millis(u32::try_from(wait.as_millis()).unwrap_or(u32::MAX))
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing that can panic happens between two changes that belong together.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Hears how actors end and tells the directory. Restarting is the directory's.
struct Supervisor;

impl Actor for Supervisor {
    type Msg = Weak<Directory>;
    type State = Weak<Directory>;
    type Arguments = ();

    async fn pre_start(&self, _: ActorRef<Self::Msg>, (): ()) -> Result<Self::State, ActorProcessingErr> {
        Ok(Weak::new())
    }

    async fn handle(
        &self,
        _: ActorRef<Self::Msg>,
        directory: Self::Msg,
        state: &mut Self::State,
    ) -> Result<(), ActorProcessingErr> {
        *state = directory;
        Ok(())
    }

    async fn handle_supervisor_evt(
        &self,
        _: ActorRef<Self::Msg>,
        event: SupervisionEvent,
        state: &mut Self::State,
    ) -> Result<(), ActorProcessingErr> {
        let (actor, failed) = match event {
            SupervisionEvent::ActorTerminated(actor, _, _) => (actor.get_id(), false),
            SupervisionEvent::ActorFailed(actor, error) => {
                warn!(actor = %actor.get_id(), %error, "entity actor failed");
                (actor.get_id(), true)
            }
            SupervisionEvent::ActorStarted(_) | SupervisionEvent::ProcessGroupChanged(_) => return Ok(()),
        };
        match state.upgrade() {
            Some(directory) => directory.ended(actor, failed),
            None => info!("entity actor ended after its directory"),
        }
        Ok(())
    }
}
