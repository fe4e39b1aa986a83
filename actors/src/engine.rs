//! The engine's face: commands in, publications out, and what a subscriber needs to catch up.

mod archive;
mod operators;

pub use archive::Archived;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use spotter_protocol::{
    Address, EntityKind, EntityView, ErrorCode, Event, Fault, GymId, PublishedEvent, Shard, UserId, Version,
    View,
};
use spotter_rules::{Entity, Inbox, Room, Session};
use tokio::sync::Semaphore;
use tracing::warn;

use crate::ask::Ask;
use crate::backplane::{Backplane, Listener, publish};
use crate::directory::Directory;
use crate::lane::Lanes;
use crate::loader::Loader;
use crate::post::{self, Hints};
use crate::presence::People;
use crate::rebuild::{read_rows, rebuild};
use crate::shell::{Kind, Shared};
use crate::timers;
use crate::wall::{Walls, Watch};
use crate::{Claims, Clock, DeadLetters, Journal, Library, Peers, StoreError};

/// Events replayed to a subscriber; one that missed more gets a snapshot.
const REPLAY_MAX: u32 = 256;
/// Subscribers caught up from the journal at once.
const CATCH_UPS_MAX: usize = 32;

/// What lies outside the engine.
#[derive(Clone)]
pub struct Ports {
    /// Where events become durable.
    pub journal: Arc<dyn Journal>,
    /// What decisions need to know.
    pub library: Arc<dyn Library>,
    /// Who hears of it.
    pub backplane: Arc<dyn Backplane>,
    /// Where commands go that the server gave up.
    pub dead_letters: Arc<dyn DeadLetters>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Who holds the shards that this node does not.
    pub peers: Arc<dyn Peers>,
}

/// How the engine spends memory and time.
#[derive(Clone, Copy, Debug)]
pub struct Tuning {
    /// How long an entity without commands stays in memory.
    pub idle: Duration,
    /// The least time between two frames of tiles to one room.
    pub tick: Duration,
    /// Events of an entity between two stored snapshots.
    pub snapshot_every: u32,
    /// Events of an entity after which it begins a new stream.
    pub rotate_every: u32,
    /// Group-commit pipelines; SQLite has one writer and wants one.
    pub lanes: usize,
}

/// The entities of a node, and everything that keeps their promises.
pub struct Engine {
    ports: Ports,
    shared: Arc<Shared>,
    claims: Arc<Claims>,
    directory: Arc<Directory>,
    walls: Walls,
    people: Arc<People>,
    catch_ups: Semaphore,
}

/// How a subscriber gets to the present.
#[derive(Clone, Debug, PartialEq)]
#[expect(clippy::large_enum_variant, reason = "made once for a subscriber, and sent at once")]
pub enum CatchUp {
    /// It missed nothing up to this version.
    Current(Version),
    /// It missed these events, which reach the version of the last.
    Events(Vec<PublishedEvent<Event>>),
    /// It begins with this state.
    Snapshot(Version, EntityView),
}

impl CatchUp {
    /// The version the subscriber has afterwards.
    pub fn version(&self) -> Version {
        match self {
            Self::Current(version) | Self::Snapshot(version, _) => *version,
            Self::Events(events) => events.last().map_or(Version(0), |event| event.v),
        }
    }
}

impl Engine {
    /// Starts the engine, which writes what `claims` says, whenever it says so.
    ///
    /// # Errors
    /// When the actor system does not start.
    pub async fn start(
        ports: Ports,
        claims: Arc<Claims>,
        tuning: Tuning,
    ) -> Result<Arc<Self>, ractor::SpawnErr> {
        let lanes = Lanes::start(&ports.journal, claims.node(), tuning.lanes);
        let (hints, hinted) = Hints::new(Arc::clone(&claims), Arc::clone(&ports.peers));
        let shared = Arc::new(Shared {
            journal: Arc::clone(&ports.journal),
            claims: Arc::clone(&claims),
            peers: Arc::clone(&ports.peers),
            library: Arc::clone(&ports.library),
            backplane: Arc::clone(&ports.backplane),
            lanes,
            loader: Loader::start(&ports.journal),
            hints,
            dead_letters: Arc::clone(&ports.dead_letters),
            clock: Arc::clone(&ports.clock),
            batch_commands: metrics::histogram!("spotter_entity_batch_commands"),
            snapshot_every: tuning.snapshot_every.into(),
            rotate_every: tuning.rotate_every.into(),
        });
        let directory = Directory::start(Arc::clone(&shared), tuning.idle).await?;
        timers::start(Arc::clone(&ports.journal), Arc::clone(&ports.clock), &directory);
        post::open(Arc::clone(&ports.journal), Arc::clone(&ports.clock), &directory, hinted);
        let people = Arc::new(People::new(&ports));
        let walls = Walls::new(ports.clone(), Arc::clone(&people), tuning.tick);
        let catch_ups = Semaphore::new(CATCH_UPS_MAX);
        Ok(Arc::new(Self { ports, shared, claims, directory, walls, people, catch_ups }))
    }

