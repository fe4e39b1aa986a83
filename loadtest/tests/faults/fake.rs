//! A server of sessions, in memory: sign-in, the socket, commands done once, events to whoever follows. It can break one
//! promise, to the first athlete of the first gym.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use futures_util::{SinkExt, StreamExt};
use spotter_protocol::{
    Address, ClientFrame, Codec, Command, CommandFrame, CommandId, ErrorCode, EventsFrame, Fault, GymId,
    Hello, Limits, Millis, Pong, PublishedEvent, Reply, Role, ServerFrame, SessionCommand, SetCompleted,
    Shown, Subscribe, Timestamp, UserId, Version, Welcome,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::server::{ErrorResponse, Request, Response};
use tokio_tungstenite::tungstenite::http::HeaderValue;
use uuid::Uuid;

use super::program::Journal;

/// The version at which the promise is broken: its events are a start, a plan, and then what is logged.
const AT: u64 = 6;

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
}

type Frames = mpsc::UnboundedSender<ServerFrame>;

#[derive(Default)]
pub(crate) struct World {
    broken: Option<Broken>,
    sessions: HashMap<Address, Session>,
    /// Where commands are kept before they are answered, if they outlive the server.
    pub(crate) journal: Option<Journal>,
}

struct Session {
    gym: u128,
    events: Vec<PublishedEvent>,
    done: HashMap<CommandId, Version>,
    followers: Vec<Frames>,
    /// Events that are held back.
    held: Option<PublishedEvent>,
}

/// Serves on loopback until the test ends.
pub(crate) async fn serve(broken: Option<Broken>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    serve_on(listener, World { broken, ..World::default() });
    address
}

/// Serves on what listens already.
pub(crate) fn serve_on(listener: TcpListener, world: World) {
    let world = Arc::new(Mutex::new(world));
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let world = Arc::clone(&world);
            tokio::spawn(async move {
                let mut first = [0; 16];
                let read = stream.peek(&mut first).await.unwrap_or(0);
                if first[..read].starts_with(b"GET /v1/socket") {
                    converse(stream, &world).await;
                } else {
                    answer(stream).await;
                }
            });
        }
    });
}

/// Signs somebody in, or says how the server is. Whoever is `a1@lt-0` is the second athlete of the first gym.
async fn answer(mut stream: TcpStream) {
    let (mut read, mut buffer) = (Vec::new(), [0; 4096]);
    while !read.ends_with(b"}") && !read.starts_with(b"GET") {
        match stream.read(&mut buffer).await {
            Ok(count @ 1..) => read.extend_from_slice(&buffer[..count]),
            Ok(0) | Err(_) => return,
        }
    }
    let request = String::from_utf8(read).unwrap();
    let body = match request.split_once("\r\n\r\n{") {
        Some((_, body)) => signed_in(&serde_json::from_str(&format!("{{{body}")).unwrap()),
        None => "spotter_build_info{version=\"0.0.0-fake\"} 1\n".to_owned(),
    };
    let head = format!("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: {}\r\n\r\n", body.len());
    stream.write_all((head + &body).as_bytes()).await.unwrap();
}

fn signed_in(request: &serde_json::Value) -> String {
    let email = request["email"].as_str().unwrap();
    let (athlete, gym) = email.trim_start_matches('a').split_once("@lt-").unwrap();
    let (athlete, gym): (u128, u128) = (athlete.parse().unwrap(), gym.parse().unwrap());
    serde_json::json!({
        "access_token": format!("{gym}.{athlete}"), "expires_in": 900, "refresh_token": "",
        "user": {
            "id": user(gym, athlete), "name": email, "email": email, "role": "athlete",
            "gym": { "id": GymId(Uuid::from_u128(gym)), "slug": request["gym"], "name": "Gym" },
        },
    })
    .to_string()
}

