//! The actor around an entity. Its one order: deduplicate, decide, append and wait for the commit, apply,
//! publish, reply. The state never runs ahead of the journal, and nobody sees what is not in it. Commands that
//! wait together go through it together.

use std::marker::PhantomData;
use std::sync::Arc;

use metrics::Histogram;
use ractor::{Actor, ActorProcessingErr, ActorRef};
use spotter_protocol::{
    Address, EntityKind, ErrorCode, Fault, GymId, Recorded, StreamId, Timestamp, UserId, Version,
};
use spotter_rules::{self as rules, Brief, Entity, Rules, Verdict};
use tracing::{error, warn};
use uuid::Uuid;

use crate::ask::{Answer, Done};
use crate::backplane::{EventNews, Publication};
use crate::lane::Lanes;
use crate::loader::Loader;
use crate::peers::elsewhere;
use crate::post::{self, Hints};
use crate::queue::{Asked, Queue};
use crate::rebuild::{rebuild, row};
use crate::rotation::Home;
use crate::{
    Append, Backplane, Claims, Clock, DeadLetters, Epoch, EventRow, Journal, LetterId, LetterRow, Library,
    Opening, Outcome, Peers, Remind, SnapshotRow, SnapshotWrite, StoreError,
};

/// Bytes of event bodies after which an append takes no further command.
const BATCH_BYTES_MAX: usize = 64 * 1024;
/// Bytes of event bodies after which a snapshot is stored.
const SNAPSHOT_BYTES: usize = 64 * 1024;
/// Fewer new events than this are not worth a snapshot when an entity goes to rest.
const REST_EVENTS: u64 = 10;

/// What every actor of a node shares.
pub(crate) struct Shared {
    pub(crate) journal: Arc<dyn Journal>,
    pub(crate) claims: Arc<Claims>,
    pub(crate) peers: Arc<dyn Peers>,
    pub(crate) library: Arc<dyn Library>,
    pub(crate) backplane: Arc<dyn Backplane>,
    pub(crate) lanes: Lanes,
    /// Reads entities that wake.
    pub(crate) loader: Loader,
    /// Tells the post office of letters.
    pub(crate) hints: Hints,
    pub(crate) dead_letters: Arc<dyn DeadLetters>,
    pub(crate) clock: Arc<dyn Clock>,
    /// Commands of one entity that were judged together.
    pub(crate) batch_commands: Histogram,
    /// Events after which a snapshot is stored.
    pub(crate) snapshot_every: u64,
    /// Events after which an entity begins a new stream.
    pub(crate) rotate_every: u64,
}

/// The kinds of entity the shell can hold: rules whose commands are found in the common envelope.
pub(crate) trait Kind: Rules<Command: TryFrom<spotter_protocol::Command>> {}
impl<S: Rules<Command: TryFrom<spotter_protocol::Command>>> Kind for S {}

/// An entity in memory.
pub(crate) struct Awake<S: Kind> {
    shared: Arc<Shared>,
    gym: GymId,
    address: Address,
    epoch: Epoch,
    stream: StreamId,
    /// The version with which the stream begins.
    first: Version,
    queue: Arc<Queue>,
    /// As the journal has it; an empty one while a batch has it in hand.
    entity: Entity<S>,
    saved: Version,
    unsaved_bytes: usize,
    /// The stored reminder; the entity's own wish may be later.
    reminder: Option<Timestamp>,
}

/// Commands that are judged together and whose events share one append.
struct Batch<S: Kind> {
    /// The entity with what was accepted applied to it: out of everyone's reach until that is committed.
    next: Option<Entity<S>>,
    events: Vec<Recorded<S::Event>>,
    rows: Vec<EventRow>,
    letters: Vec<LetterRow>,
    carried: Vec<LetterId>,
    /// Bytes of event bodies.
    bytes: usize,
    /// To each command in turn, once what was accepted is committed.
    answers: Vec<Answer>,
    /// A reminder rang before something was due.
    too_early: bool,
}

impl<S: Kind> Default for Batch<S> {
    fn default() -> Self {
        Self {
            next: None,
            events: Vec::new(),
            rows: Vec::new(),
            letters: Vec::new(),
            carried: Vec::new(),
            bytes: 0,
            answers: Vec::new(),
            too_early: false,
        }
    }
}

/// Another node has the shard, or this one has it under a newer epoch: nothing more is written here.
#[derive(Debug, thiserror::Error)]
#[error("the shard has another owner or a newer epoch")]
pub(crate) struct Fenced;