    /// Hands a command over. Rights have been judged. Commands handed over in turn reach their entity in
    /// turn; the answer goes where the command says.
    pub fn dispatch(&self, ask: Ask) {
        let address = ask.address();
        if !address.is_well_formed() || ask.command().kind().entity() != address.kind {
            let fault = Fault::saying(ErrorCode::BadFrame, "this command is for another kind of entity");
            return ask.reply.send(Err(fault));
        }
        self.directory.dispatch(ask);
    }

    /// What a subscriber misses who has `since`, read from the journal. Whoever wants to miss nothing
    /// listens on the backplane first, and then drops what comes up to the version reached here.
    ///
    /// # Errors
    /// `not_found` when this gym has no such entity, `unavailable` when the store does not answer.
    pub async fn catch_up(
        &self,
        gym: GymId,
        address: Address,
        since: Option<Version>,
        view: View,
    ) -> Result<CatchUp, Fault> {
        let _turn = self.catch_ups.acquire().await;
        let caught_up = match address.kind {
            EntityKind::Session => self.catch_up_kind::<Session>(gym, address, since, view).await,
            EntityKind::Inbox => self.catch_up_kind::<Inbox>(gym, address, since, view).await,
            EntityKind::Room => self.catch_up_kind::<Room>(gym, address, since, view).await,
        };
        match caught_up {
            Ok(Some(caught_up)) => Ok(caught_up),
            Ok(None) => Err(Fault::new(ErrorCode::NotFound)),
            Err(error) => {
                // Of an engine that ends nobody expects to be caught up.
                if !self.directory.is_closed() {
                    warn!(%address, %error, "subscriber not caught up");
                }
                Err(Fault::new(ErrorCode::Unavailable))
            }
        }
    }

    async fn catch_up_kind<S: Kind>(
        &self,
        gym: GymId,
        address: Address,
        since: Option<Version>,
        view: View,
    ) -> Result<Option<CatchUp>, StoreError> {
        let journal = &*self.ports.journal;
        if let Some(since @ Version(1..)) = since {
            // The event at `since` is read too: a journal without it does not reach that far.
            let before = Version(since.0 - 1);
            let rows = journal.events(gym, address, before, REPLAY_MAX + 2).await?.unwrap_or_default();
            let reaches = rows.first().is_some_and(|row| row.version == since);
            if reaches && rows.len() < REPLAY_MAX as usize + 2 {
                let missed = read_rows::<S::Event>(&rows[1..])?;
                return Ok(Some(match missed.as_slice() {
                    [] => CatchUp::Current(since),
                    missed => CatchUp::Events(missed.iter().map(publish).collect()),
                }));
            }
        }
        let entity: Entity<S> = match journal.load(gym, address).await? {
            Some(stored) => rebuild(journal, gym, address, &stored).await?,
            None => Entity::default(),
        };
        Ok(entity.state().view(view).map(|state| CatchUp::Snapshot(entity.head(), state)))
    }

    /// Watches a coach's room: `listener` hears a full frame of tiles soon, and then what changes.
    pub fn watch(&self, gym: GymId, coach: UserId, listener: Arc<dyn Listener>) -> Watch {
        self.walls.watch(gym, coach, listener)
    }

    /// Links of a gym have changed. From here on no room of it tells of anyone who has left its roster.
    pub fn links_changed(&self, gym: GymId) {
        self.walls.links_changed(gym);
    }

    /// Where publications are heard.
    pub fn backplane(&self) -> &Arc<dyn Backplane> {
        &self.ports.backplane
    }

    /// The journal, for reading.
    pub fn journal(&self) -> &Arc<dyn Journal> {
        &self.ports.journal
    }

    /// The clock.
    pub fn clock(&self) -> &Arc<dyn Clock> {
        &self.ports.clock
    }

    /// Who is connected.
    pub fn people(&self) -> &Arc<People> {
        &self.people
    }

    /// Hands a command over that another node has received, and judged. One whose shard is not held here is answered
    /// `unavailable`.
    pub fn dispatch_from_peer(&self, ask: Ask) {
        self.dispatch(ask.staying());
    }

    /// Another node says that letters wait for somebody.
    pub fn hint(&self, gym: GymId, recipient: UserId) {
        self.shared.hints.give(gym, recipient);
    }

    /// What this node holds.
    pub fn claims(&self) -> &Arc<Claims> {
        &self.claims
    }

    /// Sends the entities of shards to rest that take nothing more, and waits until all of them are.
    pub async fn clear(&self, shards: &BTreeSet<Shard>) {
        self.directory.clear(shards).await;
    }

    /// Takes no more commands, and waits until all that were admitted are durable and every entity rests.
    pub async fn drain(&self) {
        self.directory.close().await;
        self.walls.close();
    }
}
