//! One connection: frames out, frames in, and a sign of life in silence.

use std::pin::Pin;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use spotter_protocol::{
    Address, ClientFrame, ClientId, CloseCode, Codec, DecodeError, Hello, Ping, SERVER_FRAME_BYTES_MAX,
    ServerFrame, Timestamp, Version, Welcome,
};
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep};
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{self, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};
use uuid::Uuid;

/// How long a server may take to welcome.
const WELCOME_TIMEOUT: Duration = Duration::from_secs(10);
/// Bytes read at once. Thousands of connections of one process stay small.
const READ_BUFFER_BYTES: usize = 4096;

/// Why a socket is no more.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Closed {
    /// The server closed it.
    #[error("closed by the server: {code} {reason}")]
    ByServer {
        /// The close code.
        code: u16,
        /// The server's words.
        reason: String,
    },
    /// It broke, or was never open.
    #[error("connection lost: {0}")]
    Lost(String),
    /// Nothing was heard for two and a half heartbeats.
    #[error("nothing heard from the server")]
    Silent,
    /// The server broke the protocol.
    #[error("the server broke the protocol: {0}")]
    Broken(String),
    /// The server left out or doubled versions of an entity. What was held of it is given up; the next
    /// connection asks for a snapshot.
    #[error("version {got:?} of {to} came after {held:?}")]
    Gap {
        /// The entity.
        to: Address,
        /// The version held.
        held: Version,
        /// The version that came.
        got: Version,
    },
    /// The sign-in cannot be renewed any more: sign in again.
    #[error("signed out")]
    SignedOut,
}

impl Closed {
    /// Whether the server closed it with this code.
    pub fn is(&self, asked: CloseCode) -> bool {
        matches!(self, Self::ByServer { code, .. } if *code == asked.number())
    }

    /// Whether another connection is worth trying.
    pub fn reconnects(&self) -> bool {
        match self {
            Self::ByServer { code, .. } => CloseCode::reconnects(*code),
            Self::Lost(_) | Self::Silent | Self::Gap { .. } => true,
            Self::Broken(_) | Self::SignedOut => false,
        }
    }
}

/// An open, welcomed socket.
pub struct Socket {
    stream: WebSocketStream<MaybeTlsStream<TcpStream>>,
    heartbeat: Duration,
    heard: Instant,
    said: Instant,
    /// Rings when silence may have lasted too long, and looks then: thousands of sockets move no timer with
    /// each frame.
    alarm: Pin<Box<Sleep>>,
    clock: fn() -> Timestamp,
}

impl Socket {
    /// Connects, says hello and waits for the welcome. `clock` is the device's.
    ///
    /// # Errors
    /// Why there is no connection.
    pub async fn open(
        url: &str,
        token: &str,
        client: ClientId,
        incarnation: Option<Uuid>,
        clock: fn() -> Timestamp,
    ) -> Result<(Self, Welcome), Closed> {
        let opening = async {
            let mut request = url.into_client_request().map_err(lost)?;
            let protocol = HeaderValue::from_static(Codec::MsgPack.subprotocol());
            request.headers_mut().insert("sec-websocket-protocol", protocol);
            let config = WebSocketConfig::default()
                .read_buffer_size(READ_BUFFER_BYTES)
                .max_message_size(Some(SERVER_FRAME_BYTES_MAX));
            let connected = tokio_tungstenite::connect_async_with_config(request, Some(config), true).await;
            let (stream, _) = connected.map_err(lost)?;
            let now = Instant::now();
            let alarm = Box::pin(tokio::time::sleep(WELCOME_TIMEOUT));
            let mut socket = Self { stream, heartbeat: WELCOME_TIMEOUT, heard: now, said: now, alarm, clock };
            let hello =
                Hello { token: token.to_owned(), client, clock: clock(), features: Vec::new(), incarnation };
            socket.send(&ClientFrame::Hello(hello)).await?;
            let first = socket.next().await?;
            let ServerFrame::Welcome(welcome) = first else {
                return Err(Closed::Broken(format!("{} before welcome", first.kind())));
            };
            socket.heartbeat = Duration::from_millis(welcome.limits.heartbeat_ms.0.into());
            socket.set_alarm();
            Ok((socket, welcome))
        };
        tokio::time::timeout(WELCOME_TIMEOUT, opening).await.unwrap_or(Err(Closed::Silent))
    }

