//! A server of sessions, inboxes and walls, in memory: sign-in, the socket, commands done once, events to whoever
//! follows. It can break one promise, to the first athlete of the first gym.

mod entity;
mod http;

use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use spotter_protocol::{
    Address, ClientFrame, Codec, Command, CommandFrame, EntityKind, ErrorCode, EventsFrame, Fault, GymId,
    InboxCommand, InboxEvent, Limits, MessageReceived, MessageView, Millis, Pong, PublishedEvent, Reply,
    Role, ServerFrame, Shown, Subscribe, TilesFrame, Timestamp, UserId, Version, Welcome,
};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::server::{ErrorResponse, Request, Response};
use tokio_tungstenite::tungstenite::http::HeaderValue;
use uuid::Uuid;

use super::program::Journal;
use entity::{Entity, event, message};

/// What it is broken about: a set, or the second cue or message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum What {
    Set,
    Cue,
    Message,
}

/// A promise that is broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Broken {
    Undelivered,
    Unstored,
    Doubled,
    StoredTwice,
    Reordered,
    Leaked,
    OpenDoor,
    /// Tokens are not renewed.
    NoRenewal,
}

type Frames = mpsc::UnboundedSender<ServerFrame>;

pub(crate) struct World {
    broken: Option<(Broken, What)>,
    /// How long a token is good.
    lasts: Duration,
    entities: HashMap<Address, Entity>,
    /// Who follows a room, and of which gym.
    walls: Vec<(u128, Frames)>,
    tick: u64,
    /// The gyms that were made, and whether each is about to go.
    gyms: BTreeMap<String, bool>,
    /// Where commands are kept before they are answered, if they outlive the server.
    pub(crate) journal: Option<Journal>,
    /// So many subscriptions more are refused for now.
    pub(crate) busy: u32,
    /// How often a socket was opened at each address.
    pub(crate) opened: BTreeMap<SocketAddr, usize>,
}

/// Serves on loopback until the test ends.
pub(crate) async fn serve(broken: Option<(Broken, What)>, lasts: Duration) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    serve_on(listener, World { broken, lasts, ..World::default() });
    address
}

/// Serves on what listens already. Whoever is connected stays so when this is aborted, and nobody else comes.
pub(crate) fn serve_on(listener: TcpListener, world: World) -> JoinHandle<()> {
    serve_node(listener, Arc::new(Mutex::new(world)))
}

/// The same of a node, which shares its world with others.
pub(crate) fn serve_node(listener: TcpListener, world: Arc<Mutex<World>>) -> JoinHandle<()> {
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let world = Arc::clone(&world);
            tokio::spawn(async move {
                let mut first = [0; 16];
                let read = stream.peek(&mut first).await.unwrap_or(0);
                if first[..read].starts_with(b"GET /v1/socket") {
                    *world.lock().unwrap().opened.entry(stream.local_addr().unwrap()).or_default() += 1;
                    converse(stream, &world).await;
                } else {
                    http::answer(stream, &world).await;
                }
            });
        }
    })
}

/// Coaches are numbered from here.
const COACHES: u128 = 1_000;

fn user(gym: u128, person: u128) -> UserId {
    UserId(Uuid::from_u128((gym << 64) | (person + 1)))
}

/// The gym and the person that a token names.
fn bearer(token: &str) -> (u128, UserId) {
    let mut numbers = token.split('.').map(|number| number.parse().unwrap());
    let (gym, person) = (numbers.next().unwrap(), numbers.next().unwrap());
    (gym, user(gym, person))
}

