//! The other side of a device, as small as a test needs it: it accepts one connection at a time, speaks the
//! protocol crate on sockets, and answers one request over HTTP with what the test says.

use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use spotter_client::{Api, Device, Gym, Me, News, Pass};
use spotter_protocol::{
    ClientFrame, CloseCode, Codec, CommandFrame, Fault, GymId, Hello, Limits, Millis, Reply, Role,
    ServerFrame, Subscribe, Timestamp, UserId, Version, Welcome,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::server::{ErrorResponse, Request, Response};
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use uuid::Uuid;

/// How long a test waits for what must come.
const SOON: Duration = Duration::from_secs(5);

pub(crate) const ME: UserId = UserId(Uuid::from_u128(1));

pub(crate) struct House {
    listener: TcpListener,
    pub(crate) heartbeat: Millis,
    pub(crate) incarnation: Uuid,
}

/// A connection whose hello was heard and answered.
pub(crate) struct Guest {
    stream: WebSocketStream<TcpStream>,
    pub(crate) hello: Hello,
}

impl House {
    pub(crate) async fn open() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        Self { listener, heartbeat: Millis(20_000), incarnation: Uuid::from_u128(7) }
    }

    pub(crate) fn base(&self) -> String {
        format!("http://{}", self.listener.local_addr().expect("an address"))
    }

    /// A device on its way here, whose token lives for `life_s` seconds.
    pub(crate) fn device(&self, life_s: u32) -> (Device, mpsc::Receiver<News>) {
        Device::start(Api::new(&self.base()), a_pass("first", life_s), || Timestamp(0))
    }

    /// Lets the next connection in and welcomes it.
    pub(crate) async fn welcome(&self) -> Guest {
        let mut guest = self.let_in().await;
        let limits = Limits {
            frame_bytes: 65_536,
            commands_per_s: 100,
            commands_burst: 100,
            in_flight: 64,
            subscriptions: 64,
            heartbeat_ms: self.heartbeat,
        };
        let (gym, incarnation) = (GymId(Uuid::from_u128(2)), self.incarnation);
        let (clock, sessions) = (Timestamp(0), Vec::new());
        let welcome = Welcome { user: ME, gym, role: Role::Athlete, incarnation, clock, limits, sessions };
        guest.say(ServerFrame::Welcome(welcome)).await;
        guest
    }

    /// Lets the next connection in and hears its hello.
    pub(crate) async fn let_in(&self) -> Guest {
        let (stream, _) = soon(self.listener.accept()).await.expect("a connection");
        #[expect(clippy::result_large_err, reason = "the form the handshake asks for")]
        let speak = |_: &Request, mut answer: Response| -> Result<Response, ErrorResponse> {
            let protocol = HeaderValue::from_static(Codec::MsgPack.subprotocol());
            answer.headers_mut().insert("sec-websocket-protocol", protocol);
            Ok(answer)
        };
        let stream = soon(tokio_tungstenite::accept_hdr_async(stream, speak)).await.expect("an upgrade");
        let hello = Hello {
            token: String::new(),
            client: spotter_protocol::ClientId(Uuid::nil()),
            clock: Timestamp(0),
            features: Vec::new(),
            incarnation: None,
        };
        let mut guest = Guest { stream, hello };
        let ClientFrame::Hello(hello) = guest.hear().await else { panic!("no hello") };
        guest.hello = hello;
        guest
    }

    /// Answers the next request over HTTP; returns it.
    pub(crate) async fn answer(&self, status: &str, body: &str) -> String {
        let (mut stream, _) = soon(self.listener.accept()).await.expect("a connection");
        let mut request = Vec::new();
        while !is_whole(&request) {
            let mut part = [0; 1024];
            let read = soon(stream.read(&mut part)).await.expect("a request");
            assert_ne!(read, 0, "the request ends early");
            request.extend_from_slice(&part[..read]);
        }
        let length = body.len();
        let head = format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n");
        stream.write_all((head + body).as_bytes()).await.expect("the device listens");
        String::from_utf8(request).expect("a request of text")
    }
}

/// Whether a request has come with all of its body.
fn is_whole(request: &[u8]) -> bool {
    let text = String::from_utf8_lossy(request);
    let Some((head, body)) = text.split_once("\r\n\r\n") else { return false };
    let head = head.to_ascii_lowercase();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
    body.len() >= length.map_or(0, |length| length.parse().expect("a length"))
}

impl Guest {
    pub(crate) async fn hear(&mut self) -> ClientFrame {
        loop {
            let message = soon(self.stream.next()).await.expect("the device hung up").expect("a frame");
            if let Message::Binary(bytes) = message {
                return ClientFrame::decode(Codec::MsgPack, &bytes).expect("a frame");
            }
        }
    }

    pub(crate) async fn hear_command(&mut self) -> CommandFrame {
        let ClientFrame::Command(command) = self.hear().await else { panic!("no command") };
        command
    }

    pub(crate) async fn hear_subscribe(&mut self) -> Subscribe {
        let ClientFrame::Subscribe(subscribe) = self.hear().await else { panic!("no subscription") };
        subscribe
    }

    pub(crate) async fn say(&mut self, frame: ServerFrame) {
        self.say_bytes(frame.encode(Codec::MsgPack)).await;
    }

    pub(crate) async fn say_bytes(&mut self, bytes: Vec<u8>) {
        self.stream.send(Message::Binary(bytes.into())).await.expect("the device listens");
    }

    pub(crate) async fn accept(&mut self, req: u64, v: u64) {
        self.say(ServerFrame::Reply(Reply::ok(req, Version(v)))).await;
    }

    pub(crate) async fn refuse(&mut self, req: u64, fault: impl Into<Fault>) {
        self.say(ServerFrame::Reply(Reply::refused(Some(req), fault))).await;
    }

    pub(crate) async fn close(mut self, code: CloseCode) {
        let frame = CloseFrame { code: code.number().into(), reason: code.reason().into() };
        self.stream.close(Some(frame)).await.expect("the device listens");
        // The device answers the close, or has hung up.
        while let Ok(Some(Ok(_))) = tokio::time::timeout(SOON, self.stream.next()).await {}
    }
}

pub(crate) fn a_pass(access_token: &str, expires_in: u32) -> Pass {
    let gym = Gym { id: GymId(Uuid::from_u128(2)), slug: "iron".to_owned(), name: "Iron".to_owned() };
    let (name, email) = ("Ana".to_owned(), "ana@iron.example".to_owned());
    let user = Me { id: ME, name, email, role: Role::Athlete, gym };
    Pass { access_token: access_token.to_owned(), expires_in, refresh_token: "again".to_owned(), user }
}

/// What comes soon; a test that waits longer has failed.
pub(crate) async fn soon<T>(what: impl Future<Output = T>) -> T {
    tokio::time::timeout(SOON, what).await.expect("nothing came in five seconds")
}
