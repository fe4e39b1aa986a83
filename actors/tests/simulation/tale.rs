//! One history of the journal, kept apart from the journal: what was written, by whom and under which epoch, and what
//! was wrong with it.

use std::collections::BTreeMap;

use spotter_actors::{Append, Epoch, EventRow, publish};
use spotter_protocol::{
    Address, ClientId, CommandId, EntityKind, Event, InboxEvent, PublishedEvent, Recorded, RoomEvent,
    SessionEvent, UserId, Version, Vocabulary,
};

#[derive(Clone, Debug, Default)]
pub(crate) struct Tale {
    entities: BTreeMap<Address, Vec<Line>>,
    /// The versions at which each command's events begin and end.
    done: BTreeMap<(Address, CommandId), (Version, Version)>,
    /// The newest number of each device's commands to each entity.
    newest: BTreeMap<(Address, UserId, ClientId), u64>,
    /// Letters under way, by the id of the command they carry, and whose inbox they are for.
    letters: BTreeMap<CommandId, UserId>,
}

/// An event in the journal.
#[derive(Clone, Debug)]
struct Line {
    row: EventRow,
    epoch: Epoch,
    published: PublishedEvent<Event>,
}

impl Tale {
    /// Takes in an append that was written, and says what is wrong with it.
    pub(crate) fn write(&mut self, append: &Append) -> Result<(), String> {
        let to = append.address;
        let mut carried = 0;
        let mut before = None;
        for row in &append.events {
            self.write_row(to, append.epoch, row, before == Some(row.stamp.command))?;
            before = Some(row.stamp.command);
            if let Some(recipient) = self.letters.remove(&row.stamp.command) {
                carried += 1;
                if to != Address::inbox(recipient) {
                    return Err(format!("{to}: a letter to {recipient} was carried here"));
                }
            }
        }
        if carried != append.carried.len() {
            return Err(format!("{to}: {carried} letters have an effect, {:?} are gone", append.carried));
        }
        for letter in &append.letters {
            let is_done = self.done.contains_key(&(Address::inbox(letter.to), letter.command));
            if is_done || self.letters.insert(letter.command, letter.to).is_some() {
                return Err(format!("{to}: a letter to {} is written twice", letter.to));
            }
        }
        Ok(())
    }

    fn write_row(&mut self, to: Address, epoch: Epoch, row: &EventRow, goes_on: bool) -> Result<(), String> {
        let (version, stamp) = (row.version, &row.stamp);
        let lines = self.entities.entry(to).or_default();
        if version.0 != lines.len() as u64 + 1 {
            return Err(format!("{to}: version {} comes after {}", version.0, lines.len()));
        }
        if lines.last().is_some_and(|last| last.epoch > epoch) {
            return Err(format!("{to}: version {} has an epoch that is over: {epoch:?}", version.0));
        }
        lines.push(Line { row: row.clone(), epoch, published: read(to.kind, row)? });
        match self.done.get_mut(&(to, stamp.command)) {
            Some((_, last)) if goes_on => *last = version,
            Some(_) => return Err(format!("{to}: {} is done again at {}", stamp.command, version.0)),
            None => {
                self.done.insert((to, stamp.command), (version, version));
                let newest = self.newest.entry((to, stamp.author, stamp.client)).or_default();
                if stamp.client != ClientId::SERVER && stamp.n <= *newest {
                    return Err(format!("{to}: command {} is done after {newest}", stamp.n));
                }
                *newest = stamp.n;
            }
        }
        Ok(())
    }

    /// The version of the newest event of an entity.
    pub(crate) fn head(&self, address: Address) -> Version {
        Version(self.entities.get(&address).map_or(0, |lines| lines.len() as u64))
    }

    /// The versions at which the events of a command begin and end.
    pub(crate) fn done(&self, address: Address, command: CommandId) -> Option<(Version, Version)> {
        self.done.get(&(address, command)).copied()
    }

    /// Whether the journal holds this very event.
    pub(crate) fn holds(&self, address: Address, event: &PublishedEvent<Event>) -> bool {
        let lines = self.entities.get(&address);
        let place = usize::try_from(event.v.0).ok().and_then(|version| version.checked_sub(1));
        let line = lines.zip(place).and_then(|(lines, place)| lines.get(place));
        line.is_some_and(|line| line.published == *event)
    }

    /// Every entity with all of its events.
    pub(crate) fn entities(&self) -> impl Iterator<Item = (Address, Vec<EventRow>)> {
        self.entities.iter().map(|(address, lines)| (*address, lines.iter().map(|l| l.row.clone()).collect()))
    }

    /// How many letters are under way.
    pub(crate) fn letters(&self) -> usize {
        self.letters.len()
    }
}

fn read(kind: EntityKind, row: &EventRow) -> Result<PublishedEvent<Event>, String> {
    match kind {
        EntityKind::Session => read_as::<SessionEvent>(row),
        EntityKind::Inbox => read_as::<InboxEvent>(row),
        EntityKind::Room => read_as::<RoomEvent>(row),
    }
}

fn read_as<E: Vocabulary + Clone + Into<Event>>(row: &EventRow) -> Result<PublishedEvent<Event>, String> {
    let read = Recorded::<E>::read(row.version, row.stamp, &row.kind, row.schema, &row.body);
    Ok(publish(&read.map_err(|error| format!("{error}"))?))
}
