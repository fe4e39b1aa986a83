//! The live side of rooms. A room that is watched listens to its athletes, keeps their tiles, and tells its
//! watchers what changed, at most once a tick, however many sets arrive.
//!
//! Tiles are soft state, so they need no journal and no mailbox: a publication is folded into them on the
//! publisher's task, and a burst costs memory for the newest tile only. The room's lasting choices are an
//! entity like any other; the wall follows them like any subscriber.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use spotter_protocol::{Address, EntityKind, Event, GymId, RoomEvent, Tile, TilesFrame, Timestamp, UserId};
use spotter_rules::{Entity, Room, Rules, Session, Wall};
use tokio::sync::Notify;
use tracing::warn;
use uuid::Uuid;

use crate::StoreError;
use crate::backplane::{Listener, Listening, Publication, TileNews};
use crate::engine::Ports;
use crate::presence::People;
use crate::shell::rebuild;

/// How often the roster is read again while a room is watched.
const ROSTER_EVERY: Duration = Duration::from_secs(5);
/// The longest wait between two looks at what silence has changed.
const SILENCE_EVERY: Duration = Duration::from_secs(1);

/// The rooms that are watched on this node.
pub(crate) struct Walls {
    common: Arc<Common>,
}

struct Common {
    ports: Ports,
    people: Arc<People>,
    tick: Duration,
    watched: Mutex<HashMap<UserId, Arc<LiveWall>>>,
}

/// One room that is watched.
struct LiveWall {
    gym: GymId,
    coach: UserId,
    activation: Uuid,
    changed: Notify,
    state: Mutex<WallState>,
}

#[derive(Default)]
struct WallState {
    wall: Wall,
    hidden: BTreeSet<UserId>,
    topics: HashMap<UserId, Listening>,
    /// The choices or the links changed since the roster was last followed.
    choices_changed: bool,
    watchers: Vec<Watcher>,
    next_watcher: u64,
    tick: u64,
}

struct Watcher {
    number: u64,
    listener: Arc<dyn Listener>,
    /// It has had a full frame of tiles.
    started: bool,
}

/// Keeps a room watched until it is dropped.
pub struct Watch {
    common: Arc<Common>,
    live: Arc<LiveWall>,
    number: u64,
}

impl Walls {
    pub(crate) fn new(ports: Ports, people: Arc<People>, tick: Duration) -> Self {
        Self { common: Arc::new(Common { ports, people, tick, watched: Mutex::default() }) }
    }

    pub(crate) fn watch(&self, gym: GymId, coach: UserId, listener: Arc<dyn Listener>) -> Watch {
        let common = Arc::clone(&self.common);
        let mut watched = lock(&common.watched);
        let live = watched.entry(coach).or_insert_with(|| {
            let live = Arc::new(LiveWall {
                gym,
                coach,
                activation: Uuid::now_v7(),
                changed: Notify::new(),
                state: Mutex::default(),
            });
            tokio::spawn(run(Arc::clone(&common), Arc::clone(&live)));
            live
        });
        let live = Arc::clone(live);
        let mut state = live.lock();
        state.next_watcher += 1;
        let number = state.next_watcher;
        state.watchers.push(Watcher { number, listener, started: false });
        drop(state);
        drop(watched);
        live.changed.notify_one();
        Watch { common, live, number }
    }

    /// Links of a gym have changed: no wall of it shows anything more before it has read its roster again.
    pub(crate) fn links_changed(&self, gym: GymId) {
        let watched: Vec<_> = lock(&self.common.watched).values().map(Arc::clone).collect();
        for live in watched.iter().filter(|live| live.gym == gym) {
            live.lock().choices_changed = true;
            live.changed.notify_one();
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        let mut watched = lock(&self.common.watched);
        let mut state = self.live.lock();
        state.watchers.retain(|watcher| watcher.number != self.number);
        if state.watchers.is_empty() {
            watched.remove(&self.live.coach);
        }
        drop(state);
        drop(watched);
        self.live.changed.notify_one();
    }
}

impl LiveWall {
    fn lock(&self) -> MutexGuard<'_, WallState> {
        lock(&self.state)
    }
}

/// What a wall hears on the topics of its athletes and of its coach.
struct Ear {
    live: Weak<LiveWall>,
    clock: Arc<dyn crate::Clock>,
}

impl Listener for Ear {
    fn hear(&self, publication: &Arc<Publication>) {
        let Some(live) = self.live.upgrade() else { return };
        let now = self.clock.now();
        let mut state = live.lock();
        match &**publication {
            Publication::Events(news) => match (news.address.kind, &news.glance) {
                (EntityKind::Session, Some(glance)) => {
                    state.wall.see(news.address.owner, glance.clone(), now)
                }
                (EntityKind::Session, None) => {}
                (EntityKind::Room, _) if news.address.owner == live.coach => {
                    news.events.iter().for_each(|event| state.choose(&event.ev));
                }
                (EntityKind::Inbox | EntityKind::Room, _) => {}
            },
            Publication::Presence(user, presence) => state.wall.presence(*user, *presence, now),
            Publication::Tiles(_) | Publication::Signal(_) => return,
        }
        drop(state);
        live.changed.notify_one();
    }
}

impl WallState {
    fn choose(&mut self, event: &Event) {
        self.choices_changed |= match event {
            Event::Room(RoomEvent::AthleteHidden(hidden)) => self.hidden.insert(hidden.athlete),
            Event::Room(RoomEvent::AthleteShown(shown)) => self.hidden.remove(&shown.athlete),
            Event::Session(_) | Event::Inbox(_) => false,
        };
    }

