//! What every entity has in common: a head version, a state folded from events, and the memory of accepted
//! commands. The order of judging is here once: repeat, order, then the kind's own rules.

use std::fmt;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use spotter_protocol::{
    Address, Bests, ClientId, CommandId, EntityKind, EntityView, ErrorCode, Event, ExerciseId, Fault, Glance,
    JournalError, Rebased, Recorded, Stamp, Timestamp, UserId, Version, View, Vocabulary, Workout,
    WorkoutRef,
};

use crate::{Answered, Letter, ReadRow};

/// The rules of one kind of entity.
pub trait Rules:
    Clone + Default + fmt::Debug + PartialEq + Serialize + DeserializeOwned + Send + Sync + 'static
{
    /// What may be asked.
    type Command: fmt::Debug + Send + Sync;
    /// What can happen.
    type Event: Vocabulary + Clone + fmt::Debug + PartialEq + Into<Event> + Send + Sync;

    /// The kind in addresses.
    const KIND: EntityKind;
    /// Number of the form in which an entity is stored whole; raised with every change of the form. A snapshot
    /// of another number is ignored and replayed over; an event that opens a later stream has nothing before it
    /// to replay, so [`Entity::from_stored`] reads the forms of such events for ever.
    const FORM: u16;

    /// Makes the event that opens a later stream.
    const REBASED: fn(Rebased) -> Self::Event;

    /// What an event that opens a later stream carries.
    fn rebased(event: &Self::Event) -> Option<&Rebased>;

    /// What [`Rules::decide`] will want to know from outside for this command.
    fn needs(&self, command: &Self::Command) -> Needs;

    /// Judges a command. Changes nothing; reads nothing but its arguments. An accepted command has at
    /// least one event, so that it is remembered.
    ///
    /// # Errors
    /// The code of the refusal.
    fn decide(&self, ask: &Ask<'_, Self::Command>, brief: &Brief) -> Result<Vec<Self::Event>, ErrorCode>;

    /// Folds in one event. Cannot fail: a journaled event has already happened.
    fn apply(&mut self, recorded: &Recorded<Self::Event>);

    /// The read-model rows that `events` replace, which were just applied and led to `head`; without events,
    /// as with a snapshot, the rows of the entity itself. Absolute values, one per key.
    fn rows(&self, id: uuid::Uuid, head: Version, events: &[Recorded<Self::Event>]) -> Vec<ReadRow>;

    /// When the entity wants to be asked whether something is due; absent when nothing will be.
    fn reminder(&self) -> Option<Timestamp> {
        None
    }

    /// What an event of the entity at `address` has to tell inboxes. Written in the statement that journals
    /// the event, and carried from there exactly once.
    fn letters(_address: Address, _event: &Recorded<Self::Event>) -> Vec<Letter> {
        Vec::new()
    }

    /// The state as a view shows it; `None` before the first event of an entity that begins by a command.
    fn view(&self, view: View) -> Option<EntityView>;

    /// What a wall shows of the state at `head`; `None` for kinds that no wall shows.
    fn glance(&self, id: uuid::Uuid, head: Version) -> Option<Glance>;
}

/// A command as the rules see it.
#[derive(Debug)]
pub struct Ask<'a, C> {
    /// The owner of the entity.
    pub owner: UserId,
    /// The id within the owner's entities of this kind.
    pub id: uuid::Uuid,
    /// The command.
    pub command: &'a C,
    /// Its id.
    pub command_id: CommandId,
    /// Who sent it.
    pub author: UserId,
    /// The installation that sent it.
    pub client: ClientId,
    /// Its number by that client and entity.
    pub n: u64,
    /// The number it must follow; 0 for none.
    pub after: u64,
    /// The device's time of it, uncorrected.
    pub device_at: Timestamp,
    /// Server minus device clock, in microseconds.
    pub offset: i64,
    /// When the server received it.
    pub received_at: Timestamp,
}

impl<C> Ask<'_, C> {
    /// Where the command takes its place in time.
    pub fn at(&self) -> Timestamp {
        self.corrected(self.device_at)
    }

    /// Another of the device's times, corrected the same way.
    pub fn corrected(&self, device: Timestamp) -> Timestamp {
        Timestamp::placed(device, self.offset, self.received_at)
    }
}

/// What a decision wants to know from outside.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Needs {
    /// The content of this revision.
    pub workout: Option<WorkoutRef>,
    /// The athlete's bests in these exercises, and in those of `workout`, over other sessions' sets that
    /// were done before `before`.
    pub bests: Vec<ExerciseId>,
    /// The moment for `bests`; the command's own when absent.
    pub before: Option<Timestamp>,
    /// The owner's roster.
    pub roster: bool,
}

impl Needs {
    /// Whether nothing is wanted.
    pub fn is_nothing(&self) -> bool {
        *self == Self::default()
    }
}

/// The answers to [`Needs`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Brief {
    /// The revision's content; absent when there is no such revision in the gym.
    pub workout: Option<Workout>,
    /// The bests, where there are any.
    pub bests: Vec<Bests>,
    /// The athletes on active links of the owner.
    pub roster: Vec<UserId>,
}

