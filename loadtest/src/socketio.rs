//! The little of Socket.IO that `loadtest/yardsticks/socketio` is asked: version 5 of its protocol with the
//! MessagePack parser, over Engine.IO 4 on a WebSocket from the first byte. Commands become events with an
//! acknowledgement, and what comes back becomes frames again: one generator measures both servers, with one
//! ledger.
//!
//! Engine.IO's own packets are text: `0{…}` opens, `2` asks for `3`. Everything else is binary, one packet of
//! Socket.IO a message, a map of `type`, `nsp`, `data` and `id`.

use futures_util::{SinkExt, StreamExt};
use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};
use spotter_client::Closed;
use spotter_protocol::{
    Actual, Address, ClientFrame, Command, CommandFrame, ErrorCode, Event, EventsFrame, Load, Pong,
    PublishedEvent, Reply, Reps, ServerFrame, SessionCommand, SessionEvent, SetCompleted, Shown, Timestamp,
    Unit, UserId, Version,
};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{self, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

use crate::server::Person;

/// Bytes read at once, as by the client of Spotter's socket.
const READ_BUFFER_BYTES: usize = 4096;

const CONNECT: u8 = 0;
const EVENT: u8 = 2;
const ACK: u8 = 3;

/// A socket in the default namespace.
pub(crate) struct SocketIo {
    stream: WebSocketStream<MaybeTlsStream<TcpStream>>,
    owner: UserId,
}

#[derive(Serialize)]
struct Packet<T> {
    #[serde(rename = "type")]
    kind: u8,
    nsp: &'static str,
    data: T,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<u64>,
}

#[derive(Serialize)]
struct Auth<'a> {
    token: &'a str,
}

/// What an event says; ids are text, as JavaScript has them.
#[derive(Default, Serialize)]
struct Said<'a> {
    session: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    n: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    at: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    title: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    exercise: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    sets: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    set: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    load_g: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reps: Option<u32>,
}

/// The part of a packet that says how to read its data.
#[derive(Deserialize)]
struct Head {
    #[serde(rename = "type")]
    kind: u8,
    #[serde(default)]
    id: Option<u64>,
}

#[derive(Deserialize)]
struct Data<T> {
    data: T,
}

#[derive(Deserialize)]
struct Acknowledged {
    #[serde(default)]
    v: Option<Version>,
    #[serde(default)]
    clock: Option<Timestamp>,
    #[serde(default)]
    error: Option<String>,
}

/// An event of another device of the athlete's.
#[derive(Deserialize)]
struct Told {
    session: String,
    n: Version,
    at: Timestamp,
    received_at: Timestamp,
    #[serde(default)]
    set: Option<String>,
    #[serde(default)]
    load_g: Option<u32>,
    #[serde(default)]
    reps: Option<u32>,
}

impl SocketIo {
    /// Connects as `person` and waits until the server has let them in.
    pub(crate) async fn open(url: &str, person: &Person) -> Result<Self, Closed> {
        let request = url.into_client_request().map_err(lost)?;
        let config = WebSocketConfig::default().read_buffer_size(READ_BUFFER_BYTES);
        let connected = tokio_tungstenite::connect_async_with_config(request, Some(config), true).await;
        let (stream, _) = connected.map_err(lost)?;
        let mut socket = Self { stream, owner: person.user };
        let auth = Packet { kind: CONNECT, nsp: "/", data: Auth { token: &person.token }, id: None };
        socket.pack(&auth).await?;
        let answer = socket.packet().await?;
        match read::<Head>(&answer)?.kind {
            CONNECT => Ok(socket),
            refused => Err(Closed::Broken(format!("a packet of type {refused} before the welcome"))),
        }
    }

