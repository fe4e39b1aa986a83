//! The live side of rooms. A room that is watched listens to its athletes, keeps their tiles, and tells its
//! watchers what changed, at most once a tick, however many sets arrive.
//!
//! Tiles are soft state, so they need no journal and no mailbox: a publication is folded into them on the
//! publisher's task, and a burst costs memory for the newest tile only. The room's lasting choices are an
//! entity like any other; the wall follows them like any subscriber, version by version.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use spotter_protocol::{
    Address, EntityKind, Event, GymId, RoomEvent, Tile, TilesFrame, Timestamp, UserId, Version,
};
use spotter_rules::{Entity, Room, Rules, Session, Wall};
use tokio::sync::Notify;
use tokio::time::Instant;
use tracing::warn;
use uuid::Uuid;

use crate::StoreError;
use crate::backplane::{EventNews, Listener, Listening, Publication, TileNews};
use crate::engine::Ports;
use crate::presence::People;
use crate::rebuild::rebuild;

/// How often the roster is read again while a room is watched.
const ROSTER_EVERY: Duration = Duration::from_secs(5);
/// The longest wait between two looks at what silence has changed.
const SILENCE_EVERY: Duration = Duration::from_secs(1);
/// Sessions read with one question when a wall opens.
const LOADED_AT_ONCE: usize = 64;
/// How long a room stays awake after its last watcher left, so that a page that is loaded again does not load every
/// session again.
const LINGER: Duration = Duration::from_secs(10);

/// The rooms that are watched on this node.
pub(crate) struct Walls {
    common: Arc<Common>,
}

struct Common {
    ports: Ports,
    people: Arc<People>,
    tick: Duration,
    watched: Mutex<HashMap<(GymId, UserId), Arc<LiveWall>>>,
    /// Nothing is read any more: the engine ends.
    closed: AtomicBool,
}

/// One room that is watched, or was until just now.
struct LiveWall {
    gym: GymId,
    owner: UserId,
    activation: Uuid,
    changed: Notify,
    state: Mutex<WallState>,
}

struct WallState {
    wall: Wall,
    /// The version of the room's choices that the wall honours.
    choices: Version,
    /// Choices were missed: they have to be read from the journal.
    choices_missed: bool,
    topics: BTreeMap<UserId, Listening>,
    /// Athletes who joined and whose running sessions are still to be read.
    unread: BTreeSet<UserId>,
    /// Who is hidden may have changed since the roster was last followed: until then nothing is shown.
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
    live: Arc<LiveWall>,
    number: u64,
}

impl Walls {
    pub(crate) fn new(ports: Ports, people: Arc<People>, tick: Duration) -> Self {
        let (watched, closed) = (Mutex::default(), AtomicBool::new(false));
        Self { common: Arc::new(Common { ports, people, tick, watched, closed }) }
    }

