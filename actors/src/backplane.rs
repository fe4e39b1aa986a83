//! What the engine tells the rest of the node: publications on the topics of owners.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use bytes::Bytes;
use spotter_protocol::{
    Address, Codec, Event, EventsFrame, Glance, PublishedEvent, Recorded, Shown, SignalFrame, TilesFrame,
    UserId, Version, View, shows,
};
use spotter_rules::Connected;

/// Committed news of one entity, or soft news of one person. Encoded once for each codec and view, however
/// many hear it.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "a publication lives behind one shared pointer")]
pub enum Publication {
    /// Events of one entity, consecutive and committed.
    Events(EventNews),
    /// Tiles of a room.
    Tiles(TileNews),
    /// A person's first connection opened, or their last one closed.
    Presence(UserId, Connected),
    /// Soft news that somebody sent about an entity.
    Signal(SignalNews),
    /// Anything about a person and their entities may have been missed: whoever follows them looks again.
    Doubt(UserId),
}

/// Events of one entity that were committed together, of one command or of several.
#[derive(Debug)]
pub struct EventNews {
    /// The entity.
    pub address: Address,
    /// The version of the first event; above `last` when there is none.
    pub first: Version,
    /// The version the entity has now: of the last event.
    pub last: Version,
    /// What a wall shows of the entity now.
    pub glance: Option<Glance>,
    /// The events.
    pub events: Vec<PublishedEvent<Event>>,
    frames: Encoded<{ Codec::ALL.len() * View::ALL.len() }>,
}

/// Changed tiles of one room.
#[derive(Debug)]
pub struct TileNews {
    /// The frame.
    pub frame: TilesFrame,
    frames: Encoded<{ Codec::ALL.len() * View::ALL.len() }>,
}

/// Soft news about one entity.
#[derive(Debug)]
pub struct SignalNews {
    /// The frame.
    pub frame: SignalFrame,
    frames: Encoded<{ Codec::ALL.len() }>,
}

/// Frames made at first use.
#[derive(Debug)]
struct Encoded<const N: usize>([OnceLock<Bytes>; N]);

impl<const N: usize> Default for Encoded<N> {
    fn default() -> Self {
        Self(std::array::from_fn(|_| OnceLock::new()))
    }
}

impl EventNews {
    /// News of `events`, which are consecutive, committed and at least one.
    pub fn new<E: Clone + Into<Event>>(
        address: Address,
        events: &[Recorded<E>],
        glance: Option<Glance>,
    ) -> Self {
        let events: Vec<_> = events.iter().map(publish).collect();
        let version = |event: Option<&PublishedEvent<Event>>| event.map_or(Version(0), |event| event.v);
        let (first, last) = (version(events.first()), version(events.last()));
        Self { address, last, first, glance, events, frames: Encoded::default() }
    }

    /// News that another node has told: consecutive events from `first` to `last`, or none.
    pub fn heard(
        address: Address,
        first: Version,
        last: Version,
        glance: Option<Glance>,
        events: Vec<PublishedEvent<Event>>,
    ) -> Self {
        Self { address, first, last, glance, events, frames: Encoded::default() }
    }

    /// News of no event: that the entity stands at `head`. A listener that has less has missed something.
    pub fn tail(address: Address, head: Version, glance: Option<Glance>) -> Self {
        Self {
            address,
            last: head,
            first: head.next(),
            glance,
            events: Vec::new(),
            frames: Encoded::default(),
        }
    }

    /// The `events` frame as `view` sees it.
    pub fn frame(&self, codec: Codec, view: View) -> Bytes {
        let place = codec as usize * View::ALL.len() + view as usize;
        self.frames.0[place].get_or_init(|| events_frame(self.address, &self.events, codec, view)).clone()
    }
}

impl TileNews {
    /// News of changed tiles.
    pub fn new(frame: TilesFrame) -> Self {
        Self { frame, frames: Encoded::default() }
    }

    /// The `tiles` frame as `view` sees it.
    pub fn frame(&self, codec: Codec, view: View) -> Bytes {
        let place = codec as usize * View::ALL.len() + view as usize;
        let encode = || codec.encode("tiles", &*self.frame.seen_in(view)).into();
        self.frames.0[place].get_or_init(encode).clone()
    }
}

impl SignalNews {
    /// News of a signal that was let through.
    pub fn new(frame: SignalFrame) -> Self {
        Self { frame, frames: Encoded::default() }
    }

    /// The `signal` frame.
    pub fn frame(&self, codec: Codec) -> Bytes {
        self.frames.0[codec as usize].get_or_init(|| codec.encode("signal", &self.frame).into()).clone()
    }
}

/// An event as it is published.
pub fn publish<E: Clone + Into<Event>>(recorded: &Recorded<E>) -> PublishedEvent<Event> {
    let stamp = &recorded.stamp;
    PublishedEvent {
        v: recorded.version,
        at: stamp.at,
        received_at: stamp.received_at,
        by: stamp.author,
        ev: recorded.event.clone().into(),
    }
}

