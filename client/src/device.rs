//! A device that stays connected: it queues commands while there is no signal, sends them until they are
//! answered, resumes what it follows by version, and renews its token.

use std::collections::BTreeMap;
use std::time::Duration;

use rand::RngExt;
use spotter_protocol::{
    Address, ClientFrame, ClientId, Command, CommandId, EventsFrame, ServerFrame, SnapshotFrame, Subscribe,
    TilesFrame, Timestamp, Token, Version, Welcome,
};
use tokio::sync::mpsc;
use tokio::time::Instant;
use tracing::debug;
use uuid::Uuid;

use crate::outbox::{Answered, Outbox};
use crate::sign_in::{Api, Pass};
use crate::socket::{Closed, Socket};

/// Requests and news that wait for their reader; a full queue makes the other side wait.
const QUEUE_MAX: usize = 256;
/// The first cap of the random wait before connecting again; it doubles.
const BACKOFF: Duration = Duration::from_millis(500);
/// The largest such cap.
const BACKOFF_MAX: Duration = Duration::from_secs(30);
/// The pause after a temporary refusal that names none.
const RETRY: Duration = Duration::from_millis(250);

/// What a device tells its owner.
#[derive(Clone, Debug, PartialEq)]
pub enum News {
    /// Connected.
    Online(Welcome),
    /// Not connected, and why. It connects again by itself.
    Offline(Closed),
    /// An entity's state, in place of what was held of it.
    Snapshot(SnapshotFrame),
    /// What happened to an entity, right after what is held of it.
    Events(EventsFrame),
    /// Tiles of a room.
    Tiles(TilesFrame),
    /// A command came to its end.
    Answered(Answered),
    /// The server does not let this device follow an entity.
    NotFollowed(Address),
}

enum Request {
    Command {
        to: Address,
        at: Timestamp,
        command: Box<Command>,
        given: tokio::sync::oneshot::Sender<CommandId>,
    },
    Follow(Address),
    Signal {
        on: bool,
    },
}

/// A handle to a device; it disconnects when the last one is dropped.
#[derive(Clone)]
pub struct Device {
    requests: mpsc::Sender<Request>,
}

/// The device ended: its server refuses it for good, or its news are not read any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the device has ended")]
pub struct Ended;

impl Device {
    /// Starts a device of the user who holds `pass`. `clock` is the device's own, right or wrong.
    pub fn start(api: Api, pass: Pass, clock: fn() -> Timestamp) -> (Self, mpsc::Receiver<News>) {
        let (requests, asked) = mpsc::channel(QUEUE_MAX);
        let (news, told) = mpsc::channel(QUEUE_MAX);
        let device = Running {
            api,
            renew_at: renewal(&pass),
            pass,
            client: ClientId(Uuid::now_v7()),
            clock,
            asked,
            news,
            incarnation: None,
            outboxes: BTreeMap::new(),
            followed: BTreeMap::new(),
            asking: BTreeMap::new(),
            next_req: 1,
            has_signal: true,
            hold_until: None,
        };
        tokio::spawn(device.run());
        (Self { requests }, told)
    }

    /// Queues a command that happened at `at` by the device's clock. It is sent until it is answered, with
    /// or without signal.
    ///
    /// # Errors
    /// When the device has ended.
    pub async fn command(
        &self,
        to: Address,
        at: Timestamp,
        command: impl Into<Command>,
    ) -> Result<CommandId, Ended> {
        let (given, id) = tokio::sync::oneshot::channel();
        let command = Box::new(command.into());
        self.request(Request::Command { to, at, command, given }).await?;
        id.await.map_err(|_| Ended)
    }

    /// Follows an entity from now on, over reconnections.
    ///
    /// # Errors
    /// When the device has ended.
    pub async fn follow(&self, to: Address) -> Result<(), Ended> {
        self.request(Request::Follow(to)).await
    }

    /// Loses the signal (the socket is dropped without goodbye) or finds it again.
    ///
    /// # Errors
    /// When the device has ended.
    pub async fn signal(&self, on: bool) -> Result<(), Ended> {
        self.request(Request::Signal { on }).await
    }