/// There is something in the queue.
pub(crate) struct Work;

impl<S: Kind> Awake<S> {
    /// Reads an entity from the journal; one that has no events yet begins a stream of its own.
    pub(crate) async fn load(
        shared: Arc<Shared>,
        gym: GymId,
        address: Address,
        epoch: Epoch,
        queue: Arc<Queue>,
    ) -> Result<Self, StoreError> {
        let stored = shared.loader.load(gym, address).await?;
        let reminder = stored.as_ref().and_then(|stored| stored.reminder);
        let (stream, first, entity, saved) = match stored {
            Some(stored) => {
                let before = Version(stored.first.0.saturating_sub(1));
                let saved = stored.snapshot.as_ref().map_or(before, |snapshot| snapshot.version);
                let entity = rebuild(&*shared.journal, gym, address, &stored).await?;
                (stored.stream, stored.first, entity, saved)
            }
            None => (StreamId(Uuid::now_v7()), Version(1), Entity::default(), Version(0)),
        };
        Ok(Self {
            shared,
            gym,
            address,
            epoch,
            stream,
            first,
            queue,
            entity,
            saved,
            unsaved_bytes: 0,
            reminder,
        })
    }

    /// Judges what waits, as much of it in one append as fits, and answers it; until nothing waits. An error
    /// ends the actor: what is in memory may no longer be what is in the journal, and it is rebuilt from there.
    async fn work(&mut self) -> Result<(), ActorProcessingErr> {
        while let Some(first) = self.queue.next() {
            self.obey(first).await?;
            if self.entity.head().0 + 1 >= self.first.0 + self.shared.rotate_every {
                self.rotate().await?;
            }
            if self.entity.head().0 >= self.saved.0 + self.shared.snapshot_every
                || self.unsaved_bytes >= SNAPSHOT_BYTES
            {
                self.save().await;
            }
        }
        Ok(())
    }

    /// Judges a command and those that wait behind it, each against the state as those before it leave it, and
    /// answers them in turn once all that they changed is committed.
    async fn obey(&mut self, first: Asked) -> Result<(), ActorProcessingErr> {
        let mut batch = Batch::default();
        let mut next = Some(first);
        while let Some(asked) = next {
            self.judge(asked, &mut batch).await?;
            next = if batch.bytes < BATCH_BYTES_MAX { self.queue.next() } else { None };
        }
        let commands = batch.answers.len();
        self.shared.batch_commands.record(commands as f64);
        if commands > 1 {
            self.queue.suspect_nobody();
        }
        let is_said_only = batch.next.is_none();
        match self.commit(&mut batch).await? {
            Ok(()) if is_said_only => self.vouch(&mut batch)?,
            Ok(()) => {}
            Err(why) if commands == 1 => {
                error!(address = %self.address, %why, "the store refuses an event");
                let fault = Fault::saying(ErrorCode::BadFrame, "the store cannot hold this");
                batch.answers = vec![Err(fault)];
            }
            Err(_) => {
                // One of them is bad: alone, each stands for itself.
                self.queue.again_alone();
                return Ok(());
            }
        }
        if batch.too_early {
            self.move_reminder().await?;
        }
        self.queue.answer(batch.answers);
        Ok(())
    }

    /// Judges one command and puts what comes of it into the batch.
    async fn judge(&mut self, asked: Asked, batch: &mut Batch<S>) -> Result<(), ActorProcessingErr> {
        let Asked { author, frame, offset, received_at, carries } = asked;
        let Ok(command) = S::Command::try_from(frame.command) else {
            let fault = Fault::saying(ErrorCode::BadFrame, "this command is for another kind of entity");
            batch.answers.push(Err(fault));
            return Ok(());
        };
        let ask = rules::Ask {
            owner: self.address.owner,
            id: self.address.id,
            command: &command,
            command_id: frame.id,
            author,
            client: frame.client,
            n: frame.n,
            after: frame.after,
            device_at: frame.at,
            offset,
            received_at,
        };
        let entity = batch.next.as_ref().unwrap_or(&self.entity);
        let verdict = match entity.known(&ask) {
            Some(verdict) => verdict,
            None => match self.brief(entity, &ask).await {
                Ok(brief) => entity.judge(&ask, &brief),
                Err(error) => {
                    warn!(address = %self.address, %error, "no brief for a command");
                    Verdict::Refuse(Fault::new(ErrorCode::Unavailable))
                }
            },
        };
        batch.answers.push(match verdict {
            Verdict::Repeat(version) => Ok(Done { version, repeat: true }),
            Verdict::Refuse(fault) => {
                batch.too_early |= fault.code == ErrorCode::NotYet;
                Err(fault)
            }
            Verdict::Accept(events) => {
                let next = batch.next.get_or_insert_with(|| std::mem::take(&mut self.entity));
                for event in &events {
                    next.apply(event);
                    let row = row(event)?;
                    batch.bytes += row.body.len();
                    batch.rows.push(row);
                    batch.letters.extend(post::letters_of::<S>(self.address, event)?);
                }
                batch.carried.extend(carries);
                batch.events.extend(events);
                Ok(Done { version: next.head(), repeat: false })
            }
        });
        Ok(())
    }

