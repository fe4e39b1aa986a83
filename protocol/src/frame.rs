//! The frames of a socket. Each travels in an envelope of its kind and its body; see [`crate::Codec`].

use std::fmt;

use serde::de::{self, IgnoredAny, MapAccess, Visitor};
use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use uuid::Uuid;

use crate::scan::{FRAME_BYTES_MAX, SERVER_FRAME_BYTES_MAX};
use crate::{
    Address, ClientId, Codec, Command, CommandId, DecodeError, EntityView, Event, Fault, InboxEvent, Millis,
    Role, RoomEvent, SessionEvent, SessionId, SignalKey, Tile, Timestamp, UserId, Version, View, Vocabulary,
};

macro_rules! frames {
    ($(#[$meta:meta])* $name:ident up to $bytes_max:ident { $($(#[$vmeta:meta])* $variant:ident($body:ty) = $kind:literal,)* }) => {
        $(#[$meta])*
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub enum $name {
            $($(#[$vmeta])* $variant($body),)*
        }

        impl $name {
            /// Every kind of frame in this direction.
            pub const KINDS: &'static [&'static str] = &[$($kind),*];

            /// The kind on the wire.
            pub const fn kind(&self) -> &'static str {
                match self { $(Self::$variant(_) => $kind,)* }
            }

            /// Writes the frame.
            pub fn encode(&self, codec: Codec) -> Vec<u8> {
                match self { $(Self::$variant(body) => codec.encode($kind, body),)* }
            }

            /// Reads one frame, after a structural scan of its bytes.
            ///
            /// # Errors
            /// See [`DecodeError`].
            pub fn decode(codec: Codec, bytes: &[u8]) -> Result<Self, DecodeError> {
                let envelope = codec.open(bytes, $bytes_max)?;
                match envelope.kind.as_ref() {
                    $($kind => envelope.body().map(Self::$variant),)*
                    unknown => Err(DecodeError::UnknownKind { kind: unknown.chars().take(40).collect(), req: envelope.req() }),
                }
            }
        }
    };
}

frames! {
    /// From a client to the server.
    ClientFrame up to FRAME_BYTES_MAX {
        /// Who is there; the first frame of a socket.
        Hello(Hello) = "hello",
        /// Something is asked of an entity.
        Command(CommandFrame) = "command",
        /// Follow an entity.
        Subscribe(Subscribe) = "subscribe",
        /// Follow it no more.
        Unsubscribe(Unsubscribe) = "unsubscribe",
        /// Soft news, not journaled.
        Signal(Signal) = "signal",
        /// What has been received.
        Ack(Ack) = "ack",
        /// A new token for the live socket.
        Token(Token) = "token",
        /// Are you there?
        Ping(Ping) = "ping",
    }
}

frames! {
    /// From the server to a client.
    ServerFrame up to SERVER_FRAME_BYTES_MAX {
        /// The answer to `hello`.
        Welcome(Welcome) = "welcome",
        /// The answer to a request.
        Reply(Reply) = "reply",
        /// An entity's state at a version.
        Snapshot(SnapshotFrame) = "snapshot",
        /// Consecutive events of an entity.
        Events(EventsFrame) = "events",
        /// Changed tiles of a room.
        Tiles(TilesFrame) = "tiles",
        /// Soft news, not journaled.
        Signal(SignalFrame) = "signal",
        /// A subscription ended: the right to it is gone.
        Revoked(Revoked) = "revoked",
        /// The server will close this socket.
        GoAway(GoAway) = "go_away",
        /// I am.
        Pong(Pong) = "pong",
    }
}

/// The first frame of a socket; within 5 s of the upgrade.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello {
    /// The access token. Never in a URL.
    pub token: String,
    /// This installation.
    pub client: ClientId,
    /// The device's clock now. The server keeps the offset for the connection.
    pub clock: Timestamp,
    /// What the client can do beyond this document; the server ignores what it does not know.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub features: Vec<String>,
    /// The incarnation the client's versions are from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub incarnation: Option<Uuid>,
}

/// One command for one entity.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CommandFrame {
    /// Names this request in its reply; any number, unique among the requests under way.
    pub req: u64,
    /// The command's id; the same in every repeat.
    pub id: CommandId,
    /// The installation that counts `n`.
    pub client: ClientId,
    /// Number of the command by this client and entity, from 1, growing.
    pub n: u64,
    /// The `n` this command must follow; absent or 0 when it follows none.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub after: u64,
    /// When it happened, by the device's clock.
    pub at: Timestamp,
    /// The entity.
    pub to: Address,
    /// The command.
    #[serde(rename = "do")]
    pub command: Command,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the form serde asks for")]
const fn is_zero(n: &u64) -> bool {
    *n == 0
}

/// Follows an entity from a version on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subscribe {
    /// Names this request in its reply.
    pub req: u64,
    /// The entity.
    pub to: Address,
    /// The version the client has; absent for none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Version>,
    /// The view wanted; absent for the widest the caller may have.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub view: Option<View>,
}

