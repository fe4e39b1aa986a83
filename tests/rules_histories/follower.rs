//! A subscriber: hears what is published, and reads what it missed.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use spotter_actors::{CatchUp, Engine, EventRow, Listener, Publication, publish};
use spotter_protocol::{
    Address, EntityKind, Event, InboxEvent, PublishedEvent, Recorded, RoomEvent, SessionEvent, Version, View,
    Vocabulary,
};

use crate::GYM;

pub(crate) struct Follower {
    address: Address,
    heard: Arc<Heard>,
}

/// What was published of one entity, by version.
struct Heard {
    address: Address,
    events: Mutex<BTreeMap<Version, PublishedEvent<Event>>>,
}

impl Listener for Heard {
    fn hear(&self, publication: &Arc<Publication>) {
        let Publication::Events(news) = &**publication else { return };
        if news.address != self.address {
            return;
        }
        let mut events = self.events.lock().unwrap();
        for event in &news.events {
            let newest = events.last_key_value().map_or(Version(0), |(version, _)| *version);
            assert!(event.v > newest, "nothing is published twice or late");
            events.insert(event.v, event.clone());
        }
    }
}

impl Follower {
    pub(crate) fn of(engine: &Engine, address: Address) -> Self {
        let heard = Arc::new(Heard { address, events: Mutex::default() });
        engine.backplane().listen(address.owner, Arc::clone(&heard) as Arc<dyn Listener>);
        Self { address, heard }
    }

    pub(crate) const fn address(&self) -> Address {
        self.address
    }

    /// What was heard is the journal's, and each gap is filled as a subscriber fills it: with the very events that
    /// were missed, or with a state that replaces them.
    pub(crate) async fn was_told_of(&self, engine: &Engine, rows: &[EventRow]) {
        let journaled = match self.address.kind {
            EntityKind::Session => published::<SessionEvent>(rows),
            EntityKind::Room => published::<RoomEvent>(rows),
            EntityKind::Inbox => published::<InboxEvent>(rows),
        };
        let heard = self.heard.events.lock().unwrap().clone();
        let mut before = Version(0);
        for event in journaled.iter() {
            if let Some(heard) = heard.get(&event.v) {
                assert_eq!(heard, event);
            } else if before > Version(0) && heard.contains_key(&before) {
                self.fills_a_gap(engine, before, &journaled).await;
            }
            before = event.v;
        }
        assert!(heard.keys().all(|version| *version <= before), "nothing was heard that is not there");
    }

    async fn fills_a_gap(&self, engine: &Engine, since: Version, journaled: &[PublishedEvent<Event>]) {
        match engine.catch_up(GYM, self.address, Some(since), View::Athlete).await.unwrap() {
            CatchUp::Events(events) => {
                let missed = journaled.iter().filter(|event| event.v > since);
                assert!(events.iter().eq(missed), "it is told what it missed");
            }
            CatchUp::Snapshot(reached, _) => assert_eq!(Some(reached), journaled.last().map(|last| last.v)),
            CatchUp::Current(_) => panic!("something is missing after {since:?} and nobody says so"),
        }
    }
}

/// The events of a journal, as they are published.
fn published<E: Vocabulary + Clone + Into<Event>>(rows: &[EventRow]) -> Vec<PublishedEvent<Event>> {
    let read = |row: &EventRow| {
        Recorded::<E>::read(row.version, row.stamp, &row.kind, row.schema, &row.body).unwrap()
    };
    rows.iter().map(|row| publish(&read(row))).collect()
}