    /// Sends what Socket.IO's server understands: the commands of the load, the wish to follow a session, and a ping.
    pub(crate) async fn send(&mut self, frame: &ClientFrame) -> Result<(), Closed> {
        let (event, said, req) = match frame {
            ClientFrame::Command(command) => {
                let (event, said) = say(command).ok_or_else(|| unknown(frame))?;
                (event, said, command.req)
            }
            ClientFrame::Subscribe(subscribe) => {
                let said = Said { session: subscribe.to.id.to_string(), ..Said::default() };
                ("follow", said, subscribe.req)
            }
            ClientFrame::Ping(_) => {
                // Its answer is known by the clock that it names.
                let ping = Packet { kind: EVENT, nsp: "/", data: ("ping",), id: Some(0) };
                return self.pack(&ping).await;
            }
            ClientFrame::Hello(_)
            | ClientFrame::Unsubscribe(_)
            | ClientFrame::Signal(_)
            | ClientFrame::Ack(_)
            | ClientFrame::Token(_) => return Err(unknown(frame)),
        };
        self.pack(&Packet { kind: EVENT, nsp: "/", data: (event, said), id: Some(req) }).await
    }

    /// The next reply or event, as a frame. Safe to cancel.
    pub(crate) async fn next(&mut self) -> Result<ServerFrame, Closed> {
        let packet = self.packet().await?;
        let head: Head = read(&packet)?;
        match head.kind {
            ACK => {
                let Data { data: (answer,) } = read::<Data<(Acknowledged,)>>(&packet)?;
                Ok(answered(head.id, answer))
            }
            EVENT => {
                let Data { data: (_, told) } = read::<Data<(IgnoredAny, Told)>>(&packet)?;
                Ok(ServerFrame::Events(self.events(told)?))
            }
            other => Err(Closed::Broken(format!("a packet of type {other}"))),
        }
    }

    fn events(&self, told: Told) -> Result<EventsFrame, Closed> {
        let ev = match told.set {
            Some(set) => {
                let set = set.parse().map_err(broken)?;
                let actual = Actual {
                    load: told.load_g.and_then(|grams| Load::new(grams, Unit::Kg).ok()),
                    reps: told.reps.and_then(|reps| Reps::new(reps).ok()),
                    ..Actual::default()
                };
                Shown::Event(Event::Session(SessionEvent::SetCompleted(SetCompleted { set, actual })))
            }
            None => Shown::Hidden,
        };
        let event =
            PublishedEvent { v: told.n, at: told.at, received_at: told.received_at, by: self.owner, ev };
        let to = Address::session(self.owner, told.session.parse().map_err(broken)?);
        Ok(EventsFrame { to, events: vec![event] })
    }

    async fn pack(&mut self, packet: &impl Serialize) -> Result<(), Closed> {
        let bytes = rmp_serde::to_vec_named(packet).map_err(broken)?;
        self.stream.send(Message::Binary(bytes.into())).await.map_err(lost)
    }

    /// The next packet of Socket.IO; Engine.IO's pings are answered.
    async fn packet(&mut self) -> Result<tungstenite::Bytes, Closed> {
        loop {
            match self.stream.next().await {
                Some(Ok(Message::Binary(packet))) => return Ok(packet),
                Some(Ok(Message::Text(text))) if text.as_str() == "2" => {
                    self.stream.send(Message::text("3")).await.map_err(lost)?;
                }
                Some(Ok(Message::Close(_))) | None => return Err(Closed::Lost("end of stream".to_owned())),
                Some(Ok(Message::Text(_) | Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => {}
                Some(Err(error)) => return Err(lost(error)),
            }
        }
    }
}

/// The event of a command, and what it says.
#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "the load sends four commands; that server knows no others"
)]
fn say(frame: &CommandFrame) -> Option<(&'static str, Said<'_>)> {
    let Command::Session(command) = &frame.command else { return None };
    let said =
        Said { session: frame.to.id.to_string(), n: Some(frame.n), at: Some(frame.at.0), ..Said::default() };
    match command {
        SessionCommand::Start(start) => {
            Some(("start", Said { title: start.title.as_ref().map(|title| title.as_str()), ..said }))
        }
        SessionCommand::Add(add) => {
            let sets = add.exercise.sets.iter().map(|planned| planned.set.to_string()).collect();
            let (exercise, name) = (Some(add.exercise.exercise.as_str()), Some(add.exercise.name.as_str()));
            Some(("plan", Said { exercise, name, sets, ..said }))
        }
        SessionCommand::Complete(complete) => {
            let load_g = complete.actual.load.map(|load| load.grams().0);
            let reps = complete.actual.reps.map(|reps| reps.get().into());
            Some(("set", Said { set: Some(complete.set.to_string()), load_g, reps, ..said }))
        }
        SessionCommand::Finish(_) => Some(("finish", said)),
        _ => None,
    }
}

