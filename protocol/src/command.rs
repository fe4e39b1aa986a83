//! What may be asked of an entity. A command addresses one entity; the wire has none that touches two.

mod inbox;
mod room;
mod session;

use std::fmt;

use serde::de::{self, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::{EntityKind, Vocabulary};

pub use inbox::{
    Delivered, InboxCommand, InboxCommandKind, Message, Notify, Read, ReadNotifications, Receipt, Receive,
};
pub use room::{Dismiss, Hide, Pin, RoomCommand, RoomCommandKind, Show, Unpin};
pub use session::{
    Abandon, ActOnCue, Add, Amend, Complete, Cue, DeliverCue, DropSets, Fail, Finish, Movement, Note, Pain,
    Patch, Pause, Place, Readiness, Reopen, Reorder, Rest, Resume, SeeCue, SessionCommand,
    SessionCommandKind, Skip, Slot, Start, Swap, Void,
};

/// Any command of any entity; the name alone says which kind of entity it is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// For a session.
    Session(SessionCommand),
    /// For an inbox.
    Inbox(InboxCommand),
    /// For a room.
    Room(RoomCommand),
}

/// The names of all commands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CommandKind {
    /// For a session.
    Session(SessionCommandKind),
    /// For an inbox.
    Inbox(InboxCommandKind),
    /// For a room.
    Room(RoomCommandKind),
}

impl CommandKind {
    /// Every command there is.
    pub fn all() -> impl Iterator<Item = Self> {
        let session = SessionCommand::KINDS.iter().copied().map(Self::Session);
        let inbox = InboxCommand::KINDS.iter().copied().map(Self::Inbox);
        session.chain(inbox).chain(RoomCommand::KINDS.iter().copied().map(Self::Room))
    }

    /// The command of that name.
    pub fn named(name: &str) -> Option<Self> {
        SessionCommand::kind_of(name)
            .map(Self::Session)
            .or_else(|| InboxCommand::kind_of(name).map(Self::Inbox))
            .or_else(|| RoomCommand::kind_of(name).map(Self::Room))
    }

    /// The name on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Session(kind) => SessionCommand::name(kind),
            Self::Inbox(kind) => InboxCommand::name(kind),
            Self::Room(kind) => RoomCommand::name(kind),
        }
    }

    /// The kind of entity it is for.
    pub const fn entity(self) -> EntityKind {
        match self {
            Self::Session(_) => EntityKind::Session,
            Self::Inbox(_) => EntityKind::Inbox,
            Self::Room(_) => EntityKind::Room,
        }
    }
}

impl Command {
    /// Which command this is.
    pub fn kind(&self) -> CommandKind {
        match self {
            Self::Session(command) => CommandKind::Session(command.kind()),
            Self::Inbox(command) => CommandKind::Inbox(command.kind()),
            Self::Room(command) => CommandKind::Room(command.kind()),
        }
    }
}

impl<T: Into<SessionCommand>> From<T> for Command {
    fn from(command: T) -> Self {
        Self::Session(command.into())
    }
}

impl From<InboxCommand> for Command {
    fn from(command: InboxCommand) -> Self {
        Self::Inbox(command)
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
            Command::Inbox(_) | Command::Room(_) => Err(command),
        }
    }
}

impl TryFrom<Command> for InboxCommand {
    type Error = Command;

    fn try_from(command: Command) -> Result<Self, Command> {
        match command {
            Command::Inbox(command) => Ok(command),
            Command::Session(_) | Command::Room(_) => Err(command),
        }
    }
}

impl TryFrom<Command> for RoomCommand {
    type Error = Command;

    fn try_from(command: Command) -> Result<Self, Command> {
        match command {
            Command::Room(command) => Ok(command),
            Command::Session(_) | Command::Inbox(_) => Err(command),
        }
    }
}

impl Serialize for Command {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Session(command) => command.serialize(serializer),
            Self::Inbox(command) => command.serialize(serializer),
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
                    Some(CommandKind::Inbox(kind)) => {
                        InboxCommand::read_entry(kind, &mut map).map(Command::Inbox)?
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