async fn converse(stream: TcpStream, world: &Mutex<World>) {
    let socket = tokio_tungstenite::accept_hdr_async(stream, protocol).await.unwrap();
    let (mut sink, mut messages) = socket.split();
    let (frames, mut sent) = mpsc::unbounded_channel::<ServerFrame>();
    tokio::spawn(async move {
        while let Some(frame) = sent.recv().await {
            if sink.send(Message::Binary(frame.encode(Codec::MsgPack).into())).await.is_err() {
                return;
            }
        }
    });
    let (mut gym, mut me) = (0, user(0, 0));
    let lasts = world.lock().unwrap().lasts;
    let mut good_until = Instant::now() + lasts;
    loop {
        let Ok(message) = tokio::time::timeout_at(good_until, messages.next()).await else {
            // Whoever does not renew the token is gone.
            return;
        };
        let Some(Ok(Message::Binary(bytes))) = message else { return };
        let answer = match ClientFrame::decode(Codec::MsgPack, &bytes).unwrap() {
            ClientFrame::Hello(hello) => {
                (gym, me) = bearer(&hello.token);
                ServerFrame::Welcome(welcome(gym, me))
            }
            ClientFrame::Command(command) => world.lock().unwrap().command(&command, gym, me),
            ClientFrame::Subscribe(subscribe) => {
                let Some(reply) = world.lock().unwrap().follow(&subscribe, gym, &frames) else { continue };
                ServerFrame::Reply(reply)
            }
            ClientFrame::Token(token) => {
                good_until = Instant::now() + lasts;
                ServerFrame::Reply(Reply::ok(token.req, Version(0)))
            }
            ClientFrame::Ping(ping) => ServerFrame::Pong(Pong { clock: ping.clock }),
            ClientFrame::Unsubscribe(_) | ClientFrame::Signal(_) | ClientFrame::Ack(_) => continue,
        };
        if frames.send(answer).is_err() {
            return;
        }
    }
}

#[expect(clippy::result_large_err, reason = "the form that the handshake asks for")]
fn protocol(_: &Request, mut response: Response) -> Result<Response, ErrorResponse> {
    let protocol = HeaderValue::from_static(Codec::MsgPack.subprotocol());
    response.headers_mut().insert("sec-websocket-protocol", protocol);
    Ok(response)
}

fn welcome(gym: u128, user: UserId) -> Welcome {
    let limits = Limits {
        frame_bytes: 65_536,
        commands_per_s: 50,
        commands_burst: 200,
        in_flight: 64,
        subscriptions: 512,
        heartbeat_ms: Millis(20_000),
    };
    Welcome {
        user,
        gym: GymId(Uuid::from_u128(gym)),
        role: Role::Athlete,
        incarnation: Uuid::nil(),
        clock: Timestamp(0),
        limits,
        sessions: Vec::new(),
    }
}

impl Default for World {
    fn default() -> Self {
        Self {
            broken: None,
            lasts: Duration::from_secs(900),
            entities: HashMap::new(),
            walls: Vec::new(),
            tick: 0,
            gyms: BTreeMap::new(),
            journal: None,
            busy: 0,
            opened: BTreeMap::new(),
        }
    }
}

impl World {
    pub(crate) fn with(broken: Option<(Broken, What)>) -> Self {
        Self { broken, ..Self::default() }
    }

    fn entity(&mut self, to: Address, gym: u128) -> &mut Entity {
        self.entities.entry(to).or_insert_with(|| Entity::of(gym))
    }

    pub(crate) fn command(&mut self, frame: &CommandFrame, gym: u128, by: UserId) -> ServerFrame {
        let before = self.entity(frame.to, gym).done.get(&frame.id).copied();
        let version = before.unwrap_or_else(|| {
            if let Some(journal) = &mut self.journal {
                journal.keep(gym, frame);
            }
            let version = self.append(frame.to, gym, by, event(&frame.command));
            self.entity(frame.to, gym).done.insert(frame.id, version);
            if let Command::Inbox(InboxCommand::Message(message)) = &frame.command {
                let (id, text) = (message.id, message.text.clone());
                let received = MessageReceived {
                    from: by,
                    id,
                    text,
                    about: None,
                    sent_at: Timestamp(0),
                    sent_v: version,
                };
                let shown = Shown::Event(InboxEvent::from(received).into());
                self.append(Address::inbox(message.to), gym, by, shown);
            }
            version
        });
        ServerFrame::Reply(Reply { repeat: before.is_some(), ..Reply::ok(frame.req, version) })
    }

