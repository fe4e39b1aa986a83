//! What may be asked of an entity. A command addresses one entity; the wire has none that touches two.

use std::fmt;

use serde::de::{self, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::event::Actual;
use crate::vocabulary::vocabulary;
use crate::{
    EntityKind, ExerciseId, InstanceId, LoadKind, Millis, Name, NoteText, Reason, SetId, SetType, Timestamp,
    Title, UserId, Vocabulary, WorkoutRef,
};

vocabulary! {
    /// What may be asked of a session.
    pub enum SessionCommand, SessionCommandKind {
        /// Begin, by a workout's revision or ad hoc.
        Start = "start",
        /// A set was done as it was meant.
        Complete = "complete",
        /// A set will not be done.
        Skip = "skip",
        /// A set was tried and missed.
        Fail = "fail",
        /// What was logged for a set was wrong.
        Amend = "amend",
        /// A set was logged by mistake.
        Void = "void",
        /// A remark on the session or a set.
        Note = "note",
        /// Rest until `start` and `duration_ms` have passed.
        Rest = "rest",
        /// Interrupt the session.
        Pause = "pause",
        /// Go on after a pause.
        Resume = "resume",
        /// End the session.
        Finish = "finish",
        /// Undo the end.
        Reopen = "reopen",
    }
}

vocabulary! {
    /// What may be asked of a room.
    pub enum RoomCommand, RoomCommandKind {
        /// Take an athlete off this wall; the link stays.
        Hide = "hide",
        /// Put a hidden athlete back.
        Show = "show",
    }
}

/// Begins a session. Exactly one of `workout` and `title` is given.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Start {
    /// The revision to follow; its prescription is copied into the session.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workout: Option<WorkoutRef>,
    /// What to call a session without a workout.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<Title>,
}

/// Where a set belongs that the plan does not have.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// The exercise instance; made by the client (UUIDv7) when the session lacks it.
    pub instance: InstanceId,
    /// The movement.
    pub exercise: ExerciseId,
    /// Its name, as the athlete sees it.
    pub name: Name,
    /// What the load means.
    #[serde(default)]
    pub load_kind: LoadKind,
    /// How the set is meant.
    #[serde(rename = "type", default)]
    pub set_type: SetType,
}

/// Logs a set as performed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Complete {
    /// The set: planned, voided, or new when `place` is given.
    pub set: SetId,
    /// What was done.
    pub actual: Actual,
    /// Where a set outside the plan belongs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<Place>,
}

/// Says that a planned set will not be done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Skip {
    /// The set.
    pub set: SetId,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Reason>,
}

/// Logs a set that was tried and missed. Same fields as [`Complete`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fail {
    /// The set: planned, voided, or new when `place` is given.
    pub set: SetId,
    /// What was done before it was missed.
    pub actual: Actual,
    /// Where a set outside the plan belongs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<Place>,
}

/// Replaces what was logged for a performed or failed set. Its place in time stays.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Amend {
    /// The set.
    pub set: SetId,
    /// What was really done.
    pub actual: Actual,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Reason>,
}

/// Takes back a logged set; it may be logged again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Void {
    /// The set.
    pub set: SetId,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Reason>,
}

/// Remarks on the session, or on a set of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Note {
    /// The set; absent for the session.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub set: Option<SetId>,
    /// The remark.
    pub text: NoteText,
}

/// Rests. Sent again with another duration, it replaces the rest under way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rest {
    /// The set rested from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<SetId>,
    /// When the rest began, by the device's clock.
    pub start: Timestamp,
    /// How long it lasts.
    pub duration_ms: Millis,
}

macro_rules! bare {
    ($($(#[$meta:meta])* $name:ident;)*) => {$(
        $(#[$meta])*
        #[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
        pub struct $name {}
    )*};
}

bare! {
    /// Interrupts a live session.
    Pause;
    /// Goes on with a paused session.
    Resume;
    /// Ends a session.
    Finish;
    /// Makes a finished session live again.
    Reopen;
}

/// Takes an athlete off the wall.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hide {
    /// Who.
    pub athlete: UserId,
}

/// Puts a hidden athlete back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Show {
    /// Who.
    pub athlete: UserId,
}

/// Any command of any entity; the name alone says which kind of entity it is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// For a session.
    Session(SessionCommand),
    /// For a room.
    Room(RoomCommand),
}

/// The names of all commands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CommandKind {
    /// For a session.
    Session(SessionCommandKind),
    /// For a room.
    Room(RoomCommandKind),
}

impl CommandKind {
    /// Every command there is.
    pub fn all() -> impl Iterator<Item = Self> {
        let session = SessionCommand::KINDS.iter().copied().map(Self::Session);
        session.chain(RoomCommand::KINDS.iter().copied().map(Self::Room))
    }

    /// The command of that name.
    pub fn named(name: &str) -> Option<Self> {
        SessionCommand::kind_of(name)
            .map(Self::Session)
            .or_else(|| RoomCommand::kind_of(name).map(Self::Room))
    }

    /// The name on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Session(kind) => SessionCommand::name(kind),
            Self::Room(kind) => RoomCommand::name(kind),
        }
    }

    /// The kind of entity it is for.
    pub const fn entity(self) -> EntityKind {
        match self {
            Self::Session(_) => EntityKind::Session,
            Self::Room(_) => EntityKind::Room,
        }
    }
}

impl Command {
    /// Which command this is.
    pub fn kind(&self) -> CommandKind {
        match self {
            Self::Session(command) => CommandKind::Session(command.kind()),
            Self::Room(command) => CommandKind::Room(command.kind()),
        }
    }
}

impl<T: Into<SessionCommand>> From<T> for Command {
    fn from(command: T) -> Self {
        Self::Session(command.into())
    }
}

impl From<RoomCommand> for Command {
    fn from(command: RoomCommand) -> Self {
        Self::Room(command)
    }
}

impl TryFrom<Command> for SessionCommand {
    type Error = Command;

    fn try_from(command: Command) -> Result<Self, Command> {
        match command {
            Command::Session(command) => Ok(command),
            Command::Room(_) => Err(command),
        }
    }
}

impl TryFrom<Command> for RoomCommand {
    type Error = Command;

    fn try_from(command: Command) -> Result<Self, Command> {
        match command {
            Command::Room(command) => Ok(command),
            Command::Session(_) => Err(command),
        }
    }
}

impl Serialize for Command {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Session(command) => command.serialize(serializer),
            Self::Room(command) => command.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for Command {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct OneEntry;

        impl<'de> Visitor<'de> for OneEntry {
            type Value = Command;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a map of one command's name to its body")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Command, A::Error> {
                let name: String =
                    map.next_key()?.ok_or_else(|| de::Error::custom("the command has no name"))?;
                let command = match CommandKind::named(&name) {
                    Some(CommandKind::Session(kind)) => {
                        SessionCommand::read_entry(kind, &mut map).map(Command::Session)?
                    }
                    Some(CommandKind::Room(kind)) => {
                        RoomCommand::read_entry(kind, &mut map).map(Command::Room)?
                    }
                    None => return Err(de::Error::custom(format_args!("no command is named {name:?}"))),
                };
                match map.next_key::<de::IgnoredAny>()? {
                    Some(_) => Err(de::Error::custom("a command has one name")),
                    None => Ok(command),
                }
            }
        }

        deserializer.deserialize_map(OneEntry)
    }
}
