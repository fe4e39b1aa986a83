//! The ports to what lies outside the engine: the journal that makes events durable, the library that
//! answers what decisions need to know, and the clock.

use async_trait::async_trait;
use spotter_protocol::{
    Address, CommandId, GymId, JournalError, Shard, Stamp, StreamId, Timestamp, UserId, Version,
};
use spotter_rules::{Brief, Needs, ReadRow};
use uuid::Uuid;

/// Fencing number of a shard. A write under an older epoch than the shard's row holds writes nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Epoch(pub i64);

/// What a node may write: an epoch for each shard it owns, and the name it owns them under.
#[derive(Clone, Debug)]
pub struct Claim {
    /// The owner's name in the shard rows: a new one for each start of a process.
    pub node: Uuid,
    /// The epoch of each shard, by number; absent where another node owns it.
    pub epochs: Vec<Option<Epoch>>,
}

impl Claim {
    /// The epoch of a shard, when this node owns it.
    pub fn epoch(&self, shard: Shard) -> Option<Epoch> {
        self.epochs.get(usize::from(shard.number())).copied().flatten()
    }
}

/// Events of an entity, of one command or of several in turn, with the rows that go with them: written whole or
/// not at all. Without events it moves the entity's reminder and nothing else.
#[derive(Clone, Debug)]
pub struct Append {
    /// The tenant.
    pub gym: GymId,
    /// The entity.
    pub address: Address,
    /// Its stream.
    pub stream: StreamId,
    /// Whether the stream begins with these events.
    pub opening: Opening,
    /// The epoch of the entity's shard that the writer holds.
    pub epoch: Epoch,
    /// The events, in consecutive versions.
    pub events: Vec<EventRow>,
    /// Read-model rows of the same owner.
    pub rows: Vec<ReadRow>,
    /// Letters to the inboxes of others, in the order in which they are to arrive.
    pub letters: Vec<LetterRow>,
    /// Letters to the owner whose effect these events are: deleted with them. One that is not there is a
    /// [`Outcome::Conflict`].
    pub carried: Vec<LetterId>,
    /// What becomes of the entity's reminder.
    pub reminder: Remind,
}

/// How a stream begins. Its row in `entities` is written with the events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Opening {
    /// It has begun before.
    No,
    /// With the first events of an entity.
    Entity,
    /// With an event that stands for all before it in the stream that the entity leaves. That one is sealed, so
    /// that a writer who knows of no other finds its next version taken; its snapshot is dropped.
    Rotation {
        /// The stream that the entity leaves.
        left: StreamId,
    },
}

impl Opening {
    /// The stream that is left for the one that begins.
    pub const fn left(self) -> Option<StreamId> {
        match self {
            Self::Rotation { left } => Some(left),
            Self::No | Self::Entity => None,
        }
    }
}

impl Append {
    /// The last row of the stream that a rotation leaves, under the version and stamp of the event that opens the
    /// new one: kind `moved`, with the stream that follows as its body.
    pub fn seal(&self) -> Option<(StreamId, EventRow)> {
        let left = self.opening.left()?;
        let body = self.stream.0.as_bytes().to_vec();
        let first = self.events.first()?;
        let EventRow { version, stamp, .. } = *first;
        Some((left, EventRow { version, stamp, kind: "moved".to_owned(), schema: 1, body }))
    }
}

/// A letter under way to an inbox. Later letters have higher ids.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LetterId(pub i64);

/// A command on its way to an inbox of the same gym.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LetterRow {
    /// Whose inbox.
    pub to: UserId,
    /// Who caused it.
    pub author: UserId,
    /// The id that the command has there.
    pub command: CommandId,
    /// When it was sent.
    pub at: Timestamp,
    /// The command's name.
    pub kind: String,
    /// Its body: MessagePack.
    pub body: Vec<u8>,
}

/// What becomes of an entity's reminder: the moment at which it wants to be asked whether something is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Remind {
    /// It stays as it is.
    Keep,
    /// It is at this moment from now on.
    At(Timestamp),
    /// There is none from now on.
    Never,
}

