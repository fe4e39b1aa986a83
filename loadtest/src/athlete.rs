//! One athlete of the load: a connection, and sessions filled with sets.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, bail};
use spotter_client::Socket;
use spotter_protocol::{
    Actual, Address, ClientFrame, ClientId, Command, CommandFrame, CommandId, Complete, InstanceId, Load,
    Name, Ping, Place, Reply, Reps, ServerFrame, SessionId, SetId, Start, Subscribe, Timestamp, Title, Unit,
    UserId, Version,
};
use uuid::Uuid;

use crate::server::{Person, Server};

/// Sets of one session: a long one. (A real one has a median of 24; a server takes 500.)
const SETS_MAX: u64 = 100;

/// A connected athlete.
pub(crate) struct Athlete {
    pub(crate) socket: Socket,
    pub(crate) session: Address,
    person: Person,
    client: ClientId,
    instance: InstanceId,
    n: u64,
    req: u64,
    /// Commands so far that started a session and logged no set.
    pub(crate) starts: u64,
}

impl Athlete {
    /// Connects, with a session that is not started yet.
    pub(crate) async fn connect(server: &Server, person: &Person) -> anyhow::Result<Self> {
        let client = ClientId(Uuid::now_v7());
        let (socket, _) = Socket::open(&server.socket(), &person.token, client, None, now).await?;
        let session = Address::session(person.user, SessionId(Uuid::now_v7()));
        let instance = InstanceId(Uuid::now_v7());
        Ok(Self { socket, session, person: person.clone(), client, instance, n: 0, req: 0, starts: 0 })
    }

    /// Turns to a new session.
    pub(crate) fn turn(&mut self) {
        self.session = Address::session(self.person.user, SessionId(Uuid::now_v7()));
        self.instance = InstanceId(Uuid::now_v7());
        self.n = 0;
    }

    /// The next command of the session: its start, then sets; a full session is followed by another.
    pub(crate) fn next(&mut self) -> CommandFrame {
        if self.n > SETS_MAX {
            self.turn();
        }
        self.n += 1;
        self.req += 1;
        self.starts += u64::from(self.n == 1);
        let command: Command = match self.n {
            1 => Start { workout: None, title: Some(Title::clipped("Load")) }.into(),
            n => self.set(n).into(),
        };
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

    fn set(&self, n: u64) -> Complete {
        let load = 60_000 + u32::try_from(n % 40).unwrap_or(0) * 2_500;
        let actual =
            Actual { load: Load::new(load, Unit::Kg).ok(), reps: Reps::new(5).ok(), ..Actual::default() };
        let place = Place {
            instance: self.instance,
            exercise: movement(),
            name: Name::clipped("Barbell Squat"),
            load_kind: Default::default(),
            set_type: spotter_protocol::SetType::Warmup,
        };
        Complete { set: SetId(Uuid::now_v7()), actual, place: Some(place) }
    }

    /// Who it is.
    pub(crate) fn user(&self) -> UserId {
        self.person.user
    }

    /// Sends a command as it is.
    pub(crate) async fn command(&mut self, command: CommandFrame) -> anyhow::Result<()> {
        Ok(self.socket.send(&ClientFrame::Command(command)).await?)
    }

    /// Sends the next command.
    pub(crate) async fn send(&mut self) -> anyhow::Result<u64> {
        let frame = self.next();
        let req = frame.req;
        self.socket.send(&ClientFrame::Command(frame)).await?;
        Ok(req)
    }

    /// Waits for the next reply; other frames are passed over.
    pub(crate) async fn reply(&mut self) -> anyhow::Result<(u64, Version)> {
        loop {
            if let ServerFrame::Reply(reply) = self.socket.next().await? {
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
        self.req += 1;
        let subscribe = Subscribe { req: self.req, to, since: None, view: None };
        self.socket.send(&ClientFrame::Subscribe(subscribe)).await?;
        Ok(self.reply().await?.1)
    }

    /// Whether the server still holds this connection.
    pub(crate) async fn is_connected(&mut self) -> bool {
        if self.socket.send(&ClientFrame::Ping(Ping { clock: now() })).await.is_err() {
            return false;
        }
        loop {
            match self.socket.next().await {
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
fn movement() -> spotter_protocol::ExerciseId {
    "barbell-squat".parse().expect("a slug")
}

#[expect(clippy::disallowed_methods, reason = "a device has a clock")]
pub(crate) fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    Timestamp(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
}