/// Follows an entity no more.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unsubscribe {
    /// Names this request in its reply.
    pub req: u64,
    /// The entity.
    pub to: Address,
}

/// Soft news about an entity: latest per key, lost under load.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Signal {
    /// The entity.
    pub to: Address,
    /// What kind of news.
    pub key: SignalKey,
    /// The value, in units the key defines.
    pub value: i64,
}

/// What has been received, at most once a second.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ack {
    /// Entities with the highest version received of each.
    pub seen: Vec<(Address, Version)>,
}

/// A new token of the same user for the live socket.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Token {
    /// Names this request in its reply.
    pub req: u64,
    /// The new access token.
    pub token: String,
}

/// Asks for a `pong`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ping {
    /// The device's clock now; renews the offset.
    pub clock: Timestamp,
}

/// The answer to `hello`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Welcome {
    /// Who the token names.
    pub user: UserId,
    /// Their gym.
    pub gym: crate::GymId,
    /// What they are in it.
    pub role: Role,
    /// The history this server serves; versions of another incarnation mean nothing here.
    pub incarnation: Uuid,
    /// The server's clock.
    pub clock: Timestamp,
    /// What this connection may do.
    pub limits: Limits,
    /// The user's running sessions, newest first.
    pub sessions: Vec<LiveSession>,
}

/// What one connection may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Longest frame accepted, in bytes.
    pub frame_bytes: u32,
    /// Commands a second, sustained.
    pub commands_per_s: u32,
    /// Commands at once, after a pause.
    pub commands_burst: u32,
    /// Commands without a reply at any moment.
    pub in_flight: u32,
    /// Entities followed at once.
    pub subscriptions: u32,
    /// A client sends something at least this often, and may expect the same of the server.
    pub heartbeat_ms: Millis,
}

/// One of the user's running sessions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LiveSession {
    /// Which session.
    pub session: SessionId,
    /// Its version.
    pub v: Version,
}

/// The answer to a request: `v` on success, `error` otherwise.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reply {
    /// The request; absent when it could not be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub req: Option<u64>,
    /// Success. For a command the entity's version that holds its events, for a subscription the version
    /// the snapshot or replay reached, otherwise 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub v: Option<Version>,
    /// True when the command had been accepted before and nothing was changed by this repeat.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub repeat: bool,
    /// Refusal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<Fault>,
}

impl Reply {
    /// Success at a version.
    pub const fn ok(req: u64, v: Version) -> Self {
        Self { req: Some(req), v: Some(v), repeat: false, error: None }
    }

    /// Refusal of a request.
    pub fn refused(req: Option<u64>, fault: impl Into<Fault>) -> Self {
        Self { req, v: None, repeat: false, error: Some(fault.into()) }
    }
}