    async fn request(&self, request: Request) -> Result<(), Ended> {
        self.requests.send(request).await.map_err(|_| Ended)
    }
}

struct Running {
    api: Api,
    pass: Pass,
    renew_at: Instant,
    client: ClientId,
    clock: fn() -> Timestamp,
    asked: mpsc::Receiver<Request>,
    news: mpsc::Sender<News>,
    incarnation: Option<Uuid>,
    outboxes: BTreeMap<Address, Outbox>,
    /// What is followed, with the version held.
    followed: BTreeMap<Address, Option<Version>>,
    /// Which subscription a request is.
    asking: BTreeMap<u64, Address>,
    next_req: u64,
    has_signal: bool,
    /// No command is sent before: the server asked for a pause.
    hold_until: Option<Instant>,
}

/// Why a connection is no more, or the device itself.
enum End {
    Connection(Closed, Option<Duration>),
    Device,
}

impl Running {
    async fn run(mut self) {
        let mut cap = BACKOFF;
        loop {
            let (closed, hint) = match self.connected(&mut cap).await {
                End::Device => return,
                End::Connection(closed, hint) => (closed, hint),
            };
            debug!(%closed, "device offline");
            let stays_away = !closed.reconnects();
            if self.news.send(News::Offline(closed)).await.is_err() || stays_away {
                return;
            }
            self.outboxes.values_mut().for_each(Outbox::resend);
            let wait = hint.unwrap_or_else(|| rand::rng().random_range(Duration::ZERO..=cap));
            cap = (cap * 2).min(BACKOFF_MAX);
            if self.wait(Instant::now() + wait).await.is_err() {
                return;
            }
        }
    }

    /// Takes requests until `until`, and as long as there is no signal.
    async fn wait(&mut self, until: Instant) -> Result<(), Ended> {
        loop {
            let has_signal = self.has_signal;
            tokio::select! {
                request = self.asked.recv() => self.take(request.ok_or(Ended)?),
                () = tokio::time::sleep_until(until), if has_signal => return Ok(()),
            }
        }
    }

    fn take(&mut self, request: Request) {
        match request {
            Request::Command { to, at, command, given } => {
                let client = self.client;
                let outbox = self.outboxes.entry(to).or_insert_with(|| Outbox::new(client, to));
                // Whoever asked may have stopped waiting for the id.
                let _ = given.send(outbox.push(*command, at));
            }
            Request::Follow(to) => {
                self.followed.entry(to).or_default();
            }
            Request::Signal { on } => self.has_signal = on,
        }
    }

    /// One connection, from its opening to its end.
    async fn connected(&mut self, cap: &mut Duration) -> End {
        if Instant::now() >= self.renew_at
            && let Err(closed) = self.renew().await
        {
            return End::Connection(closed, None);
        }
        let url = self.api.socket();
        let opened = Socket::open(&url, &self.pass.access_token, self.client, self.incarnation, self.clock);
        let (mut socket, welcome) = match opened.await {
            Ok(opened) => opened,
            Err(closed) => return End::Connection(closed, None),
        };
        *cap = BACKOFF;
        self.hold_until = None;
        if self.incarnation.replace(welcome.incarnation) != Some(welcome.incarnation) {
            self.followed.values_mut().for_each(|held| *held = None);
        }
        if self.news.send(News::Online(welcome)).await.is_err() {
            return End::Device;
        }
        self.asking.clear();
        for to in self.followed.keys().copied().collect::<Vec<_>>() {
            if let Err(closed) = self.subscribe(&mut socket, to).await {
                return End::Connection(closed, None);
            }
        }
        let mut hint = None;
        loop {
            if let Err(closed) = self.send_commands(&mut socket).await {
                return End::Connection(closed, hint);
            }
            let held = self.hold_until;
            let step = tokio::select! {
                request = self.asked.recv() => match request {
                    Some(Request::Follow(to)) => {
                        self.followed.insert(to, None);
                        self.subscribe(&mut socket, to).await
                    }
                    Some(request) => {
                        self.take(request);
                        if self.has_signal { Ok(()) } else { Err(Closed::Lost("no signal".to_owned())) }
                    }
                    None => {
                        socket.close().await;
                        return End::Device;
                    }
                },
                frame = socket.next() => match frame {
                    Ok(frame) => match self.hear(frame, &mut hint).await {
                        Ok(()) => Ok(()),
                        Err(Ended) => return End::Device,
                    },
                    Err(closed) => Err(closed),
                },
                () = tokio::time::sleep_until(self.renew_at) => match self.renew().await {
                    Ok(()) => {
                        let (req, token) = (self.req(), self.pass.access_token.clone());
                        socket.send(&ClientFrame::Token(Token { req, token })).await
                    }
                    Err(closed) => Err(closed),
                },
                () = tokio::time::sleep_until(held.unwrap_or_else(Instant::now)), if held.is_some() => {
                    self.hold_until = None;
                    Ok(())
                }
            };
            if let Err(closed) = step {
                return End::Connection(closed, hint);
            }
        }
    }

