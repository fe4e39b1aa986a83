//! A coach who follows every session over a real socket, and what a subscriber may see: each version once, or a
//! snapshot in its place.

#![allow(dead_code, unreachable_pub, reason = "each test uses its part")]
#![allow(clippy::wildcard_enum_match_arm, reason = "a test that is surprised should end")]

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use spotter_protocol::{Address, ClientId, EventsFrame, Reply, ServerFrame, Version};
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout_at};
use uuid::Uuid;

use crate::athletes::{AGAIN, Gym, LOOK_UP};
use crate::server::Person;
use crate::wire::{Closed, Wire};

/// The versions a subscriber has of one entity; it panics at a gap and at a double.
#[derive(Clone, Copy, Debug, Default)]
pub struct Seen {
    pub version: Option<Version>,
}

impl Seen {
    pub fn events(&mut self, frame: &EventsFrame) {
        for event in &frame.events {
            let next = self.version.map(Version::next).expect("a snapshot or the first event comes first");
            assert_eq!(event.v, next, "{}: each version once", frame.to);
            self.version = Some(event.v);
        }
    }

    pub fn snapshot(&mut self, version: Version) {
        assert!(self.version.is_none_or(|seen| seen <= version), "a snapshot never goes back");
        self.version = Some(version);
    }
}

/// A coach follows every session until everything there is to see was seen.
pub fn watch(gym: &Arc<Gym>, coach: Person) -> JoinHandle<HashMap<Address, Seen>> {
    tokio::spawn(observe(Arc::clone(gym), coach))
}

async fn observe(gym: Arc<Gym>, coach: Person) -> HashMap<Address, Seen> {
    let mut seen: HashMap<Address, Seen> = gym.books().map(|book| (book.session, Seen::default())).collect();
    let client = ClientId(Uuid::now_v7());
    let mut incarnation = None;
    // A connection that breaks is not an error here: the next one resumes.
    while observed(&gym, &coach, client, &mut incarnation, &mut seen).await.is_err() {
        tokio::time::sleep(AGAIN).await;
    }
    seen
}

/// One connection of a coach who has `seen` that.
async fn observed(
    gym: &Gym,
    coach: &Person,
    client: ClientId,
    incarnation: &mut Option<Uuid>,
    seen: &mut HashMap<Address, Seen>,
) -> Result<(), Closed> {
    let mut wire = Wire::open(&gym.url(), &coach.token, client, *incarnation).await?;
    let ServerFrame::Welcome(welcome) = wire.next().await? else { panic!("welcome comes first") };
    *incarnation = Some(welcome.incarnation);
    let sessions: Vec<Address> = seen.keys().copied().collect();
    let mut ask: HashSet<usize> = (0..sessions.len()).collect();
    let mut look_up = Instant::now();
    loop {
        let heads = gym.heads();
        if heads.is_some_and(|heads| heads.iter().all(|(to, head)| seen[to].version >= Some(*head))) {
            return Ok(());
        }
        if Instant::now() >= look_up {
            for number in ask.drain() {
                let to = sessions[number];
                wire.subscribe(number as u64, to, seen[&to].version).await?;
            }
            look_up = Instant::now() + LOOK_UP;
        }
        // Looks up now and then: the last frame may come before what there is to see is known.
        let Ok(frame) = timeout_at(look_up, wire.next()).await else { continue };
        match frame? {
            ServerFrame::Snapshot(snapshot) => {
                seen.get_mut(&snapshot.to).expect("asked for").snapshot(snapshot.v)
            }
            ServerFrame::Events(events) => seen.get_mut(&events.to).expect("asked for").events(&events),
            // A session that has not begun is not there yet, and the store may be away.
            ServerFrame::Reply(Reply { req: Some(number), error: Some(_), .. }) => {
                ask.insert(usize::try_from(number).unwrap());
            }
            ServerFrame::Reply(_) | ServerFrame::GoAway(_) => {}
            other => panic!("not asked for: {other:?}"),
        }
    }
}