    fn frame(
        &mut self,
        live: &LiveWall,
        full: bool,
        tiles: Vec<Tile>,
        gone: Vec<UserId>,
    ) -> Arc<Publication> {
        self.tick += 1;
        let (to, activation, tick) = (Address::room(live.coach), live.activation, self.tick);
        Arc::new(Publication::Tiles(TileNews::new(TilesFrame { to, activation, tick, full, tiles, gone })))
    }

    /// Tells the watchers what changed, and new ones everything.
    fn tell(&mut self, live: &LiveWall, now: Timestamp) {
        let changed = self.wall.changed(now);
        if let Some((tiles, gone)) = changed
            && self.watchers.iter().any(|watcher| watcher.started)
        {
            let news = self.frame(live, false, tiles, gone);
            self.watchers
                .iter()
                .filter(|watcher| watcher.started)
                .for_each(|watcher| watcher.listener.hear(&news));
        }
        if self.watchers.iter().any(|watcher| !watcher.started) {
            let all = self.wall.all(now);
            let news = self.frame(live, true, all, Vec::new());
            for watcher in self.watchers.iter_mut().filter(|watcher| !watcher.started) {
                watcher.started = true;
                watcher.listener.hear(&news);
            }
        }
    }
}

/// Serves one room until its last watcher has left.
async fn run(common: Arc<Common>, live: Arc<LiveWall>) {
    let ear: Arc<dyn Listener> =
        Arc::new(Ear { live: Arc::downgrade(&live), clock: Arc::clone(&common.ports.clock) });
    let coach_topic = common.ports.backplane.listen(live.coach, Arc::clone(&ear));
    match load_choices(&common.ports, &live).await {
        Ok(hidden) => live.lock().hidden.extend(hidden),
        Err(error) => warn!(coach = %live.coach, %error, "room choices not loaded: showing the whole roster"),
    }
    let mut next_roster = tokio::time::Instant::now();
    loop {
        let choices_changed = std::mem::take(&mut live.lock().choices_changed);
        if choices_changed || tokio::time::Instant::now() >= next_roster {
            next_roster = tokio::time::Instant::now() + ROSTER_EVERY;
            if let Err(error) = follow_roster(&common, &live, &ear).await {
                warn!(coach = %live.coach, %error, "roster not read: showing the last one known");
                // Who may be seen no more must not be shown again.
                live.lock().choices_changed |= choices_changed;
            }
        }
        let now = common.ports.clock.now();
        let silence = {
            let mut state = live.lock();
            if state.watchers.is_empty() {
                break;
            }
            if !state.choices_changed {
                state.tell(&live, now);
            }
            state.wall.next_flip(now).map_or(SILENCE_EVERY, |flip| until(now, flip))
        };
        // At least a tick between two frames; then whatever comes first: a change, silence, the roster.
        tokio::time::sleep(common.tick).await;
        let roster = next_roster.saturating_duration_since(tokio::time::Instant::now());
        let _ = tokio::time::timeout(silence.min(SILENCE_EVERY).min(roster), live.changed.notified()).await;
    }
    common.ports.backplane.leave(live.coach, coach_topic);
    let topics: Vec<_> = live.lock().topics.drain().collect();
    for (owner, listening) in topics {
        common.ports.backplane.leave(owner, listening);
    }
}

fn until(now: Timestamp, moment: Timestamp) -> Duration {
    Duration::from_micros(u64::try_from(moment.micros_since(now)).unwrap_or(0))
}

async fn load_choices(ports: &Ports, live: &LiveWall) -> Result<Vec<UserId>, StoreError> {
    let address = Address::room(live.coach);
    let Some(stored) = ports.journal.load(live.gym, address).await? else { return Ok(Vec::new()) };
    let room: Entity<Room> = rebuild(&*ports.journal, live.gym, address, &stored).await?;
    Ok(room.state().hidden().collect())
}

/// Brings the wall and the topics listened to in line with the roster, less who is hidden. An athlete's
/// topic is listened to before their sessions are read, so that nothing falls between the two.
async fn follow_roster(
    common: &Common,
    live: &Arc<LiveWall>,
    ear: &Arc<dyn Listener>,
) -> Result<(), StoreError> {
    let ports = &common.ports;
    let mut roster: BTreeSet<UserId> =
        ports.library.roster(live.gym, live.coach).await?.into_iter().collect();
    let now = ports.clock.now();
    let joined: Vec<UserId> = {
        let mut state = live.lock();
        roster.retain(|athlete| !state.hidden.contains(athlete));
        let known: BTreeSet<UserId> = state.topics.keys().copied().collect();
        for gone in known.difference(&roster) {
            if let Some(listening) = state.topics.remove(gone) {
                ports.backplane.leave(*gone, listening);
            }
        }
        let joined: Vec<UserId> = roster.difference(&known).copied().collect();
        for owner in &joined {
            state.topics.insert(*owner, ports.backplane.listen(*owner, Arc::clone(ear)));
        }
        let shown: Vec<UserId> = roster.into_iter().collect();
        state.wall.set_roster(&shown, now);
        for owner in &joined {
            if let Some(presence) = common.people.presence(*owner) {
                state.wall.presence(*owner, presence, now);
            }
        }
        joined
    };
    if joined.is_empty() {
        return Ok(());
    }
    for (address, _) in ports.journal.running(live.gym, &joined).await? {
        let Some(stored) = ports.journal.load(live.gym, address).await? else { continue };
        let session: Entity<Session> = rebuild(&*ports.journal, live.gym, address, &stored).await?;
        if let Some(glance) = session.state().glance(address.id, session.head()) {
            live.lock().wall.see(address.owner, glance, now);
        }
    }
    Ok(())
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Tiles are soft: a half-folded one is replaced by the next publication.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