    /// Sends a frame.
    ///
    /// # Errors
    /// When the socket is no more, or the server takes nothing for as long as it may be silent.
    pub async fn send(&mut self, frame: &ClientFrame) -> Result<(), Closed> {
        self.said = Instant::now();
        let sending = self.stream.send(Message::Binary(frame.encode(Codec::MsgPack).into()));
        match tokio::time::timeout(self.heartbeat * 5 / 2, sending).await {
            Ok(sent) => sent.map_err(lost),
            Err(_) => Err(Closed::Silent),
        }
    }

    /// The next frame. Pings in silence, and passes over kinds of frame that a newer server sends. Safe to
    /// cancel: no frame is lost.
    ///
    /// # Errors
    /// When the socket is no more.
    pub async fn next(&mut self) -> Result<ServerFrame, Closed> {
        loop {
            // What waits to be read was heard, however late it is read: so the stream is asked first.
            tokio::select! {
                biased;
                message = self.stream.next() => {
                    self.heard = Instant::now();
                    if self.heard >= self.speak_at() {
                        self.ping().await?;
                    }
                    if let Some(frame) = read(message)? {
                        return Ok(frame);
                    }
                }
                () = self.alarm.as_mut() => {
                    let now = Instant::now();
                    if now >= self.give_up_at() {
                        return Err(Closed::Silent);
                    }
                    if now >= self.speak_at() {
                        self.ping().await?;
                    }
                    self.set_alarm();
                }
            }
        }
    }

    async fn ping(&mut self) -> Result<(), Closed> {
        let ping = Ping { clock: (self.clock)() };
        self.send(&ClientFrame::Ping(ping)).await
    }

    fn set_alarm(&mut self) {
        let at = self.speak_at().min(self.give_up_at());
        self.alarm.as_mut().reset(at);
    }

    /// When the server would begin to miss a word from here.
    fn speak_at(&self) -> Instant {
        self.said + self.heartbeat * 4 / 5
    }

    /// When nothing will come any more.
    fn give_up_at(&self) -> Instant {
        self.heard + self.heartbeat * 5 / 2
    }

    /// Says goodbye.
    pub async fn close(mut self) {
        // The peer may be gone already.
        let _ = self.stream.close(None).await;
    }
}

/// The frame in a message, if it holds one that this client knows.
fn read(message: Option<Result<Message, tungstenite::Error>>) -> Result<Option<ServerFrame>, Closed> {
    match message {
        Some(Ok(Message::Binary(bytes))) => match ServerFrame::decode(Codec::MsgPack, &bytes) {
            Ok(frame) => Ok(Some(frame)),
            Err(DecodeError::UnknownKind { .. }) => Ok(None),
            Err(error @ (DecodeError::Scan(_) | DecodeError::Body { .. })) => {
                Err(Closed::Broken(error.to_string()))
            }
        },
        Some(Ok(Message::Close(frame))) => {
            let (code, reason) =
                frame.map_or((1005, String::new()), |frame| (frame.code.into(), frame.reason.to_string()));
            Err(Closed::ByServer { code, reason })
        }
        Some(Ok(Message::Text(_))) => Err(Closed::Broken("text on a MessagePack socket".to_owned())),
        Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => Ok(None),
        Some(Err(error)) => Err(lost(error)),
        None => Err(Closed::Lost("end of stream".to_owned())),
    }
}

#[expect(clippy::needless_pass_by_value, reason = "used as a function of map_err")]
fn lost(error: tungstenite::Error) -> Closed {
    Closed::Lost(error.to_string())
}