    pub(crate) fn watch(&self, gym: GymId, owner: UserId, listener: Arc<dyn Listener>) -> Watch {
        let common = Arc::clone(&self.common);
        let mut watched = lock(&common.watched);
        let live = watched.entry((gym, owner)).or_insert_with(|| {
            let live = Arc::new(LiveWall {
                gym,
                owner,
                activation: Uuid::now_v7(),
                changed: Notify::new(),
                state: Mutex::new(WallState::unread()),
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
        Watch { live, number }
    }

    /// Walls show nothing more.
    pub(crate) fn close(&self) {
        self.common.closed.store(true, Ordering::Release);
        lock(&self.common.watched).values().for_each(|live| live.changed.notify_one());
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
        self.live.lock().watchers.retain(|watcher| watcher.number != self.number);
        self.live.changed.notify_one();
    }
}

impl Common {
    /// Takes a room that nobody watches from those that can be watched; answers false when somebody does.
    fn put_to_rest(&self, live: &LiveWall) -> bool {
        let mut watched = lock(&self.watched);
        let unwatched = live.lock().watchers.is_empty();
        if unwatched {
            watched.remove(&(live.gym, live.owner));
        }
        unwatched
    }
}

impl LiveWall {
    fn lock(&self) -> MutexGuard<'_, WallState> {
        lock(&self.state)
    }
}

/// What a wall hears on the topics of its athletes and of its owner.
struct Ear(Weak<LiveWall>);

impl Listener for Ear {
    fn hear(&self, publication: &Arc<Publication>) {
        let Some(live) = self.0.upgrade() else { return };
        let mut state = live.lock();
        match &**publication {
            Publication::Events(news) => match (news.address.kind, &news.glance) {
                (EntityKind::Session, Some(glance)) => {
                    state.wall.see(news.address.owner, glance.clone());
                }
                (EntityKind::Session, None) => {}
                (EntityKind::Room, _) if news.address.owner == live.owner => state.choose(news),
                (EntityKind::Inbox | EntityKind::Room, _) => {}
            },
            Publication::Presence(user, connected) => state.wall.connected(*user, *connected),
            Publication::Doubt(owner) => state.doubt(*owner, live.owner),
            Publication::Tiles(_) | Publication::Signal(_) => return,
        }
        drop(state);
        live.changed.notify_one();
    }
}

impl WallState {
    fn unread() -> Self {
        Self {
            wall: Wall::new(),
            choices: Version(0),
            choices_missed: true,
            topics: BTreeMap::new(),
            unread: BTreeSet::new(),
            choices_changed: true,
            watchers: Vec::new(),
            next_watcher: 0,
            tick: 0,
        }
    }

    /// Has everything about somebody read again.
    fn doubt(&mut self, somebody: UserId, room: UserId) {
        if self.topics.contains_key(&somebody) {
            self.unread.insert(somebody);
        }
        self.choices_missed |= somebody == room;
        self.choices_changed = true;
    }

    /// Follows the room's own events.
    fn choose(&mut self, news: &EventNews) {
        if news.last <= self.choices {
            return;
        }
        if news.first != self.choices.next() || news.events.is_empty() {
            (self.choices_missed, self.choices_changed) = (true, true);
            return;
        }
        for event in &news.events {
            let Event::Room(event) = &event.ev else { continue };
            self.choices_changed |= matches!(event, RoomEvent::AthleteHidden(_) | RoomEvent::AthleteShown(_));
            self.wall.choose(|room| room.fold(event));
        }
        self.choices = news.last;
    }

    fn frame(
        &mut self,
        live: &LiveWall,
        full: bool,
        tiles: Vec<Tile>,
        gone: Vec<UserId>,
    ) -> Arc<Publication> {
        self.tick += 1;
        let (to, activation, tick) = (Address::room(live.owner), live.activation, self.tick);
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

/// Serves one room until nobody has watched it for a while.
async fn run(common: Arc<Common>, live: Arc<LiveWall>) {
    let ear: Arc<dyn Listener> = Arc::new(Ear(Arc::downgrade(&live)));
    let own_topic = common.ports.backplane.listen(live.owner, Arc::clone(&ear));
    let mut next_roster = Instant::now();
    let mut rests_at = None;
    while !common.closed.load(Ordering::Acquire) {
        let choices_changed = std::mem::take(&mut live.lock().choices_changed);
        if choices_changed || Instant::now() >= next_roster {
            next_roster = Instant::now() + ROSTER_EVERY;
            if let Err(error) = follow_roster(&common, &live, &ear).await {
                warn!(room = %live.owner, %error, "roster not read: showing the last one known");
                // Who may be seen no more must not be shown again.
                live.lock().choices_changed |= choices_changed;
            }
        }
        let now = common.ports.clock.now();
        let (silence, is_watched) = {
            let mut state = live.lock();
            if !state.choices_changed {
                state.tell(&live, now);
            }
            let silence = state.wall.next_flip(now).map_or(SILENCE_EVERY, |flip| until(now, flip));
            (silence.min(SILENCE_EVERY), !state.watchers.is_empty())
        };
        // At least a tick between two frames; then whatever comes first: a change, silence, the roster, rest.
        tokio::time::sleep(common.tick).await;
        let wake = next_roster.min(Instant::now() + silence);
        let rest = (!is_watched).then(|| *rests_at.get_or_insert(Instant::now() + LINGER));
        match rest {
            None => rests_at = None,
            Some(rest) if Instant::now() >= rest && common.put_to_rest(&live) => break,
            Some(_) => {}
        }
        let wake = rest.map_or(wake, |rest| wake.min(rest));
        let _ = tokio::time::timeout_at(wake, live.changed.notified()).await;
    }
    common.ports.backplane.leave(live.owner, own_topic);
    let topics = std::mem::take(&mut live.lock().topics);
    for (owner, listening) in topics {
        common.ports.backplane.leave(owner, listening);
    }
}

fn until(now: Timestamp, moment: Timestamp) -> Duration {
    Duration::from_micros(u64::try_from(moment.micros_since(now)).unwrap_or(0))
}

/// Reads the room's choices, when some were missed. What is heard meanwhile is folded as it comes.
async fn read_choices(ports: &Ports, live: &LiveWall) -> Result<(), StoreError> {
    if !std::mem::take(&mut live.lock().choices_missed) {
        return Ok(());
    }
    let address = Address::room(live.owner);
    let read = async {
        let Some(stored) = ports.journal.load(live.gym, address).await? else { return Ok(Entity::default()) };
        rebuild(&*ports.journal, live.gym, address, &stored).await
    };
    let room: Result<Entity<Room>, StoreError> = read.await;
    let mut state = live.lock();
    let room = room.inspect_err(|_| state.choices_missed = true)?;
    if room.head() > state.choices {
        state.choices = room.head();
        state.wall.choose(|choices| choices.clone_from(room.state()));
    }
    Ok(())
}

/// Brings the wall and the topics listened to in line with the roster, less who is hidden. An athlete's
/// topic is listened to before their sessions are read, so that nothing falls between the two.
async fn follow_roster(
    common: &Common,
    live: &Arc<LiveWall>,
    ear: &Arc<dyn Listener>,
) -> Result<(), StoreError> {
    let ports = &common.ports;
    read_choices(ports, live).await?;
    let roster = ports.library.roster(live.gym, live.owner).await?;
    let unread: BTreeSet<UserId> = {
        let mut state = live.lock();
        let room = state.wall.room();
        let roster: BTreeSet<UserId> = roster.into_iter().filter(|athlete| !room.hides(*athlete)).collect();
        let known: BTreeSet<UserId> = state.topics.keys().copied().collect();
        for gone in known.difference(&roster) {
            state.unread.remove(gone);
            if let Some(listening) = state.topics.remove(gone) {
                ports.backplane.leave(*gone, listening);
            }
        }
        state.wall.set_roster(&roster.iter().copied().collect::<Vec<_>>());
        for joined in roster.difference(&known) {
            state.topics.insert(*joined, ports.backplane.listen(*joined, Arc::clone(ear)));
            state.unread.insert(*joined);
            if let Some(connected) = common.people.connected(*joined) {
                state.wall.connected(*joined, connected);
            }
        }
        std::mem::take(&mut state.unread)
    };
    if unread.is_empty() {
        return Ok(());
    }
    let read = read_running(ports, live, &unread).await;
    if read.is_err() {
        let mut state = live.lock();
        let WallState { unread: again, topics, .. } = &mut *state;
        again.extend(unread.into_iter().filter(|athlete| topics.contains_key(athlete)));
    }
    read
}

/// Reads the running sessions of athletes.
async fn read_running(ports: &Ports, live: &LiveWall, athletes: &BTreeSet<UserId>) -> Result<(), StoreError> {
    let athletes: Vec<UserId> = athletes.iter().copied().collect();
    let running = ports.journal.running(live.gym, &athletes).await?;
    let running: Vec<Address> = running.into_iter().map(|(address, _)| address).collect();
    for some in running.chunks(LOADED_AT_ONCE) {
        for (address, stored) in ports.journal.load_all(live.gym, some).await? {
            let session: Entity<Session> = rebuild(&*ports.journal, live.gym, address, &stored).await?;
            if let Some(glance) = session.state().glance(address.id, session.head()) {
                live.lock().wall.see(address.owner, glance);
            }
        }
    }
    Ok(())
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Tiles are soft: a half-folded one is replaced by the next publication.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