/// A reminder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reminder {
    /// When.
    pub at: Timestamp,
    /// The tenant.
    pub gym: GymId,
    /// The entity.
    pub address: Address,
}

/// One row of the journal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventRow {
    /// Its version; with the stream, the key.
    pub version: Version,
    /// Where it came from.
    pub stamp: Stamp,
    /// The event's name.
    pub kind: String,
    /// The schema of its body.
    pub schema: u16,
    /// Its body: MessagePack.
    pub body: Vec<u8>,
}

/// What became of one [`Append`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Durable: by this statement, or by an earlier one whose outcome was unknown.
    Committed,
    /// Another node holds the shard, or holds it under a newer epoch. Nothing was written now; an earlier
    /// offer of the same rows may have been committed.
    Fenced,
    /// The writer's state is not the journal's: another command's events have these versions, the version
    /// before them is missing, or the entity was opened under another stream. Nothing was written.
    Conflict,
    /// The store refuses these rows for what they hold. Nothing was written.
    Refused(String),
}

/// The state of an entity as stored, to be folded newest last.
#[derive(Clone, Debug)]
pub struct Stored {
    /// The stream its events are appended to.
    pub stream: StreamId,
    /// The version with which the stream begins.
    pub first: Version,
    /// The newest snapshot, if one is kept.
    pub snapshot: Option<SnapshotRow>,
    /// The events after the snapshot, or all.
    pub tail: Vec<EventRow>,
    /// The entity's reminder.
    pub reminder: Option<Timestamp>,
}

/// An entity and the stream in which it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Resident {
    /// The tenant.
    pub gym: GymId,
    /// The entity.
    pub address: Address,
    /// Its stream.
    pub stream: StreamId,
}

/// A stored snapshot: discardable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SnapshotRow {
    /// The version it holds.
    pub version: Version,
    /// Number of its form.
    pub schema: u16,
    /// The state: MessagePack.
    pub body: Vec<u8>,
}

/// A snapshot to be stored under the fence.
#[derive(Clone, Debug)]
pub struct SnapshotWrite {
    /// The tenant.
    pub gym: GymId,
    /// The entity.
    pub address: Address,
    /// Its stream.
    pub stream: StreamId,
    /// The epoch of the entity's shard that the writer holds.
    pub epoch: Epoch,
    /// The snapshot. An older one than is stored is ignored.
    pub snapshot: SnapshotRow,
    /// Read-model rows brought up to its version; ignored with it. A session's row never replaces one of a
    /// later version.
    pub rows: Vec<ReadRow>,
}