    /// What nothing was written for is said only while nobody else can have written to the entity: refusals, and that
    /// something was done before.
    fn vouch(&self, batch: &mut Batch<S>) -> Result<(), Fenced> {
        let (claims, shard) = (&self.shared.claims, self.address.shard());
        if claims.epoch(shard) != Some(self.epoch) {
            return Err(Fenced);
        }
        if !claims.is_sure() {
            batch.answers.iter_mut().for_each(|answer| *answer = Err(elsewhere()));
        }
        Ok(())
    }

    /// The entity as the journal has it, in place of one whose events it did not take.
    async fn read_again(&mut self) -> Result<(), StoreError> {
        let (shared, queue) = (Arc::clone(&self.shared), Arc::clone(&self.queue));
        *self = Self::load(shared, self.gym, self.address, self.epoch, queue).await?;
        Ok(())
    }

    async fn brief(&self, entity: &Entity<S>, ask: &rules::Ask<'_, S::Command>) -> Result<Brief, StoreError> {
        let needs = entity.state().needs(ask.command);
        if needs.is_nothing() {
            return Ok(Brief::default());
        }
        self.shared.library.brief(self.gym, self.address, &needs, ask.at()).await
    }

    /// Makes a batch durable, adopts the state after it and tells of it. The inner error is why the store
    /// refuses it: then nothing was changed.
    async fn commit(&mut self, batch: &mut Batch<S>) -> Result<Result<(), String>, ActorProcessingErr> {
        let Some(next) = batch.next.take() else { return Ok(Ok(())) };
        let letters = std::mem::take(&mut batch.letters);
        let recipients: Vec<UserId> = letters.iter().map(|letter| letter.to).collect();
        let reminder = self.remind(&next);
        let opens = batch.events.first().is_some_and(|first| first.version == Version(1));
        let append = Append {
            opening: if opens { Opening::Entity } else { Opening::No },
            events: std::mem::take(&mut batch.rows),
            rows: next.state().rows(self.address.id, next.head(), &batch.events),
            letters,
            carried: std::mem::take(&mut batch.carried),
            reminder,
            ..self.nothing()
        };
        self.queue.suspect_nobody();
        match self.shared.lanes.append(append).await? {
            Outcome::Committed => {
                self.entity = next;
                self.reminded(reminder);
                self.unsaved_bytes += batch.bytes;
                self.publish(&batch.events);
                recipients.into_iter().for_each(|to| self.shared.hints.give(self.gym, to));
                Ok(Ok(()))
            }
            Outcome::Refused(why) => {
                self.read_again().await?;
                Ok(Err(why))
            }
            Outcome::Fenced => Err(Fenced.into()),
            Outcome::Conflict => Err("the journal holds other events than this actor knew".into()),
        }
    }

    /// What becomes of the reminder with a commit. A later wish leaves it where it is: it rings too early, once,
    /// instead of moving with every command.
    fn remind(&self, next: &Entity<S>) -> Remind {
        match (next.state().reminder(), self.reminder) {
            (Some(wish), None) => Remind::At(wish),
            (Some(wish), Some(stored)) if wish < stored => Remind::At(wish),
            (Some(_), Some(_)) | (None, None) => Remind::Keep,
            (None, Some(_)) => Remind::Never,
        }
    }

    fn reminded(&mut self, reminder: Remind) {
        match reminder {
            Remind::Keep => {}
            Remind::At(at) => self.reminder = Some(at),
            Remind::Never => self.reminder = None,
        }
    }

