//! A socket spoken by hand from the protocol crate alone, so that no client's kindness hides a fault.

#![allow(dead_code, unreachable_pub, reason = "each test uses its part")]

use std::time::{SystemTime, UNIX_EPOCH};

use futures_util::{SinkExt, StreamExt};
use spotter_protocol::{
    Actual, Address, ClientFrame, ClientId, Codec, Command, CommandFrame, CommandId, Complete, Hello,
    InstanceId, Load, LoadKind, Name, Place, Reps, ServerFrame, SetId, SetType, Subscribe, Timestamp, Unit,
    Version,
};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};
use uuid::Uuid;

/// One open socket.
pub struct Wire {
    stream: WebSocketStream<MaybeTlsStream<TcpStream>>,
    codec: Codec,
}

/// Why a socket is no more.
#[derive(Debug)]
pub struct Closed(pub Option<u16>);

impl Wire {
    /// Opens a socket and says hello. The next frame is the welcome.
    pub async fn open(
        url: &str,
        token: &str,
        client: ClientId,
        incarnation: Option<Uuid>,
    ) -> Result<Self, Closed> {
        let mut wire = Self::connect(url, Codec::MsgPack).await?;
        let hello =
            Hello { token: token.to_owned(), client, clock: now(), features: Vec::new(), incarnation };
        wire.send(ClientFrame::Hello(hello)).await?;
        Ok(wire)
    }

    /// Opens a socket and says nothing.
    pub async fn connect(url: &str, codec: Codec) -> Result<Self, Closed> {
        let mut request = url.into_client_request().unwrap();
        request.headers_mut().insert("sec-websocket-protocol", codec.subprotocol().parse().unwrap());
        let (stream, _) = tokio_tungstenite::connect_async(request).await.map_err(closed)?;
        Ok(Self { stream, codec })
    }

    /// The port this side of the socket has.
    pub fn port(&self) -> u16 {
        let MaybeTlsStream::Plain(stream) = self.stream.get_ref() else {
            unreachable!("nothing is encrypted")
        };
        stream.local_addr().unwrap().port()
    }

    pub async fn send(&mut self, frame: ClientFrame) -> Result<(), Closed> {
        let bytes = frame.encode(self.codec);
        self.send_raw(match self.codec {
            Codec::MsgPack => Message::Binary(bytes.into()),
            Codec::Json => Message::Text(String::from_utf8(bytes).unwrap().into()),
        })
        .await
    }

    /// Sends any message at all.
    pub async fn send_raw(&mut self, message: Message) -> Result<(), Closed> {
        self.stream.send(message).await.map_err(closed)
    }

    pub async fn subscribe(&mut self, req: u64, to: Address, since: Option<Version>) -> Result<(), Closed> {
        self.send(ClientFrame::Subscribe(Subscribe { req, to, since, view: None })).await
    }

    /// The next frame of the server.
    pub async fn next(&mut self) -> Result<ServerFrame, Closed> {
        loop {
            match self.stream.next().await {
                Some(Ok(Message::Binary(bytes))) if self.codec == Codec::MsgPack => {
                    return Ok(self.decode(&bytes));
                }
                Some(Ok(Message::Text(text))) if self.codec == Codec::Json => {
                    return Ok(self.decode(text.as_bytes()));
                }
                Some(Ok(Message::Close(frame))) => return Err(Closed(frame.map(|frame| frame.code.into()))),
                Some(Ok(_)) => {}
                Some(Err(error)) => return Err(closed(error)),
                None => return Err(Closed(None)),
            }
        }
    }

    fn decode(&self, bytes: &[u8]) -> ServerFrame {
        ServerFrame::decode(self.codec, bytes).expect("the server's frames decode")
    }
}

fn closed(_: Error) -> Closed {
    Closed(None)
}

/// A command that follows the one numbered just before it.
pub fn command(client: ClientId, n: u64, to: Address, command: impl Into<Command>) -> CommandFrame {
    let id = CommandId(Uuid::now_v7());
    CommandFrame { req: n, id, client, n, after: n - 1, at: now(), to, command: command.into() }
}

/// A set of eight at 60 kg, outside any plan.
pub fn a_set(instance: InstanceId) -> Complete {
    let place = Place {
        instance,
        exercise: "squat".parse().unwrap(),
        name: Name::clipped("Squat"),
        load_kind: LoadKind::External,
        set_type: SetType::Working,
    };
    let actual =
        Actual { load: Load::new(60_000, Unit::Kg).ok(), reps: Reps::new(8).ok(), ..Actual::default() };
    Complete { set: SetId(Uuid::now_v7()), actual, place: Some(place) }
}

#[expect(clippy::disallowed_methods, reason = "a client has a clock")]
pub fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    Timestamp(i64::try_from(since.as_micros()).unwrap())
}