/// Why the store did not answer. After a failed write the outcome is unknown: offer the same rows again.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// It is away or refuses work just now.
    #[error("the store is not available: {0}")]
    Unavailable(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// A stored row has not the form in which rows are written.
    #[error("a stored row cannot be read: {0}")]
    Unreadable(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// What is stored cannot be read by this build.
    #[error(transparent)]
    Damaged(#[from] JournalError),
}

/// Where events become durable.
#[async_trait]
pub trait Journal: Send + Sync + 'static {
    /// Names the history this store holds. Another one voids every version a client remembers.
    fn incarnation(&self) -> Uuid;

    /// Writes a batch in one transaction, each append checked against its shard's epoch in the statement
    /// that writes it. Answers each append in order; a bad one never fails its neighbours. Offering an
    /// append again that was committed before answers [`Outcome::Committed`] and writes nothing.
    ///
    /// # Errors
    /// When the outcome of the whole batch is unknown.
    async fn commit(&self, node: Uuid, batch: &[Append]) -> Result<Vec<Outcome>, StoreError>;

    /// Writes snapshots, each checked against its shard's epoch; fenced ones are left out silently.
    ///
    /// # Errors
    /// When the store does not answer. Snapshots are discardable: nothing is lost.
    async fn save(&self, node: Uuid, snapshots: &[SnapshotWrite]) -> Result<(), StoreError>;

    /// Reads an entity; `None` when this gym has none at the address.
    ///
    /// # Errors
    /// When the store does not answer.
    async fn load(&self, gym: GymId, address: Address) -> Result<Option<Stored>, StoreError> {
        Ok(self.load_all(gym, &[address]).await?.pop().map(|(_, stored)| stored))
    }

    /// Reads many entities at once, in the order asked for; an address at which this gym has none is left out.
    ///
    /// # Errors
    /// When the store does not answer.
    async fn load_all(&self, gym: GymId, addresses: &[Address])
    -> Result<Vec<(Address, Stored)>, StoreError>;

    /// Reads at most `limit` events of an entity's stream after `since`, oldest first; `None` when this gym has no
    /// such entity. Streams that the entity has left are not read.
    ///
    /// # Errors
    /// When the store does not answer.
    async fn events(
        &self,
        gym: GymId,
        address: Address,
        since: Version,
        limit: u32,
    ) -> Result<Option<Vec<EventRow>>, StoreError>;

    /// The running (live or paused) sessions of `owners`, newest first, each with its head version.
    ///
    /// # Errors
    /// When the store does not answer.
    async fn running(&self, gym: GymId, owners: &[UserId]) -> Result<Vec<(Address, Version)>, StoreError>;

    /// At most `limit` letters to `recipient`, in the order in which they are to be carried.
    ///
    /// # Errors
    /// When the store does not answer.
    async fn letters(
        &self,
        gym: GymId,
        recipient: UserId,
        limit: u32,
    ) -> Result<Vec<(LetterId, LetterRow)>, StoreError>;

    /// At most `limit` users above `after` to whom letters are under way, in the order of their ids.
    ///
    /// # Errors
    /// When the store does not answer.
    async fn recipients(&self, after: UserId, limit: u32) -> Result<Vec<(GymId, UserId)>, StoreError>;

    /// At most `limit` reminders at `until` or before, earliest first.
    ///
    /// # Errors
    /// When the store does not answer.
    async fn reminders(&self, until: Timestamp, limit: u32) -> Result<Vec<Reminder>, StoreError>;

    /// At most `limit` entities of all gyms whose present stream comes after `after` and before `boundary`, in the
    /// order of their streams.
    ///
    /// # Errors
    /// When the store does not answer.
    async fn begun_before(
        &self,
        boundary: StreamId,
        after: StreamId,
        limit: u32,
    ) -> Result<Vec<Resident>, StoreError>;

    /// The version at which the events of a command to an entity end, in whichever of its streams; `None` when
    /// there are none, or this gym has no such entity. Slow: it reads all of the entity's journal. Events that were
    /// taken away with their month are not found.
    ///
    /// # Errors
    /// When the store does not answer.
    async fn version_of(
        &self,
        gym: GymId,
        address: Address,
        command: CommandId,
    ) -> Result<Option<Version>, StoreError>;
}

/// What decisions need to know from outside the entity.
#[async_trait]
pub trait Library: Send + Sync + 'static {
    /// Answers `needs` for a command at `at` to the entity at `address`; bests leave that session's own sets out.
    ///
    /// # Errors
    /// When the store does not answer.
    async fn brief(
        &self,
        gym: GymId,
        address: Address,
        needs: &Needs,
        at: Timestamp,
    ) -> Result<Brief, StoreError>;

    /// The athletes of a room, each once: of a coach, those on active links with permission to see sessions; of
    /// the gym itself, whose id then is the owner's, all of its athletes. At most as many as a wall shows.
    ///
    /// # Errors
    /// When the store does not answer.
    async fn roster(&self, gym: GymId, owner: UserId) -> Result<Vec<UserId>, StoreError>;
}

/// The time of day. Only the engine's shell asks; rules are told.
pub trait Clock: Send + Sync + 'static {
    /// Now.
    fn now(&self) -> Timestamp;
}
