//! The entities of the contract's checks: how their appends are made, and what is read back of them.

use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;

use spotter_protocol::{
    Address, ClientId, CommandId, GymId, Load, LoadKind, NoteText, Noted, Paused, Phase, Reps, SessionEvent,
    SessionId, SetId, SetStatus, SetType, Stamp, StreamId, Timestamp, Title, Unit, UserId, Version,
    Vocabulary,
};
use spotter_rules::{ReadRow, SessionRow, SetRow};
use uuid::Uuid;

use super::Subject;
use crate::{
    Append, Epoch, EventRow, LetterId, LetterRow, Opening, Outcome, Remind, SnapshotRow, SnapshotWrite,
};

pub(super) const GYM: GymId = GymId(Uuid::from_u128(0x67));
pub(super) const OTHER_GYM: GymId = GymId(Uuid::from_u128(0x68));

/// One entity, and how its appends are made.
#[derive(Clone, Copy)]
pub(super) struct Entity {
    pub(super) address: Address,
    pub(super) stream: StreamId,
    pub(super) epoch: Epoch,
}

pub(super) fn session(subject: &dyn Subject, owner: u128, id: u128) -> Entity {
    let address = Address::session(UserId(Uuid::from_u128(owner)), SessionId(Uuid::from_u128(id)));
    let epoch = subject.claim().epoch(address.shard()).expect("every shard is claimed");
    Entity { address, stream: StreamId(Uuid::from_u128(owner << 64 | id << 8 | 0x57)), epoch }
}

impl Entity {
    /// `count` events of `command` from version 1 on: the entity's first.
    pub(super) fn opens(&self, command: u128, count: u64) -> Append {
        Append { opening: Opening::Entity, ..self.append(1, command, count) }
    }

    /// `count` events of `command` from version `first` on.
    pub(super) fn append(&self, first: u64, command: u128, count: u64) -> Append {
        let events = (first..first + count).map(|version| event(version, command)).collect();
        Append {
            gym: GYM,
            address: self.address,
            stream: self.stream,
            opening: Opening::No,
            epoch: self.epoch,
            events,
            rows: Vec::new(),
            letters: Vec::new(),
            carried: Vec::new(),
            reminder: Remind::Keep,
        }
    }

    pub(super) fn snapshot(&self, version: u64) -> SnapshotWrite {
        let snapshot = SnapshotRow { version: Version(version), schema: 1, body: vec![version as u8; 3] };
        SnapshotWrite {
            gym: GYM,
            address: self.address,
            stream: self.stream,
            epoch: self.epoch,
            snapshot,
            rows: Vec::new(),
        }
    }

    pub(super) fn row(&self, phase: Phase, version: u64, started_at: i64) -> ReadRow {
        ReadRow::Session(SessionRow {
            session: SessionId(self.address.id),
            phase,
            title: Title::clipped("Lower body"),
            workout: None,
            started_at: Timestamp(started_at),
            finished_at: None,
            version: Version(version),
            done: 1,
            total: 9,
            volume_g: 500_000,
        })
    }

    pub(super) fn set(&self, set: u128, reps: u32) -> ReadRow {
        ReadRow::Set(SetRow {
            session: SessionId(self.address.id),
            set: SetId(Uuid::from_u128(set)),
            exercise: "back-squat".parse().expect("a slug"),
            load_kind: LoadKind::External,
            set_type: SetType::Working,
            status: SetStatus::Performed,
            at: Timestamp(1),
            received_at: Timestamp(2),
            load: Some(Load::new(100_000, Unit::Kg).expect("a load")),
            reps: Some(Reps::new(reps).expect("reps")),
            seconds: None,
            metres: None,
            rpe_tenths: Some(85),
            e1rm: None,
            fresh: true,
        })
    }
}

pub(super) fn event(version: u64, command: u128) -> EventRow {
    let event = match version % 2 {
        0 => SessionEvent::from(Paused { effective: true }),
        _ => Noted { set: None, text: NoteText::clipped(&format!("at {version}")) }.into(),
    };
    let moment = i64::try_from(version).expect("small");
    let stamp = Stamp {
        at: Timestamp(moment),
        received_at: Timestamp(moment + 1),
        device_at: Timestamp(moment - 5),
        offset: 5,
        author: UserId(Uuid::from_u128(0xa)),
        command: CommandId(Uuid::from_u128(command)),
        client: ClientId(Uuid::from_u128(0xc)),
        n: version,
    };
    EventRow {
        version: Version(version),
        stamp,
        kind: SessionEvent::name(event.kind()).to_owned(),
        schema: 1,
        body: event.body_to_msgpack().expect("a body"),
    }
}

/// No store takes an event without a name.
pub(super) fn refused(mut append: Append) -> Append {
    append.events[0].kind.clear();
    append
}

pub(super) fn with_rows(mut append: Append, rows: Vec<ReadRow>) -> Append {
    append.rows = rows;
    append
}

/// A letter of `command` from entity to entity.
pub(super) fn letter(to: UserId, command: u128) -> LetterRow {
    LetterRow {
        to,
        author: UserId(Uuid::from_u128(0xa)),
        command: CommandId(Uuid::from_u128(command)),
        at: Timestamp(7),
        kind: "receive".to_owned(),
        body: vec![0x80],
    }
}

pub(super) fn with_letters(mut append: Append, letters: Vec<LetterRow>) -> Append {
    append.letters = letters;
    append
}

pub(super) fn carrying(mut append: Append, carried: Vec<LetterId>) -> Append {
    append.carried = carried;
    append
}

pub(super) fn reminding(mut append: Append, reminder: Remind) -> Append {
    append.reminder = reminder;
    append
}

/// The letters under way to an owner.
pub(super) async fn letters(subject: &dyn Subject, to: UserId) -> Vec<(LetterId, LetterRow)> {
    subject.journal().letters(GYM, to, 100).await.expect("the store answers")
}

pub(super) async fn commit(subject: &dyn Subject, batch: &[Append]) -> Vec<Outcome> {
    subject.journal().commit(subject.claim().node, batch).await.expect("the store answers")
}

/// All events of an entity; `None` when there is no such entity in the gym.
pub(super) async fn events(subject: &dyn Subject, entity: Entity) -> Option<Vec<EventRow>> {
    subject.journal().events(GYM, entity.address, Version(0), 10_000).await.expect("the store answers")
}

pub(super) async fn running(subject: &dyn Subject, entities: &[Entity]) -> Vec<(Address, Version)> {
    let owners: Vec<UserId> = entities.iter().map(|entity| entity.address.owner).collect();
    subject.journal().running(GYM, &owners).await.expect("the store answers")
}

pub(super) async fn reps_of(subject: &dyn Subject, entity: Entity) -> Vec<u16> {
    let sets = subject.sets_of(entity.address.owner).await;
    sets.into_iter().filter_map(|(_, _, reps)| reps).map(Reps::get).collect()
}

/// More than any commit of two appends takes.
pub(super) const STEPS_MAX: u128 = 500;

/// Runs `future` until it has been woken `steps` times and drops it there; answers whether it had finished.
pub(super) async fn leave_after(steps: u128, future: impl Future) -> bool {
    let mut future = pin!(future);
    let mut left = steps;
    poll_fn(|context| match left.checked_sub(1) {
        Some(after) => {
            left = after;
            future.as_mut().poll(context).map(|_| true)
        }
        None => Poll::Ready(false),
    })
    .await
}
