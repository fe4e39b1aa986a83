//! What has happened to an entity: the bodies of the journal. A kind is added, a schema is raised, and
//! nothing here is ever changed once a release has written it: `golden/journal` must decode for ever.

mod inbox;
mod rebased;
mod room;
mod session;

use serde::{Deserialize, Serialize};

use crate::{ClientId, CommandId, Timestamp, UserId, Version, Vocabulary};

pub use inbox::{
    Acknowledged, InboxEvent, InboxEventKind, MessageReceived, MessageSent, MessagesDelivered, MessagesRead,
    Notice, NoticeKind, NotificationsRead, Notified, ReceiptKind, ReceiptReceived,
};
pub use rebased::Rebased;
pub use room::{
    AthleteHidden, AthletePinned, AthleteShown, AthleteUnpinned, BadgeDismissed, RoomEvent, RoomEventKind,
};
pub use session::{
    Abandoned, Actual, CueActed, CueDelivered, CueSeen, Cued, ExerciseAdded, ExerciseSwapped, Finished,
    Noted, PainNoted, Paused, PlanPatched, PlannedExercise, PlannedSet, Pr, PrKind, PrWithdrawn,
    ReadinessNoted, Reopened, Reordered, Rested, Resumed, SessionEvent, SessionEventKind, SetAdded,
    SetAmended, SetCompleted, SetFailed, SetSkipped, SetVoided, SetsAdded, SetsDropped, Started,
};

/// Any event of any entity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// Of a session.
    Session(SessionEvent),
    /// Of an inbox.
    Inbox(InboxEvent),
    /// Of a room.
    Room(RoomEvent),
}

impl From<SessionEvent> for Event {
    fn from(event: SessionEvent) -> Self {
        Self::Session(event)
    }
}

impl From<InboxEvent> for Event {
    fn from(event: InboxEvent) -> Self {
        Self::Inbox(event)
    }
}

impl From<RoomEvent> for Event {
    fn from(event: RoomEvent) -> Self {
        Self::Room(event)
    }
}

impl Serialize for Event {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Session(event) => event.serialize(serializer),
            Self::Inbox(event) => event.serialize(serializer),
            Self::Room(event) => event.serialize(serializer),
        }
    }
}

/// Where an event came from: its command, and the three times of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stamp {
    /// Its place in time: see [`Timestamp::placed`].
    pub at: Timestamp,
    /// When the server received the command.
    pub received_at: Timestamp,
    /// When the device says it happened, uncorrected.
    pub device_at: Timestamp,
    /// Server clock minus device clock on that connection, in microseconds.
    pub offset: i64,
    /// Who sent the command.
    pub author: UserId,
    /// The command.
    pub command: CommandId,
    /// The installation that sent it.
    pub client: ClientId,
    /// The command's number by that client and entity.
    pub n: u64,
}

/// One event as journaled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recorded<E> {
    /// Its place in the entity's journal.
    pub version: Version,
    /// Where it came from.
    pub stamp: Stamp,
    /// What happened.
    pub event: E,
}

/// Why a journaled row could not be read.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// The kind is not one this build knows: a newer build wrote it.
    #[error("this build knows no event {kind:?} of schema {schema}")]
    Unknown {
        /// The row's kind.
        kind: String,
        /// The row's schema.
        schema: u16,
    },
    /// The body does not fit its kind.
    #[error("the body of an event {kind:?} cannot be read")]
    Body {
        /// The row's kind.
        kind: String,
        /// What the decoder said.
        source: rmp_serde::decode::Error,
    },
}

impl<E: Vocabulary> Recorded<E> {
    /// The schema number that this build writes. Bodies of lower numbers are upcast where they are read.
    pub const SCHEMA: u16 = 1;

    /// Reads a row of the journal.
    ///
    /// # Errors
    /// When a newer build wrote it, or its bytes are damaged.
    pub fn read(
        version: Version,
        stamp: Stamp,
        kind: &str,
        schema: u16,
        body: &[u8],
    ) -> Result<Self, JournalError> {
        let known = E::kind_of(kind).filter(|_| schema == Self::SCHEMA);
        let known = known.ok_or_else(|| JournalError::Unknown { kind: kind.to_owned(), schema })?;
        let event = E::body_from_msgpack(known, body)
            .map_err(|source| JournalError::Body { kind: kind.to_owned(), source })?;
        Ok(Self { version, stamp, event })
    }
}
