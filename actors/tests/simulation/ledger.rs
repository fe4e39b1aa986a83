//! What really happened, seen from inside the journal in the moment it happens, and everything that anybody was told,
//! held against it in the moment they are told it.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Mutex, MutexGuard};

use spotter_actors::{Answer, Append, CatchUp, Epoch, EventNews, Opening, Witness};
use spotter_protocol::{Address, CommandId, TilesFrame, Version};

use crate::tale::Tale;

/// How often something happened, by name.
pub(crate) type Tally = BTreeMap<&'static str, u64>;

#[derive(Debug, Default)]
pub(crate) struct Ledger(Mutex<Book>);

#[derive(Debug, Default)]
struct Book {
    /// The history of the timeline that lasts.
    tale: Tale,
    /// The histories of timelines that ended, as they were when they did.
    ended: Vec<Tale>,
    remembered: Tale,
    /// The newest epoch of each shard that was claimed, by number, and in which timeline.
    epochs: HashMap<u16, (Epoch, usize)>,
    /// Commands whose senders were told that they are done.
    acknowledged: Vec<(Address, CommandId)>,
    /// Commands whose senders were told that they are refused for good, and have dropped them.
    refused: BTreeSet<(Address, CommandId)>,
    wrong: Option<String>,
    trace: DefaultHasher,
    tally: Tally,
}

impl Witness for Ledger {
    fn claimed(&self, shard: u16, epoch: Epoch) {
        let mut book = self.book();
        let timeline = book.ended.len();
        if book.epochs.insert(shard, (epoch, timeline)).is_some_and(|(before, _)| before >= epoch) {
            book.is_wrong(format!("shard {shard} is claimed under {epoch:?} after a later epoch"));
        }
    }

    fn written(&self, append: &Append) {
        let mut book = self.book();
        let (to, shard) = (append.address, append.address.shard().number());
        if book.epochs.get(&shard) != Some(&(append.epoch, book.ended.len())) {
            book.is_wrong(format!("{to}: written under {:?} by who has lost the shard", append.epoch));
        }
        match append.opening {
            Opening::No | Opening::Entity => book.count("appends"),
            Opening::Rotation { .. } => book.count("rotations"),
        }
        if let Err(why) = book.tale.write(append) {
            book.is_wrong(why);
        }
        for row in &append.events {
            let stamp = &row.stamp;
            if book.refused.contains(&(to, stamp.command)) {
                book.is_wrong(format!("{to}: {} was refused for good and is done", stamp.command));
            }
            (to, row.version.0, stamp.at, stamp.client, stamp.n, &row.kind, &row.body).hash(&mut book.trace);
        }
    }
}

impl Ledger {
    /// A process of `timeline` answers a command.
    pub(crate) fn answered(&self, timeline: usize, to: Address, command: CommandId, answer: &Answer) {
        let mut book = self.book();
        let done = match answer {
            Ok(done) => done,
            Err(fault) => return (to, fault.code.as_str()).hash(&mut book.trace),
        };
        (to, done.version.0, done.repeat).hash(&mut book.trace);
        let lasts = timeline == book.ended.len();
        let is_so = book.known_in(timeline).any(|tale| {
            // A repeat that is older than the answers kept is told the newest version of its client.
            let fits = |(_, end): (Version, Version)| {
                end == done.version || done.repeat && end < done.version && done.version <= tale.head(to)
            };
            // Who has not noticed that its timeline ended confuses the two; nobody is connected to it any more.
            tale.done(to, command).is_some_and(|versions| fits(versions) || done.repeat && !lasts)
        });
        // A copy that reaches its entity after commands of later numbers is taken for a repeat, although it was refused;
        // its sender, who gave those numbers, has long dropped it.
        let is_stale = done.repeat && book.refused.contains(&(to, command));
        if is_stale {
            return book.count("repeats of what was refused");
        }
        if !is_so {
            book.is_wrong(format!(
                "{to}: {command} is answered {done:?}, and the journal knows nothing of it"
            ));
        }
        if lasts {
            book.acknowledged.push((to, command));
        }
        book.count(if done.repeat { "repeats" } else { "acknowledged" });
    }

    /// The sender of a command takes it to be refused for good.
    pub(crate) fn refused(&self, to: Address, command: CommandId) {
        self.book().refused.insert((to, command));
    }

    /// A process of `timeline` publishes events, or that there are some.
    pub(crate) fn published(&self, timeline: usize, news: &EventNews) {
        let mut book = self.book();
        let to = news.address;
        (to, news.first.0, news.last.0, news.events.len()).hash(&mut book.trace);
        let seen = news.glance.as_ref().map_or(Version(0), |glance| glance.v);
        let is_so = book.known_in(timeline).any(|tale| {
            let is_there = news.events.iter().all(|event| tale.holds(to, event));
            is_there && news.last.max(seen) <= tale.head(to)
        });
        let versions = news.events.iter().map(|event| event.v.0);
        if !is_so || !versions.eq(news.first.0..=news.last.0) {
            book.is_wrong(format!("{to}: {} to {} are published, and not so", news.first.0, news.last.0));
        }
    }

