//! A device that stays connected: it queues commands while there is no signal, sends them until they are
//! answered, resumes what it follows by version, and renews its token.

use std::collections::BTreeMap;
use std::pin::pin;
use std::time::Duration;

use rand::RngExt;
use spotter_protocol::{
    Address, ClientFrame, ClientId, CloseCode, Command, CommandId, EventsFrame, Fault, Reply, Revoked,
    ServerFrame, SnapshotFrame, Subscribe, TilesFrame, Timestamp, Token, Version, Welcome,
};
use tokio::sync::mpsc;
use tokio::time::Instant;
use tracing::debug;
use uuid::Uuid;

use crate::outbox::{Answered, Heard, Outbox};
use crate::sign_in::{Api, ApiError, Pass};
use crate::socket::{Closed, Socket};

/// Requests and news that wait for their reader. Requests are taken even while news wait for their owner;
/// a connection is not read meanwhile, and the server closes what reads too slowly.
const QUEUE_MAX: usize = 256;
/// Commands that wait for their answer, of all entities; one more is not taken.
const COMMANDS_MAX: usize = 10_000;
/// Entities whose command numbers are remembered. One more takes the place of one that nothing waits for.
const ENTITIES_MAX: usize = 256;
/// The first cap of the random wait before connecting again; it doubles.
const BACKOFF: Duration = Duration::from_millis(500);
/// The largest such cap.
const BACKOFF_MAX: Duration = Duration::from_secs(30);
/// A connection that lasted this long was sound: the next waits start small again.
const SOUND_AFTER: Duration = Duration::from_secs(5);
/// The pause after a temporary refusal that names none; it doubles until a command is answered.
const RETRY: Duration = Duration::from_millis(250);
/// The longest such pause.
const RETRY_MAX: Duration = Duration::from_secs(10);
/// How soon a renewal of the token that got no answer is tried again.
const RENEW_AGAIN: Duration = Duration::from_secs(5);

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
        given: tokio::sync::oneshot::Sender<Option<CommandId>>,
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

/// Why a command was not queued.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotTaken {
    /// The device has ended.
    #[error(transparent)]
    Ended(#[from] Ended),
    /// Too many commands wait: wait for answers.
    #[error("the device holds no more commands")]
    Full,
}

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
            unasked: Vec::new(),
            asking: BTreeMap::new(),
            next_req: 1,
            has_signal: true,
            welcomed: None,
            go_away: None,
            hold_until: None,
            pause: RETRY,
        };
        tokio::spawn(device.run());
        (Self { requests }, told)
    }

    /// Queues a command that happened at `at` by the device's clock. It is sent until it is answered, with
    /// or without signal. The queue is in memory and ends with the device.
    ///
    /// # Errors
    /// See [`NotTaken`].
    pub async fn command(
        &self,
        to: Address,
        at: Timestamp,
        command: impl Into<Command>,
    ) -> Result<CommandId, NotTaken> {
        let (given, id) = tokio::sync::oneshot::channel();
        let command = Box::new(command.into());
        self.request(Request::Command { to, at, command, given }).await?;
        id.await.map_err(|_| Ended)?.ok_or(NotTaken::Full)
    }

    /// Follows an entity from now on, over reconnections. Following it again changes nothing.
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
    /// Counts the commands of entities that are new to this device.
    client: ClientId,
    clock: fn() -> Timestamp,
    asked: mpsc::Receiver<Request>,
    news: mpsc::Sender<News>,
    incarnation: Option<Uuid>,
    outboxes: BTreeMap<Address, Outbox>,
    /// What is followed, with the version held.
    followed: BTreeMap<Address, Option<Version>>,
    /// What is followed and not yet subscribed to on this connection.
    unasked: Vec<Address>,
    /// Which subscription a request is.
    asking: BTreeMap<u64, Address>,
    next_req: u64,
    has_signal: bool,
    /// Since when the connection stands.
    welcomed: Option<Instant>,
    /// When the server wants this device back.
    go_away: Option<Duration>,
    /// No command is sent before: the server asked for a pause.
    hold_until: Option<Instant>,
    /// The next pause that the server leaves to this device.
    pause: Duration,
}

/// Why a connection is no more, or the device itself.
enum End {
    Connection(Closed),
    Device,
}

impl From<Closed> for End {
    fn from(closed: Closed) -> Self {
        Self::Connection(closed)
    }
}

impl From<Ended> for End {
    fn from(Ended: Ended) -> Self {
        Self::Device
    }
}

