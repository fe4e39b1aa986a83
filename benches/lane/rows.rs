//! Sets as the journal is given them: an event and a row each.

#![allow(dead_code, reason = "each bench uses its part")]

use std::sync::Arc;

use spotter_actors::{Append, Claim, EventRow, Opening, Remind};
use spotter_protocol::{
    Address, ClientId, CommandId, ExerciseId, Grams, GymId, Load, LoadKind, Reps, SessionId, SetId,
    SetStatus, SetType, Shard, Stamp, StreamId, Timestamp, Unit, UserId, Version,
};
use spotter_rules::{ReadRow, SetRow};
use sqlx::PgConnection;
use uuid::Uuid;

/// As long as that of a completed set.
const BODY: [u8; 60] = [0x91; 60];
const EXERCISE: &str = "barbell-squat";

/// Sessions whose shards go through one lane, and how far each has come.
pub(crate) struct Writer {
    pub(crate) node: Uuid,
    claim: Arc<Claim>,
    sessions: Vec<(Address, StreamId)>,
    version: u64,
}

impl Writer {
    pub(crate) fn new(claim: &Claim, lane: usize, lanes: usize, sessions: usize) -> Self {
        let owner = |_| loop {
            let owner = UserId(Uuid::now_v7());
            if usize::from(Shard::of(owner).number()) % lanes == lane {
                return owner;
            }
        };
        let owners = (0..sessions).map(owner);
        let session = |owner| (Address::session(owner, SessionId(Uuid::now_v7())), StreamId(Uuid::now_v7()));
        let sessions = owners.map(session).collect();
        Self { node: claim.node, claim: Arc::new(claim.clone()), sessions, version: 0 }
    }

    /// One set more in each session.
    pub(crate) fn next_batch(&mut self) -> Vec<Append> {
        self.version += 1;
        let append = |(address, stream): &(Address, StreamId)| {
            let command = CommandId(Uuid::now_v7());
            Append {
                gym: GymId(Uuid::from_u128(1)),
                address: *address,
                stream: *stream,
                opening: if self.version == 1 { Opening::Entity } else { Opening::No },
                epoch: self.claim.epoch(address.shard()).unwrap(),
                events: vec![event(address.owner, command, self.version)],
                rows: vec![ReadRow::Set(a_set(*address))],
                letters: Vec::new(),
                carried: Vec::new(),
                reminder: Remind::Keep,
            }
        };
        self.sessions.iter().map(append).collect()
    }
}

fn event(author: UserId, command: CommandId, version: u64) -> EventRow {
    let stamp = Stamp {
        at: Timestamp(1),
        received_at: Timestamp(1),
        device_at: Timestamp(1),
        offset: 0,
        author,
        command,
        client: ClientId(author.0),
        n: version,
    };
    EventRow {
        version: Version(version),
        stamp,
        kind: "set_completed".to_owned(),
        schema: 1,
        body: BODY.to_vec(),
    }
}

fn a_set(session: Address) -> SetRow {
    SetRow {
        session: SessionId(session.id),
        set: SetId(Uuid::now_v7()),
        exercise: EXERCISE.parse::<ExerciseId>().unwrap(),
        load_kind: LoadKind::External,
        set_type: SetType::Working,
        status: SetStatus::Performed,
        at: Timestamp(1),
        received_at: Timestamp(1),
        load: Load::new(100_000, Unit::Kg).ok(),
        reps: Reps::new(5).ok(),
        seconds: None,
        metres: None,
        rpe_tenths: Some(80),
        e1rm: Some(Grams(116_667)),
        fresh: true,
    }
}

impl Writer {
    /// Inserts one set more in each session by arrays and nothing else: what PostgreSQL does for the same rows without us.
    pub(crate) async fn insert(&mut self, connection: &mut PgConnection) {
        self.version += 1;
        let version = i64::try_from(self.version).unwrap();
        let of = |id: fn(&(Address, StreamId)) -> Uuid| self.sessions.iter().map(id).collect::<Vec<Uuid>>();
        let owners = of(|(address, _)| address.owner.0);
        let (sessions, streams) = (of(|(address, _)| address.id), of(|(_, stream)| stream.0));
        let commands: Vec<Uuid> = owners.iter().map(|_| Uuid::now_v7()).collect();
        let versions = vec![version; owners.len()];
        let ones = vec![1_i64; versions.len()];
        let insert = sqlx::query(
            "WITH journal_in AS (
                 INSERT INTO journal (stream, version, epoch, kind, schema, at, received_at, device_at, clock_offset,
                     author, command, client, n, body)
                 SELECT stream, version, one, kind, 1, one, one, one, 0, author, command, author, version, body
                 FROM unnest($1::uuid[], $2::bigint[], $3::bigint[], $4::text[], $5::uuid[], $6::uuid[], $7::bytea[])
                     AS given (stream, version, one, kind, author, command, body))
             INSERT INTO sets (owner, exercise, session, set_id, gym, load_kind, set_type, status, at, received_at,
                 typed, unit, grams, reps, rpe_tenths, e1rm)
             SELECT owner, 'barbell-squat', session, set_id, owner, 'external', 'working', 'performed', 1, 1,
                 100000, 'kg', 100000, 5, 80, 116667
             FROM unnest($8::uuid[], $9::uuid[], $10::uuid[]) AS given (owner, session, set_id)",
        );
        let kinds = vec!["set_completed"; versions.len()];
        let insert = insert.bind(streams).bind(versions).bind(ones).bind(kinds);
        let bodies = vec![&BODY[..]; owners.len()];
        let insert = insert.bind(owners.clone()).bind(commands.clone()).bind(bodies);
        insert.bind(owners).bind(sessions).bind(commands).execute(connection).await.unwrap();
    }
}