    async fn send_commands(&mut self, socket: &mut Socket) -> Result<(), Closed> {
        if self.hold_until.is_some() {
            return Ok(());
        }
        for outbox in self.outboxes.values_mut() {
            while let Some(frame) = outbox.send(self.next_req) {
                self.next_req += 1;
                socket.send(&ClientFrame::Command(frame)).await?;
            }
        }
        Ok(())
    }

    async fn subscribe(&mut self, socket: &mut Socket, to: Address) -> Result<(), Closed> {
        let (req, since) = (self.req(), self.followed.get(&to).copied().flatten());
        self.asking.insert(req, to);
        socket.send(&ClientFrame::Subscribe(Subscribe { req, to, since, view: None })).await
    }

    /// Takes a frame. `hint` becomes the server's wish when to come back.
    async fn hear(&mut self, frame: ServerFrame, hint: &mut Option<Duration>) -> Result<(), Ended> {
        let news = match frame {
            ServerFrame::Snapshot(snapshot) => {
                self.followed.insert(snapshot.to, Some(snapshot.v));
                News::Snapshot(snapshot)
            }
            ServerFrame::Events(events) => {
                let last = events.events.last().map(|event| event.v);
                self.followed.insert(events.to, last);
                News::Events(events)
            }
            ServerFrame::Tiles(tiles) => News::Tiles(tiles),
            ServerFrame::Reply(reply) => {
                if let Some(to) = reply.req.and_then(|req| self.asking.remove(&req)) {
                    if reply.error.is_none() {
                        return Ok(());
                    }
                    self.followed.remove(&to);
                    News::NotFollowed(to)
                } else if let Some(answered) =
                    self.outboxes.values_mut().find_map(|outbox| outbox.reply(&reply))
                {
                    News::Answered(answered)
                } else {
                    if let Some(fault) = &reply.error {
                        let pause =
                            fault.retry_after_ms.map_or(RETRY, |ms| Duration::from_millis(ms.0.into()));
                        self.hold_until = Some(Instant::now() + pause);
                    }
                    return Ok(());
                }
            }
            ServerFrame::GoAway(go_away) => {
                *hint = Some(Duration::from_millis(go_away.delay_ms.0.into()));
                return Ok(());
            }
            ServerFrame::Pong(_) | ServerFrame::Signal(_) | ServerFrame::Welcome(_) => return Ok(()),
        };
        self.news.send(news).await.map_err(|_| Ended)
    }

    async fn renew(&mut self) -> Result<(), Closed> {
        let renewed = self.api.refresh(&self.pass).await;
        self.pass = renewed.map_err(|error| Closed::Lost(error.to_string()))?;
        self.renew_at = renewal(&self.pass);
        Ok(())
    }

    fn req(&mut self) -> u64 {
        self.next_req += 1;
        self.next_req
    }
}

/// When a pass is renewed: at two thirds of its life.
fn renewal(pass: &Pass) -> Instant {
    Instant::now() + Duration::from_secs(u64::from(pass.expires_in) * 2 / 3)
}