impl Running {
    async fn run(mut self) {
        let mut cap = BACKOFF;
        loop {
            let closed = match self.connected().await {
                Ok(()) | Err(End::Device) => return,
                Err(End::Connection(closed)) => closed,
            };
            debug!(%closed, "device offline");
            let stays_away = !closed.reconnects();
            if closed.is(CloseCode::TokenExpired) {
                self.renew_at = Instant::now();
            }
            if self.tell(News::Offline(closed)).await.is_err() || stays_away {
                return;
            }
            self.outboxes.values_mut().for_each(Outbox::resend);
            if self.welcomed.take().is_some_and(|since| since.elapsed() >= SOUND_AFTER) {
                cap = BACKOFF;
            }
            let wait = match self.go_away.take() {
                Some(wished) => wished,
                // A lost signal says nothing about the server.
                None if !self.has_signal => Duration::ZERO,
                None => {
                    let wait = rand::rng().random_range(Duration::ZERO..=cap);
                    cap = (cap * 2).min(BACKOFF_MAX);
                    wait
                }
            };
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
                // Whoever asked may have stopped waiting for the id.
                let _ = given.send(self.queue(to, *command, at));
            }
            Request::Follow(to) => {
                self.followed.entry(to).or_insert_with(|| {
                    self.unasked.push(to);
                    None
                });
            }
            Request::Signal { on } => self.has_signal = on,
        }
    }

    /// The id of the queued command; `None` when there is no room.
    fn queue(&mut self, to: Address, command: Command, at: Timestamp) -> Option<CommandId> {
        let waiting: usize = self.outboxes.values().map(Outbox::len).sum();
        if waiting >= COMMANDS_MAX {
            return None;
        }
        if !self.outboxes.contains_key(&to) && self.outboxes.len() >= ENTITIES_MAX {
            self.forget_one()?;
        }
        let client = self.client;
        Some(self.outboxes.entry(to).or_insert_with(|| Outbox::new(client, to)).push(command, at))
    }

    /// Forgets the numbers of an entity that nothing waits for. Should it be spoken to again, it is as
    /// another client: a number used twice would pass for a repeat.
    fn forget_one(&mut self) -> Option<()> {
        let idle = self.outboxes.iter().find(|(_, outbox)| outbox.is_empty()).map(|(to, _)| *to)?;
        self.outboxes.remove(&idle);
        self.client = ClientId(Uuid::now_v7());
        Some(())
    }

    /// One connection, from its opening to its end. `Ok` when the owner has let go of the device.
    async fn connected(&mut self) -> Result<(), End> {
        if Instant::now() >= self.renew_at {
            self.renew().await?;
        }
        let (url, token) = (self.api.socket(), self.pass.access_token.clone());
        let opening = Socket::open(&url, &token, self.client, self.incarnation, self.clock);
        let (mut socket, welcome) = self.meanwhile(opening).await?;
        self.welcomed = Some(Instant::now());
        self.hold_until = None;
        if self.incarnation.replace(welcome.incarnation) != Some(welcome.incarnation) {
            self.followed.values_mut().for_each(|held| *held = None);
        }
        self.asking.clear();
        self.unasked = self.followed.keys().copied().collect();
        self.tell(News::Online(welcome)).await?;
        loop {
            if !self.has_signal {
                return Err(Closed::Lost("no signal".to_owned()).into());
            }
            self.send_subscriptions(&mut socket).await?;
            self.send_commands(&mut socket).await?;
            let held = self.hold_until;
            tokio::select! {
                request = self.asked.recv() => match request {
                    Some(request) => self.take(request),
                    None => {
                        socket.close().await;
                        return Ok(());
                    }
                },
                frame = socket.next() => {
                    if let Some(news) = self.hear(frame?)? {
                        self.tell(news).await?;
                    }
                }
                () = tokio::time::sleep_until(self.renew_at) => {
                    if self.renew().await? {
                        let (req, token) = (self.req(), self.pass.access_token.clone());
                        socket.send(&ClientFrame::Token(Token { req, token })).await?;
                    }
                }
                () = tokio::time::sleep_until(held.unwrap_or_else(Instant::now)), if held.is_some() => {
                    self.hold_until = None;
                }
            }
        }
    }

    async fn send_subscriptions(&mut self, socket: &mut Socket) -> Result<(), Closed> {
        while let Some(to) = self.unasked.pop() {
            let (req, since) = (self.req(), self.followed.get(&to).copied().flatten());
            self.asking.insert(req, to);
            socket.send(&ClientFrame::Subscribe(Subscribe { req, to, since, view: None })).await?;
        }
        Ok(())
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

    async fn tell(&mut self, news: News) -> Result<(), Ended> {
        let owner = self.news.clone();
        let place = self.meanwhile(owner.reserve()).await;
        place.map_err(|_| Ended)?.send(news);
        Ok(())
    }

    /// Waits for `doing` and takes requests meanwhile: a server that hangs keeps no athlete from logging,
    /// and an owner who asks before reading is not waited for by the device it waits for.
    async fn meanwhile<T>(&mut self, doing: impl Future<Output = T>) -> T {
        let mut doing = pin!(doing);
        loop {
            tokio::select! {
                done = &mut doing => return done,
                Some(request) = self.asked.recv() => self.take(request),
            }
        }
    }

    /// Takes a frame; answers what is news to the owner.
    fn hear(&mut self, frame: ServerFrame) -> Result<Option<News>, Closed> {
        match frame {
            ServerFrame::Snapshot(snapshot) => {
                let Some(held) = self.followed.get_mut(&snapshot.to) else { return Ok(None) };
                if let Some(held) = held.take()
                    && snapshot.v < held
                {
                    return Err(Closed::Gap { to: snapshot.to, held, got: snapshot.v });
                }
                *held = Some(snapshot.v);
                Ok(Some(News::Snapshot(snapshot)))
            }
            ServerFrame::Events(events) => {
                let Some(held) = self.followed.get_mut(&events.to) else { return Ok(None) };
                // Given up until the last is known to follow: after a gap nothing is held.
                let mut last = held.take().unwrap_or_default();
                for event in &events.events {
                    if event.v != last.next() {
                        return Err(Closed::Gap { to: events.to, held: last, got: event.v });
                    }
                    last = event.v;
                }
                *held = Some(last);
                Ok(Some(News::Events(events)))
            }
            ServerFrame::Tiles(tiles) => Ok(Some(News::Tiles(tiles))),
            ServerFrame::Reply(reply) => Ok(self.hear_reply(&reply)),
            ServerFrame::GoAway(go_away) => {
                self.go_away = Some(Duration::from_millis(go_away.delay_ms.0.into()));
                Ok(None)
            }
            ServerFrame::Revoked(Revoked { to }) => {
                Ok(self.followed.remove(&to).map(|_| News::NotFollowed(to)))
            }
            ServerFrame::Pong(_) | ServerFrame::Signal(_) | ServerFrame::Welcome(_) => Ok(None),
        }
    }

    fn hear_reply(&mut self, reply: &Reply) -> Option<News> {
        if let Some(to) = reply.req.and_then(|req| self.asking.remove(&req)) {
            let refused = reply.error.is_some();
            return refused.then(|| {
                self.followed.remove(&to);
                News::NotFollowed(to)
            });
        }
        match self.outboxes.values_mut().find_map(|outbox| outbox.reply(reply))? {
            Heard::Answered(answered) => {
                self.pause = RETRY;
                Some(News::Answered(answered))
            }
            Heard::Again => {
                self.hold(reply.error.as_ref());
                None
            }
        }
    }

    /// Sends no command for as long as the server asked, or for a pause that grows.
    fn hold(&mut self, fault: Option<&Fault>) {
        let asked = fault.and_then(|fault| fault.retry_after_ms);
        let pause = asked.map_or(self.pause, |ms| Duration::from_millis(ms.0.into()));
        self.pause = (self.pause * 2).min(RETRY_MAX);
        self.hold_until = Some(Instant::now() + pause);
    }

    /// Renews the token; answers whether there is a new one. One that got no answer is tried again soon: the
    /// old token may live that long.
    async fn renew(&mut self) -> Result<bool, Closed> {
        let (api, pass) = (self.api.clone(), self.pass.clone());
        match self.meanwhile(api.refresh(&pass)).await {
            Ok(pass) => {
                self.pass = pass;
                self.renew_at = renewal(&self.pass);
                Ok(true)
            }
            Err(ApiError::Refused { status: 401, .. }) => Err(Closed::SignedOut),
            Err(ApiError::Refused { .. } | ApiError::Unreachable(_)) => {
                self.renew_at = Instant::now() + RENEW_AGAIN;
                Ok(false)
            }
        }
    }

    /// A number that no other request of this device has.
    fn req(&mut self) -> u64 {
        let req = self.next_req;
        self.next_req += 1;
        req
    }
}

/// When a pass is renewed: at two thirds of its life.
fn renewal(pass: &Pass) -> Instant {
    Instant::now() + Duration::from_secs(pass.expires_in.into()) * 2 / 3
}