/// An `events` frame of `events` as `view` sees them.
pub fn events_frame(address: Address, events: &[PublishedEvent<Event>], codec: Codec, view: View) -> Bytes {
    let seen = events.iter().map(|event| PublishedEvent {
        v: event.v,
        at: event.at,
        received_at: event.received_at,
        by: event.by,
        ev: if shows(view, &event.ev) { Shown::Event(event.ev.clone()) } else { Shown::Hidden },
    });
    codec.encode("events", &EventsFrame { to: address, events: seen.collect() }).into()
}

/// Hears publications. Called on the publisher's task: it must neither block nor wait.
pub trait Listener: Send + Sync {
    /// Takes one publication. Those of one entity come in the order of their versions.
    fn hear(&self, publication: &Arc<Publication>);
}

/// Carries publications from whoever makes them to whoever listens, by owner.
///
/// At most once: a listener that must miss nothing compares versions and reads the journal.
pub trait Backplane: Send + Sync + 'static {
    /// Tells everyone who listens to `owner` what `make` makes; where nobody does, nothing is made.
    fn publish(&self, owner: UserId, make: &dyn Fn() -> Publication);

    /// Listens to `owner` until [`Backplane::leave`] with the number returned.
    fn listen(&self, owner: UserId, listener: Arc<dyn Listener>) -> Listening;

    /// Listens no more. A publication under way may still arrive.
    fn leave(&self, owner: UserId, listening: Listening);
}

/// Names one listener of one owner.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Listening(u64);

/// The backplane of a single node: the listeners of each owner, in memory.
#[derive(Default)]
pub struct LocalBackplane {
    parts: [Mutex<Topics>; PARTS],
}

/// Locks the topics are spread over.
const PARTS: usize = 16;

#[derive(Default)]
struct Topics {
    next: u64,
    by_owner: HashMap<UserId, Arc<[Heard]>>,
}

#[derive(Clone)]
struct Heard {
    listening: Listening,
    listener: Arc<dyn Listener>,
}

impl LocalBackplane {
    /// Tells everyone who listens to `owner`.
    pub fn tell(&self, owner: UserId, publication: &Arc<Publication>) {
        self.publish_once(owner, || Arc::clone(publication));
    }

    /// Tells everyone who listens to `owner` what is made for them, where anyone does.
    fn publish_once(&self, owner: UserId, make: impl FnOnce() -> Arc<Publication>) {
        // The list is shared, so that listeners are called without the lock.
        let Some(listeners) = self.part(owner).by_owner.get(&owner).cloned() else { return };
        let publication = make();
        for heard in &*listeners {
            heard.listener.hear(&publication);
        }
    }

    /// The owners somebody listens to.
    pub fn owners(&self) -> Vec<UserId> {
        let lock = |part: &Mutex<Topics>| {
            let topics = part.lock().unwrap_or_else(PoisonError::into_inner);
            topics.by_owner.keys().copied().collect::<Vec<_>>()
        };
        self.parts.iter().flat_map(lock).collect()
    }

    /// Whether anyone listens to `owner`.
    pub fn is_heard(&self, owner: UserId) -> bool {
        self.part(owner).by_owner.contains_key(&owner)
    }

    fn part(&self, owner: UserId) -> MutexGuard<'_, Topics> {
        let part = usize::from(owner.0.as_bytes()[15]) % PARTS;
        // A listener that panicked left no topic half changed: lists are replaced whole.
        self.parts[part].lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Backplane for LocalBackplane {
    fn publish(&self, owner: UserId, make: &dyn Fn() -> Publication) {
        self.publish_once(owner, || Arc::new(make()));
    }

    fn listen(&self, owner: UserId, listener: Arc<dyn Listener>) -> Listening {
        let mut topics = self.part(owner);
        topics.next += 1;
        let listening = Listening(topics.next);
        let list = topics.by_owner.entry(owner).or_default();
        *list = list.iter().cloned().chain([Heard { listening, listener }]).collect();
        listening
    }

    fn leave(&self, owner: UserId, listening: Listening) {
        let mut topics = self.part(owner);
        let Some(list) = topics.by_owner.get_mut(&owner) else { return };
        *list = list.iter().filter(|heard| heard.listening != listening).cloned().collect();
        if list.is_empty() {
            topics.by_owner.remove(&owner);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use spotter_protocol::Timestamp;
    use uuid::Uuid;

    #[derive(Default)]
    struct Ear(Mutex<usize>);

    impl Listener for Ear {
        fn hear(&self, _: &Arc<Publication>) {
            *self.0.lock().unwrap() += 1;
        }
    }

    fn presence(owner: UserId) -> Publication {
        Publication::Presence(owner, Connected { since: Timestamp(0), closed_at: None, turn: 1 })
    }

    #[test]
    fn only_the_listeners_of_an_owner_hear_of_it() {
        let (ana, bo) = (UserId(Uuid::from_u128(1)), UserId(Uuid::from_u128(2)));
        let (backplane, ear) = (LocalBackplane::default(), Arc::new(Ear::default()));
        let listening = backplane.listen(ana, ear.clone());

        backplane.publish(ana, &|| presence(ana));
        backplane.publish(bo, &|| presence(bo));
        backplane.leave(ana, listening);
        backplane.publish(ana, &|| presence(ana));

        assert_eq!(*ear.0.lock().unwrap(), 1);
        assert!(backplane.part(ana).by_owner.is_empty(), "a topic nobody hears is forgotten");
    }
}