    /// Moves a reminder that rang too early to where the entity wants it.
    async fn move_reminder(&mut self) -> Result<(), ActorProcessingErr> {
        let Some(wish) = self.entity.state().reminder() else { return Ok(()) };
        self.queue.suspect_nobody();
        let append = Append { reminder: Remind::At(wish), ..self.nothing() };
        match self.shared.lanes.append(append).await? {
            Outcome::Committed => self.reminder = Some(wish),
            Outcome::Fenced => return Err(Fenced.into()),
            // It rings too early again.
            Outcome::Conflict | Outcome::Refused(_) => {}
        }
        Ok(())
    }

    /// An append of nothing, to be filled.
    const fn nothing(&self) -> Append {
        self.home().nothing()
    }

    const fn home(&self) -> Home {
        Home { gym: self.gym, address: self.address, stream: self.stream, epoch: self.epoch }
    }

    /// Begins a new stream with the entity whole.
    async fn rotate(&mut self) -> Result<(), ActorProcessingErr> {
        let stream = StreamId(Uuid::now_v7());
        let (rebased, append) = self.home().leave(&self.entity, stream, self.shared.clock.now())?;
        self.queue.suspect_nobody();
        match self.shared.lanes.append(append).await? {
            Outcome::Committed => {
                metrics::counter!("spotter_entity_rotations_total").increment(1);
                self.entity.apply(&rebased);
                (self.stream, self.first, self.saved) = (stream, rebased.version, rebased.version);
                self.unsaved_bytes = 0;
                self.publish(&[rebased]);
                Ok(())
            }
            Outcome::Refused(why) => {
                error!(address = %self.address, %why, "the store refuses a new stream: going on with the old one");
                self.first = self.entity.head();
                Ok(())
            }
            Outcome::Fenced => Err(Fenced.into()),
            Outcome::Conflict => Err("the journal holds other events than this actor knew".into()),
        }
    }

    fn publish(&self, events: &[Recorded<S::Event>]) {
        let (address, head) = (self.address, self.entity.head());
        self.shared.backplane.publish(address.owner, &|| {
            let glance = self.entity.state().glance(address.id, head);
            Publication::Events(match events {
                [] => EventNews::tail(address, head, glance),
                events => EventNews::new(address, events, glance),
            })
        });
    }

    async fn save(&mut self) {
        let Ok(body) = self.entity.to_stored() else {
            error!(address = %self.address, "a state has no stored form");
            return;
        };
        let snapshot = SnapshotRow { version: self.entity.head(), schema: S::FORM, body };
        let rows = self.entity.state().rows(self.address.id, self.entity.head(), &[]);
        let write = SnapshotWrite {
            gym: self.gym,
            address: self.address,
            stream: self.stream,
            epoch: self.epoch,
            snapshot,
            rows,
        };
        self.shared.lanes.save(write).await;
        self.saved = self.entity.head();
        self.unsaved_bytes = 0;
    }
}

/// The actor of one kind of entity.
pub(crate) struct Shell<S>(PhantomData<fn() -> S>);

impl<S> Default for Shell<S> {
    fn default() -> Self {
        Self(PhantomData)
    }
}

impl<S: Kind> Actor for Shell<S> {
    type Msg = Work;
    type State = Awake<S>;
    type Arguments = Awake<S>;

    async fn pre_start(&self, _: ActorRef<Work>, awake: Awake<S>) -> Result<Awake<S>, ActorProcessingErr> {
        // An earlier activation may have ended between a commit and its publication.
        awake.publish(&[]);
        if S::KIND == EntityKind::Inbox {
            awake.shared.hints.give(awake.gym, awake.address.owner);
        }
        Ok(awake)
    }

    async fn handle(
        &self,
        myself: ActorRef<Work>,
        _: Work,
        awake: &mut Awake<S>,
    ) -> Result<(), ActorProcessingErr> {
        // Boxed, because an idle actor keeps the room its largest handler needs.
        Box::pin(awake.work()).await?;
        if awake.entity.head() == Version(0) {
            // Nothing ever happened here: an address somebody made up is not worth memory.
            myself.drain()?;
        }
        Ok(())
    }

    async fn post_stop(&self, _: ActorRef<Work>, awake: &mut Awake<S>) -> Result<(), ActorProcessingErr> {
        if awake.entity.head().0 >= awake.saved.0 + REST_EVENTS {
            Box::pin(awake.save()).await;
        }
        Ok(())
    }
}