/// The judgement of a command.
#[derive(Clone, Debug, PartialEq)]
pub enum Verdict<E> {
    /// Accepted before; it reached this version and changes nothing now.
    Repeat(Version),
    /// These events are to be journaled.
    Accept(Vec<Recorded<E>>),
    /// Nothing changed.
    Refuse(Fault),
}

/// One entity: state, head and memory.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(bound = "")]
pub struct Entity<S: Rules> {
    head: Version,
    state: S,
    answered: Answered,
}

impl<S: Rules> Entity<S> {
    /// The version of the newest event.
    pub const fn head(&self) -> Version {
        self.head
    }

    /// The state.
    pub const fn state(&self) -> &S {
        &self.state
    }

    /// The answer to a repeat, or the refusal of a command that came before one it must follow. The server's
    /// own commands have no number, and the state alone says whether they are done.
    pub fn known(&self, ask: &Ask<'_, S::Command>) -> Option<Verdict<S::Event>> {
        if ask.client == ClientId::SERVER {
            return None;
        }
        if let Some(version) = self.answered.repeat(ask.author, ask.client, ask.n) {
            return Some(Verdict::Repeat(version));
        }
        let highest = self.answered.highest(ask.author, ask.client);
        if ask.n == 0 || ask.after >= ask.n {
            let text = "n counts from 1 and after is below n";
            return Some(Verdict::Refuse(Fault::saying(ErrorCode::BadFrame, text)));
        }
        if ask.after > highest {
            let fault =
                Fault { highest: Some(highest), head: Some(self.head), ..Fault::new(ErrorCode::OutOfOrder) };
            return Some(Verdict::Refuse(fault));
        }
        None
    }

    /// Judges a command, [`Entity::known`] first. `brief` answers the state's needs.
    pub fn judge(&self, ask: &Ask<'_, S::Command>, brief: &Brief) -> Verdict<S::Event> {
        if let Some(verdict) = self.known(ask) {
            return verdict;
        }
        let stamp = Stamp {
            at: ask.at(),
            received_at: ask.received_at,
            device_at: ask.device_at,
            offset: ask.offset,
            author: ask.author,
            command: ask.command_id,
            client: ask.client,
            n: ask.n,
        };
        match self.state.decide(ask, brief) {
            Ok(events) => {
                debug_assert!(!events.is_empty(), "an accepted command leaves an event to remember it by");
                let numbered = events.into_iter().zip(self.head.0 + 1..);
                Verdict::Accept(
                    numbered.map(|(event, v)| Recorded { version: Version(v), stamp, event }).collect(),
                )
            }
            Err(code) => Verdict::Refuse(Fault { head: Some(self.head), ..Fault::new(code) }),
        }
    }

    /// Folds in the next event.
    ///
    /// # Panics
    /// When the event is not the next one: a broken invariant ends the actor, which is rebuilt.
    pub fn apply(&mut self, recorded: &Recorded<S::Event>) {
        assert_eq!(recorded.version, self.head.next(), "events apply in consecutive versions");
        self.state.apply(recorded);
        let stamp = &recorded.stamp;
        if stamp.client != ClientId::SERVER {
            self.answered.remember(stamp.author, stamp.client, stamp.n, recorded.version);
        }
        self.head = recorded.version;
    }

    /// Reads what [`Entity::to_stored`] wrote; `None` when this build does not know the form.
    pub fn from_stored(form: u16, bytes: &[u8]) -> Option<Self> {
        if form == S::FORM { rmp_serde::from_slice(bytes).ok() } else { None }
    }

    /// The entity whole, in the form [`Rules::FORM`].
    ///
    /// # Errors
    /// When it cannot be written, which an entity always can.
    pub fn to_stored(&self) -> Result<Vec<u8>, rmp_serde::encode::Error> {
        // Bodies inside leave absent fields out, so positions alone would not read back.
        rmp_serde::to_vec_named(self)
    }

    /// The event that opens a later stream in place of all so far, which changes nothing else.
    ///
    /// # Errors
    /// When the entity cannot be written, which an entity always can.
    pub fn rebase(&self, stamp: Stamp) -> Result<Recorded<S::Event>, rmp_serde::encode::Error> {
        let after = Self { head: self.head.next(), ..self.clone() };
        let rebased = Rebased { form: S::FORM, entity: after.to_stored()? };
        Ok(Recorded { version: after.head, stamp, event: S::REBASED(rebased) })
    }

    /// The entity after all the events of its stream. A later stream begins with the entity whole.
    ///
    /// # Errors
    /// When a newer build wrote that beginning, or its bytes are damaged.
    pub fn replay(stream: &[Recorded<S::Event>]) -> Result<Self, JournalError> {
        let Some((first, rest)) = stream.split_first() else { return Ok(Self::default()) };
        let Some(rebased) = S::rebased(&first.event) else { return Ok(Self::default().after(stream)) };
        let entity = Self::from_stored(rebased.form, &rebased.entity);
        let entity = entity.filter(|entity| entity.head == first.version).ok_or_else(|| {
            let kind = S::Event::name(first.event.kind()).to_owned();
            JournalError::Unknown { kind, schema: rebased.form }
        })?;
        Ok(entity.after(rest))
    }

    /// The entity after `events`; this one is left as it is.
    #[must_use]
    pub fn after(&self, events: &[Recorded<S::Event>]) -> Self {
        let mut next = self.clone();
        for event in events {
            next.apply(event);
        }
        next
    }
}
