//! One connection: frames out, frames in, and a sign of life in silence.

use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use spotter_protocol::{
    ClientFrame, ClientId, CloseCode, Codec, Hello, Ping, SERVER_FRAME_BYTES_MAX, ServerFrame, Timestamp,
    Welcome,
};
use tokio::net::TcpStream;
use tokio::time::Instant;
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
}

impl Closed {
    /// Whether another connection is worth trying.
    pub fn reconnects(&self) -> bool {
        match self {
            Self::ByServer { code, .. } => CloseCode::reconnects(*code),
            Self::Lost(_) | Self::Silent => true,
            Self::Broken(_) => false,
        }
    }
}

/// An open, welcomed socket.
pub struct Socket {
    stream: WebSocketStream<MaybeTlsStream<TcpStream>>,
    heartbeat: Duration,
    heard: Instant,
    said: Instant,
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
            let mut socket = Self { stream, heartbeat: WELCOME_TIMEOUT, heard: now, said: now, clock };
            let hello =
                Hello { token: token.to_owned(), client, clock: clock(), features: Vec::new(), incarnation };
            socket.send(&ClientFrame::Hello(hello)).await?;
            let first = socket.next().await?;
            let ServerFrame::Welcome(welcome) = first else {
                return Err(Closed::Broken(format!("{} before welcome", first.kind())));
            };
            socket.heartbeat = Duration::from_millis(welcome.limits.heartbeat_ms.0.into());
            Ok((socket, welcome))
        };
        tokio::time::timeout(WELCOME_TIMEOUT, opening).await.unwrap_or(Err(Closed::Silent))
    }

    /// Sends a frame.
    ///
    /// # Errors
    /// When the socket is no more.
    pub async fn send(&mut self, frame: &ClientFrame) -> Result<(), Closed> {
        self.said = Instant::now();
        self.stream.send(Message::Binary(frame.encode(Codec::MsgPack).into())).await.map_err(lost)
    }

    /// The next frame. Pings in silence. Safe to cancel: no frame is lost.
    ///
    /// # Errors
    /// When the socket is no more.
    pub async fn next(&mut self) -> Result<ServerFrame, Closed> {
        loop {
            let give_up = self.heard + self.heartbeat * 5 / 2;
            let speak = self.said + self.heartbeat * 4 / 5;
            tokio::select! {
                message = self.stream.next() => {
                    self.heard = Instant::now();
                    match message {
                        Some(Ok(Message::Binary(bytes))) => {
                            let frame = ServerFrame::decode(Codec::MsgPack, &bytes);
                            return frame.map_err(|error| Closed::Broken(error.to_string()));
                        }
                        Some(Ok(Message::Close(frame))) => {
                            let (code, reason) = frame.map_or((1005, String::new()), |frame| {
                                (frame.code.into(), frame.reason.to_string())
                            });
                            return Err(Closed::ByServer { code, reason });
                        }
                        Some(Ok(_)) => {}
                        Some(Err(error)) => return Err(lost(error)),
                        None => return Err(Closed::Lost("end of stream".to_owned())),
                    }
                }
                () = tokio::time::sleep_until(speak) => {
                    let ping = Ping { clock: (self.clock)() };
                    self.send(&ClientFrame::Ping(ping)).await?;
                }
                () = tokio::time::sleep_until(give_up) => return Err(Closed::Silent),
            }
        }
    }

    /// Says goodbye.
    pub async fn close(mut self) {
        // The peer may be gone already.
        let _ = self.stream.close(None).await;
    }
}

#[expect(clippy::needless_pass_by_value, reason = "used as a function of map_err")]
fn lost(error: tungstenite::Error) -> Closed {
    Closed::Lost(error.to_string())
}