/// The frame that an acknowledgement stands for.
fn answered(req: Option<u64>, answer: Acknowledged) -> ServerFrame {
    match answer {
        Acknowledged { clock: Some(clock), .. } => ServerFrame::Pong(Pong { clock }),
        Acknowledged { v: Some(v), error: None, .. } => {
            ServerFrame::Reply(Reply { req, v: Some(v), repeat: false, error: None })
        }
        Acknowledged { .. } => ServerFrame::Reply(Reply::refused(req, ErrorCode::Unavailable)),
    }
}

fn read<'a, T: Deserialize<'a>>(packet: &'a [u8]) -> Result<T, Closed> {
    rmp_serde::from_slice(packet).map_err(broken)
}

fn unknown(frame: &ClientFrame) -> Closed {
    Closed::Broken(format!("that server knows no {}", frame.kind()))
}

fn broken(error: impl ToString) -> Closed {
    Closed::Broken(error.to_string())
}

fn lost(error: tungstenite::Error) -> Closed {
    Closed::Lost(error.to_string())
}

#[cfg(test)]
mod tests {
    use spotter_protocol::{ClientId, CommandId, Complete, SessionId, SetId};
    use uuid::Uuid;

    use super::*;

    #[test]
    fn a_set_is_an_event_with_its_number_and_its_load_in_grams() {
        let to = Address::session(UserId(Uuid::nil()), SessionId(Uuid::from_u128(7)));
        let actual =
            Actual { load: Load::new(62_500, Unit::Kg).ok(), reps: Reps::new(5).ok(), ..Actual::default() };
        let frame = CommandFrame {
            req: 9,
            id: CommandId(Uuid::nil()),
            client: ClientId(Uuid::nil()),
            n: 3,
            after: 2,
            at: Timestamp(1),
            to,
            command: Complete { set: SetId(Uuid::nil()), actual, place: None }.into(),
        };

        let (event, said) = say(&frame).unwrap();

        assert_eq!((event, said.n, said.load_g, said.reps), ("set", Some(3), Some(62_500), Some(5)));
        assert_eq!(said.session, "00000000-0000-0000-0000-000000000007");
    }

    #[test]
    fn an_acknowledgement_names_its_request_and_version() {
        assert_eq!(acknowledged(2, "v", 4), ServerFrame::Reply(Reply::ok(2, Version(4))));
    }

    #[test]
    fn the_answer_to_a_ping_names_the_clock() {
        assert_eq!(acknowledged(0, "clock", 7), ServerFrame::Pong(Pong { clock: Timestamp(7) }));
    }

    /// What comes of an acknowledgement that says this.
    fn acknowledged(id: u64, name: &str, value: u64) -> ServerFrame {
        let map = std::collections::BTreeMap::from([(name, value)]);
        let packet = Packet { kind: ACK, nsp: "/", data: (map,), id: Some(id) };
        let bytes = rmp_serde::to_vec_named(&packet).unwrap();

        let head: Head = read(&bytes).unwrap();
        let Data { data: (answer,) } = read::<Data<(Acknowledged,)>>(&bytes).unwrap();

        answered(head.id, answer)
    }
}