    /// A process of `timeline` shows tiles.
    pub(crate) fn shown(&self, timeline: usize, frame: &TilesFrame) {
        let mut book = self.book();
        for glance in frame.tiles.iter().filter_map(|tile| tile.glance.as_ref().map(|glance| (tile, glance)))
        {
            let (tile, glance) = glance;
            let address = Address::session(tile.athlete, glance.session);
            if !book.known_in(timeline).any(|tale| glance.v <= tale.head(address)) {
                book.is_wrong(format!("{address}: a tile shows version {} before it is there", glance.v.0));
            }
        }
        book.count("tiles");
    }

    /// A process of `timeline` tells a subscriber who has `since` what they missed.
    pub(crate) fn caught_up(&self, timeline: usize, to: Address, since: Option<Version>, told: &CatchUp) {
        let mut book = self.book();
        let had = since.unwrap_or(Version(0));
        let is_so = match told {
            CatchUp::Current(version) => *version == had,
            CatchUp::Events(events) => {
                let versions = events.iter().map(|event| event.v.0);
                !events.is_empty() && versions.zip(had.0 + 1..).all(|(version, next)| version == next)
            }
            CatchUp::Snapshot(version, _) => *version >= had,
        };
        let is_there = book.known_in(timeline).any(|tale| {
            let held = match told {
                CatchUp::Events(events) => events.iter().all(|event| tale.holds(to, event)),
                CatchUp::Current(_) | CatchUp::Snapshot(..) => true,
            };
            held && told.version() <= tale.head(to)
        });
        if !is_so || !is_there {
            book.is_wrong(format!("{to}: who has {since:?} is told {told:?}"));
        }
        book.count(match told {
            CatchUp::Current(_) => "subscribers who missed nothing",
            CatchUp::Events(_) => "subscribers told events",
            CatchUp::Snapshot(..) => "subscribers given a snapshot",
        });
    }

    /// The journal is copied: what is written from here on may be lost.
    pub(crate) fn remember(&self) {
        let mut book = self.book();
        book.remembered = book.tale.clone();
    }

    /// The journal is what it was when it was last copied. Whoever was told of more since had bad luck.
    pub(crate) fn roll_back(&self) {
        let mut book = self.book();
        let remembered = book.remembered.clone();
        let ended = std::mem::replace(&mut book.tale, remembered);
        book.ended.push(ended);
        let Book { tale, acknowledged, .. } = &mut *book;
        let before = acknowledged.len();
        acknowledged.retain(|(to, command)| tale.done(*to, *command).is_some());
        if acknowledged.len() < before {
            book.count("acknowledgements lost with their timeline");
        }
    }

    /// How many timelines have ended.
    pub(crate) fn timeline(&self) -> usize {
        self.book().ended.len()
    }

    /// The history of the timeline that lasts.
    pub(crate) fn tale(&self) -> Tale {
        self.book().tale.clone()
    }

    /// The version of the newest event of an entity.
    pub(crate) fn head(&self, address: Address) -> Version {
        self.book().tale.head(address)
    }

    /// How many letters are under way.
    pub(crate) fn letters(&self) -> usize {
        self.book().tale.letters()
    }

    /// The commands whose senders were told that they are done, in the timeline that lasts.
    pub(crate) fn acknowledged(&self) -> Vec<(Address, CommandId)> {
        self.book().acknowledged.clone()
    }

    /// Something is not as it should be.
    pub(crate) fn is_wrong(&self, why: String) {
        self.book().is_wrong(why);
    }

    /// What was first found to be wrong.
    pub(crate) fn wrong(&self) -> Option<String> {
        self.book().wrong.clone()
    }

    /// Counts something that happened.
    pub(crate) fn count(&self, what: &'static str) {
        self.book().count(what);
    }

    /// Everything that happened, as one number and by how often.
    pub(crate) fn sum(&self) -> (u64, Tally) {
        let book = self.book();
        (book.trace.finish(), book.tally.clone())
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        self.0.lock().unwrap()
    }
}

impl Book {
    /// The histories from which a process of `timeline` may know something: one that has not noticed that its timeline
    /// ended has read from all that came since.
    fn known_in(&self, timeline: usize) -> impl Iterator<Item = &Tale> {
        self.ended[timeline..].iter().chain([&self.tale])
    }

    fn is_wrong(&mut self, why: String) {
        self.wrong.get_or_insert(why);
    }

    fn count(&mut self, what: &'static str) {
        *self.tally.entry(what).or_default() += 1;
    }
}