    /// Stores an event and shows it to whoever follows, unless that is the promise that is broken.
    fn append(&mut self, to: Address, gym: u128, by: UserId, ev: Shown) -> Version {
        let broken = self.broken;
        let entity = self.entity(to, gym);
        let v = Version(entity.events.len() as u64 + 1);
        let event = PublishedEvent { v, at: Timestamp(0), received_at: Timestamp(0), by, ev };
        entity.events.push(event.clone());
        let is_it = |(_, what): &(Broken, What)| to.owner == user(0, 0) && entity.is_it(*what, &event);
        let broken = broken.filter(is_it).map(|(how, _)| how);
        entity.publish(&to, event.clone(), broken);
        match broken {
            Some(Broken::StoredTwice) => {
                self.broken = None;
                self.append(to, gym, by, event.ev);
            }
            Some(Broken::Leaked) if to.kind == EntityKind::Inbox => {
                self.append(Address::inbox(user(1, 0)), 1, by, event.ev);
            }
            Some(Broken::Leaked) => {
                let others = self.entities.values().filter(|entity| entity.gym != gym);
                let leak = ServerFrame::Events(EventsFrame { to, events: vec![event] });
                others.flat_map(|entity| &entity.followers).for_each(|follower| {
                    let _ = follower.send(leak.clone());
                });
            }
            Some(
                Broken::Undelivered
                | Broken::Unstored
                | Broken::Doubled
                | Broken::Reordered
                | Broken::OpenDoor
                | Broken::NoRenewal,
            )
            | None => {}
        }
        self.show_tile(to, gym);
        v
    }

    fn show_tile(&mut self, to: Address, gym: u128) {
        self.tick += 1;
        let frame = self.tiles(to.owner, gym, &[to]);
        self.walls.retain(|(of, wall)| *of != gym || wall.send(frame.clone()).is_ok());
    }

    fn tiles(&self, room: UserId, gym: u128, sessions: &[Address]) -> ServerFrame {
        let tile = |to: &&Address| self.entities[*to].gym == gym && to.kind == EntityKind::Session;
        ServerFrame::Tiles(TilesFrame {
            to: Address::room(room),
            activation: Uuid::nil(),
            tick: self.tick,
            full: false,
            tiles: sessions.iter().filter(tile).map(|to| self.entities[to].tile(to)).collect(),
            gone: Vec::new(),
        })
    }

    /// Answers the request; what was missed goes before.
    fn follow(&mut self, subscribe: &Subscribe, gym: u128, frames: &Frames) -> Option<Reply> {
        let to = subscribe.to;
        if self.busy > 0 {
            self.busy -= 1;
            let fault = Fault::retry(ErrorCode::Unavailable, Millis(100));
            return Some(Reply::refused(Some(subscribe.req), fault));
        }
        if to.kind == EntityKind::Room {
            let all: Vec<_> = self.entities.keys().copied().collect();
            frames.send(self.tiles(to.owner, gym, &all)).ok()?;
            self.walls.push((gym, frames.clone()));
            return Some(Reply::ok(subscribe.req, Version(0)));
        }
        let is_open = matches!(self.broken, Some((Broken::OpenDoor, _)));
        let unstored = match self.broken {
            Some((Broken::Unstored, what)) if to.owner == user(0, 0) => Some(what),
            Some(_) | None => None,
        };
        if to.kind == EntityKind::Inbox && owner_gym(to) == gym {
            self.entity(to, gym);
        }
        let entity = self.entities.get_mut(&to).filter(|entity| entity.gym == gym || is_open);
        let Some(entity) = entity else {
            return Some(Reply::refused(Some(subscribe.req), Fault::new(ErrorCode::NotFound)));
        };
        let since = subscribe.since.unwrap_or_default();
        let missed = entity.events.iter().filter(|event| event.v > since);
        let missed: Vec<_> =
            missed.filter(|event| unstored.is_none_or(|what| !entity.is_it(what, event))).cloned().collect();
        let head = entity.events.last().map_or(Version(0), |event| event.v);
        entity.followers.push(frames.clone());
        if !missed.is_empty() {
            frames.send(ServerFrame::Events(EventsFrame { to, events: missed })).ok()?;
        }
        Some(Reply::ok(subscribe.req, head))
    }

    /// What the owner of an inbox and somebody wrote, newest first.
    fn messages(&self, owner: UserId, with: UserId) -> Vec<MessageView> {
        let Some(inbox) = self.entities.get(&Address::inbox(owner)) else { return Vec::new() };
        let unstored = self.broken == Some((Broken::Unstored, What::Message)) && owner == user(0, 0);
        let kept = inbox.events.iter().filter(|event| !(unstored && inbox.is_it(What::Message, event)));
        kept.rev().filter_map(|event| message(event, with)).collect()
    }
}

fn owner_gym(to: Address) -> u128 {
    to.owner.0.as_u128() >> 64
}
