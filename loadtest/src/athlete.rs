//! One athlete of the load: a connection, and sessions filled with sets.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, bail};
use spotter_client::Socket;
use spotter_protocol::{
    Actual, Add, Address, ClientFrame, ClientId, Command, CommandFrame, CommandId, Complete, Finish,
    InstanceId, Load, LoadKind, Name, Ping, PlannedExercise, PlannedSet, Reply, Reps, ServerFrame, SessionId,
    SetId, SetType, Start, Subscribe, Target, Timestamp, Title, Unit, UserId, Version,
};
use uuid::Uuid;

use crate::server::{Person, Server};
use crate::wire::Wire;

/// Exercises of one session.
const EXERCISES: u64 = 10;
/// Sets of each exercise. Together they are a long session. (A real one has a median of 24 sets; a server takes 500.)
pub(crate) const SETS: u64 = 10;
/// Commands of one session: its start, each exercise with its sets, and its end.
pub(crate) const COMMANDS: u64 = 1 + EXERCISES * (1 + SETS) + 1;

/// A connected athlete.
pub(crate) struct Athlete {
    pub(crate) wire: Wire,
    pub(crate) session: Address,
    person: Person,
    client: ClientId,
    n: u64,
    req: u64,
    /// Commands so far that logged no set: they started or ended a session, or planned an exercise.
    pub(crate) plans: u64,
}

impl Athlete {
    /// Connects, with a session that is not started yet.
    pub(crate) async fn connect(server: &Server, person: &Person) -> anyhow::Result<Self> {
        let client = ClientId(Uuid::now_v7());
        Ok(Self::with(Wire::open(server, person, client).await?, person, client))
    }

    /// The same, by the address of a socket of Spotter's.
    pub(crate) async fn at(socket: &str, person: &Person) -> anyhow::Result<Self> {
        let client = ClientId(Uuid::now_v7());
        let (socket, _) = Socket::open(socket, &person.token, client, None, now).await?;
        Ok(Self::with(Wire::Spotter(socket), person, client))
    }

    fn with(wire: Wire, person: &Person, client: ClientId) -> Self {
        let session = Address::session(person.user, SessionId(Uuid::now_v7()));
        Self { wire, session, person: person.clone(), client, n: 0, req: 0, plans: 0 }
    }

    /// Begins the session, and comes a little further in it than the athlete numbered before: those who plan an exercise
    /// at the same moment are one in eleven then, and not all.
    pub(crate) async fn begin(&mut self, number: usize) -> anyhow::Result<()> {
        const PLANNED: usize = 2;
        self.log(PLANNED + number % (1 + SETS as usize)).await
    }

    /// Turns to a new session.
    pub(crate) fn turn(&mut self) {
        self.session = Address::session(self.person.user, SessionId(Uuid::now_v7()));
        self.n = 0;
    }

    /// The next command of the session: its start, then each exercise and its sets; a full session is finished, and
    /// followed by another.
    pub(crate) fn next(&mut self) -> CommandFrame {
        if self.n == COMMANDS {
            self.turn();
        }
        let (exercise, set) = (self.n.saturating_sub(1) / (1 + SETS), self.n.saturating_sub(1) % (1 + SETS));
        self.plans += u64::from(self.n == 0 || set == 0);
        let command: Command = match (self.n, set) {
            (0, _) => Start { workout: None, title: Some(Title::clipped("Load")) }.into(),
            (_, 0) if exercise == EXERCISES => Finish {}.into(),
            (_, 0) => self.plan(exercise).into(),
            (_, set) => self.log_set(exercise, set).into(),
        };
        self.n += 1;
        self.req += 1;
        let (id, n) = (CommandId(Uuid::now_v7()), self.n);
        CommandFrame {
            req: self.req,
            id,
            client: self.client,
            n,
            after: n - 1,
            at: now(),
            to: self.session,
            command,
        }
    }