fn user(gym: u128, athlete: u128) -> UserId {
    UserId(Uuid::from_u128((gym << 64) | (athlete + 1)))
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
    let mut gym = 0;
    while let Some(Ok(Message::Binary(bytes))) = messages.next().await {
        let answer = match ClientFrame::decode(Codec::MsgPack, &bytes).unwrap() {
            ClientFrame::Hello(hello) => {
                let (welcome, of) = welcome(&hello);
                gym = of;
                ServerFrame::Welcome(welcome)
            }
            ClientFrame::Command(command) => world.lock().unwrap().command(command, gym),
            ClientFrame::Subscribe(subscribe) => {
                let Some(reply) = world.lock().unwrap().follow(&subscribe, gym, &frames) else { continue };
                ServerFrame::Reply(reply)
            }
            ClientFrame::Ping(ping) => ServerFrame::Pong(Pong { clock: ping.clock }),
            ClientFrame::Unsubscribe(_)
            | ClientFrame::Signal(_)
            | ClientFrame::Ack(_)
            | ClientFrame::Token(_) => {
                continue;
            }
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

fn welcome(hello: &Hello) -> (Welcome, u128) {
    let (gym, athlete) = hello.token.split_once('.').unwrap();
    let (gym, athlete): (u128, u128) = (gym.parse().unwrap(), athlete.parse().unwrap());
    let limits = Limits {
        frame_bytes: 65_536,
        commands_per_s: 50,
        commands_burst: 200,
        in_flight: 64,
        subscriptions: 512,
        heartbeat_ms: Millis(20_000),
    };
    let welcome = Welcome {
        user: user(gym, athlete),
        gym: GymId(Uuid::from_u128(gym)),
        role: Role::Athlete,
        incarnation: Uuid::nil(),
        clock: Timestamp(0),
        limits,
        sessions: Vec::new(),
    };
    (welcome, gym)
}

impl World {
    pub(crate) fn command(&mut self, frame: CommandFrame, gym: u128) -> ServerFrame {
        let is_first = frame.to.owner == user(0, 0);
        let broken = self.broken.filter(|_| is_first);
        let session = self.sessions.entry(frame.to).or_insert_with(|| Session {
            gym,
            events: Vec::new(),
            done: HashMap::new(),
            followers: Vec::new(),
            held: None,
        });
        let before = session.done.get(&frame.id).copied();
        let version = before.unwrap_or_else(|| Version(session.events.len() as u64 + 1));
        if before.is_none() {
            if let Some(journal) = &mut self.journal {
                journal.keep(gym, &frame);
            }
            session.done.insert(frame.id, version);
            let event = event(&frame, version);
            session.events.push(event.clone());
            session.publish(&frame.to, event.clone(), broken);
            let is_set = !matches!(event.ev, Shown::Hidden);
            if broken == Some(Broken::StoredTwice) && is_set && version.0 >= AT {
                self.broken = None;
                let again = PublishedEvent { v: version.next(), ..event };
                session.events.push(again.clone());
                session.publish(&frame.to, again, None);
            } else if broken == Some(Broken::Leaked) && version.0 == AT {
                let others = self.sessions.values().filter(|session| session.gym != gym);
                let leak = ServerFrame::Events(EventsFrame { to: frame.to, events: vec![event] });
                others.flat_map(|session| &session.followers).for_each(|follower| {
                    let _ = follower.send(leak.clone());
                });
            }
        }
        ServerFrame::Reply(Reply { repeat: before.is_some(), ..Reply::ok(frame.req, version) })
    }

    /// Answers the request; what was missed goes before.
    fn follow(&mut self, subscribe: &Subscribe, gym: u128, frames: &Frames) -> Option<Reply> {
        let is_open = self.broken == Some(Broken::OpenDoor);
        let broken = self.broken.filter(|_| subscribe.to.owner == user(0, 0));
        let session = self.sessions.get_mut(&subscribe.to).filter(|session| session.gym == gym || is_open);
        let Some(session) = session else {
            return Some(Reply::refused(Some(subscribe.req), Fault::new(ErrorCode::NotFound)));
        };
        let since = subscribe.since.unwrap_or_default();
        let mut missed: Vec<_> = session.events.iter().filter(|event| event.v > since).cloned().collect();
        if broken == Some(Broken::Unstored) && missed.len() as u64 > AT {
            let set = missed.iter().position(|event| !matches!(event.ev, Shown::Hidden));
            if let Some(set) = set {
                missed.remove(set);
            }
        }
        let head = session.events.last().map_or(Version(0), |event| event.v);
        session.followers.push(frames.clone());
        if !missed.is_empty() {
            frames.send(ServerFrame::Events(EventsFrame { to: subscribe.to, events: missed })).ok()?;
        }
        Some(Reply::ok(subscribe.req, head))
    }
}

impl Session {
    fn publish(&mut self, to: &Address, event: PublishedEvent, broken: Option<Broken>) {
        let is_it = event.v.0 == AT;
        let events = match broken {
            Some(Broken::Undelivered) if is_it => Vec::new(),
            Some(Broken::Doubled) if is_it => vec![event.clone(), event],
            Some(Broken::Reordered) if is_it => {
                self.held = Some(event);
                Vec::new()
            }
            Some(
                Broken::Undelivered
                | Broken::Unstored
                | Broken::Doubled
                | Broken::StoredTwice
                | Broken::Reordered
                | Broken::Leaked
                | Broken::OpenDoor,
            )
            | None => [event].into_iter().chain(self.held.take()).collect(),
        };
        for event in events {
            let frame = ServerFrame::Events(EventsFrame { to: *to, events: vec![event] });
            self.followers.retain(|follower| follower.send(frame.clone()).is_ok());
        }
    }
}

/// The event of a command: a set that was done, or one that nobody is shown.
fn event(frame: &CommandFrame, v: Version) -> PublishedEvent {
    let ev = match &frame.command {
        Command::Session(SessionCommand::Complete(complete)) => {
            let completed = SetCompleted { set: complete.set, actual: complete.actual.clone() };
            Shown::Event(spotter_protocol::SessionEvent::from(completed).into())
        }
        Command::Session(_) | Command::Inbox(_) | Command::Room(_) => Shown::Hidden,
    };
    PublishedEvent { v, at: frame.at, received_at: frame.at, by: frame.to.owner, ev }
}