/// An entity's state. Replaces whatever the client held of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SnapshotFrame {
    /// The entity.
    pub to: Address,
    /// The version of the state.
    pub v: Version,
    /// The view it is shown in.
    pub view: View,
    /// The state.
    pub state: EntityView,
}

/// Consecutive events of one entity, oldest first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventsFrame<T = Shown> {
    /// The entity.
    pub to: Address,
    /// The events.
    pub events: Vec<PublishedEvent<T>>,
}

/// One event as a view shows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PublishedEvent<T = Shown> {
    /// Its version.
    pub v: Version,
    /// Its place in time.
    pub at: Timestamp,
    /// When the server received it.
    pub received_at: Timestamp,
    /// Who did it.
    pub by: UserId,
    /// What happened.
    pub ev: T,
}

/// What a subscriber is shown of an event: `{"name": {…}}`, or `{"hidden": {}}`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Shown {
    /// All of it.
    Event(Event),
    /// That there was one.
    Hidden,
    /// One of a newer server: the version counts, the view is outdated.
    Unknown(String),
}

impl Serialize for Shown {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let name = match self {
            Self::Event(event) => return event.serialize(serializer),
            Self::Hidden => "hidden",
            Self::Unknown(name) => name,
        };
        let mut map = serializer.serialize_map(Some(1))?;
        map.serialize_entry(name, &std::collections::BTreeMap::<(), ()>::new())?;
        map.end()
    }
}

impl<'de> Deserialize<'de> for Shown {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct OneEntry;

        impl<'de> Visitor<'de> for OneEntry {
            type Value = Shown;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a map of one event's name to its body")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Shown, A::Error> {
                let name: String =
                    map.next_key()?.ok_or_else(|| de::Error::custom("the event has no name"))?;
                if let Some(kind) = SessionEvent::kind_of(&name) {
                    return SessionEvent::read_entry(kind, &mut map)
                        .map(|event| Shown::Event(Event::Session(event)));
                }
                if let Some(kind) = InboxEvent::kind_of(&name) {
                    return InboxEvent::read_entry(kind, &mut map)
                        .map(|event| Shown::Event(Event::Inbox(event)));
                }
                if let Some(kind) = RoomEvent::kind_of(&name) {
                    return RoomEvent::read_entry(kind, &mut map)
                        .map(|event| Shown::Event(Event::Room(event)));
                }
                map.next_value::<IgnoredAny>()?;
                Ok(if name == "hidden" { Shown::Hidden } else { Shown::Unknown(name) })
            }
        }

        deserializer.deserialize_map(OneEntry)
    }
}

/// The tiles of a room that changed since the last tick.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TilesFrame {
    /// The room.
    pub to: Address,
    /// Which activation of the room counts `tick`.
    pub activation: Uuid,
    /// Number of the frame in this activation, growing.
    pub tick: u64,
    /// True when the tiles are all there are; false when they replace the same athletes' earlier tiles.
    pub full: bool,
    /// The tiles, most in need of the coach first.
    pub tiles: Vec<Tile>,
    /// Athletes who left the wall.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub gone: Vec<UserId>,
}

/// Soft news about a followed entity. Replaces what the same person sent under the same key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignalFrame {
    /// The entity.
    pub to: Address,
    /// What kind of news.
    pub key: SignalKey,
    /// The value, in units the key defines.
    pub value: i64,
    /// Who sent it.
    pub by: UserId,
    /// When the server received it.
    pub at: Timestamp,
}

/// A subscription ended, because the right to see the entity is gone. What was sent of it before still counts;
/// nothing follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Revoked {
    /// The entity.
    pub to: Address,
}

/// The server will close this socket.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GoAway {
    /// How long to wait before connecting again; different for each socket.
    pub delay_ms: Millis,
    /// Why, for a person.
    pub reason: String,
}

/// The answer to `ping`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pong {
    /// The server's clock.
    pub clock: Timestamp,
}