    fn plan(&self, exercise: u64) -> Add {
        // Warm-ups make no records: a set is one event.
        let target = Target { set_type: SetType::Warmup, ..Target::default() };
        let planned = |set| PlannedSet { set: self.set(exercise, set), target: target.clone() };
        let exercise = PlannedExercise {
            instance: InstanceId(self.set(exercise, 0).0),
            exercise: movement(),
            name: Name::clipped("Barbell Squat"),
            load_kind: LoadKind::default(),
            group: None,
            sets: (1..=SETS).map(planned).collect(),
        };
        Add { exercise, place: None }
    }

    fn log_set(&self, exercise: u64, set: u64) -> Complete {
        let load = 60_000 + u32::try_from(set % 40).unwrap_or(0) * 2_500;
        let actual =
            Actual { load: Load::new(load, Unit::Kg).ok(), reps: Reps::new(5).ok(), ..Actual::default() };
        Complete { set: self.set(exercise, set), actual, place: None }
    }

    fn set(&self, exercise: u64, set: u64) -> SetId {
        let place = |n: u64| usize::try_from(n).unwrap_or(usize::MAX);
        SetId::planned(SessionId(self.session.id), place(exercise), place(set))
    }

    /// Who it is.
    pub(crate) fn user(&self) -> UserId {
        self.person.user
    }

    /// Sends a command as it is.
    pub(crate) async fn command(&mut self, command: CommandFrame) -> anyhow::Result<()> {
        Ok(self.wire.send(&ClientFrame::Command(command)).await?)
    }

    /// Sends the next command.
    pub(crate) async fn send(&mut self) -> anyhow::Result<()> {
        let frame = self.next();
        self.command(frame).await
    }

    /// Waits for the next reply; other frames are passed over.
    pub(crate) async fn reply(&mut self) -> anyhow::Result<(u64, Version)> {
        loop {
            if let ServerFrame::Reply(reply) = self.wire.next().await? {
                return accepted(reply);
            }
        }
    }

    /// Sends `count` commands, a few under way at a time, and waits until each is acknowledged.
    pub(crate) async fn log(&mut self, count: usize) -> anyhow::Result<()> {
        const UNDER_WAY: usize = 4;
        for sent in 0..count {
            self.send().await?;
            if sent >= UNDER_WAY {
                self.reply().await?;
            }
        }
        for _ in 0..count.min(UNDER_WAY) {
            self.reply().await?;
        }
        Ok(())
    }

    /// Follows `to` and waits until everything up to now was received.
    pub(crate) async fn follow(&mut self, to: Address) -> anyhow::Result<Version> {
        self.subscribe(to, None).await
    }

    /// Follows `to` again, from the version it has, and waits until what was missed was received.
    pub(crate) async fn resume(&mut self, to: Address, since: Version) -> anyhow::Result<Version> {
        self.subscribe(to, Some(since)).await
    }

    async fn subscribe(&mut self, to: Address, since: Option<Version>) -> anyhow::Result<Version> {
        self.req += 1;
        let subscribe = Subscribe { req: self.req, to, since, view: None };
        self.wire.send(&ClientFrame::Subscribe(subscribe)).await?;
        Ok(self.reply().await?.1)
    }

    /// Whether the server still holds this connection.
    pub(crate) async fn is_connected(&mut self) -> bool {
        if self.wire.send(&ClientFrame::Ping(Ping { clock: now() })).await.is_err() {
            return false;
        }
        loop {
            match self.wire.next().await {
                Ok(ServerFrame::Pong(_)) => return true,
                Ok(_) => {}
                Err(_) => return false,
            }
        }
    }
}

/// The request and version of an accepted request.
pub(crate) fn accepted(reply: Reply) -> anyhow::Result<(u64, Version)> {
    if let Some(fault) = reply.error {
        bail!("the server refuses the load: {fault}");
    }
    Ok((reply.req.context("a reply without its request")?, reply.v.unwrap_or_default()))
}

#[expect(clippy::expect_used, reason = "a constant slug")]
pub(crate) fn movement() -> spotter_protocol::ExerciseId {
    "barbell-squat".parse().expect("a slug")
}

#[expect(clippy::disallowed_methods, reason = "a device has a clock")]
pub(crate) fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    Timestamp(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
}
