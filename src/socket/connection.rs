//! One socket from its welcome to its close. One task reads, writes and keeps time; entities answer into
//! its send queue without waiting for it.

use std::collections::HashMap;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use axum::extract::ws::{CloseFrame, Message, Utf8Bytes, WebSocket};
use bytes::Bytes;
use futures_util::SinkExt;
use governor::clock::{Clock as _, DefaultClock};
use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};
use spotter_actors::{Answer, Ask, Here, ReplyTo};
use spotter_protocol::{
    Ack, Address, ClientFrame, ClientId, CloseCode, Codec, CommandFrame, DecodeError, ErrorCode, Fault,
    Hello, Limits, LiveSession, Millis, Ping, Pong, Reply, ServerFrame, SessionId, Subscribe, Token,
    Unsubscribe, Version, Welcome,
};
use tokio::time::Instant;
use tracing::{debug, info};

use super::queue::{Due, SendQueue};
use super::registry::Registered;
use super::subscription::Subscription;
use super::{Edge, Limited};
use crate::auth::{Caller, TokenError};
use crate::policy::Denied;

/// How long a new socket may take to say hello.
const HELLO_TIMEOUT: Duration = Duration::from_secs(5);
/// The longest one flush may take; a reader slower than this is closed.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(10);
/// How long after its token ran out a socket may still bring a new one.
const TOKEN_GRACE: Millis = Millis(30_000);
/// Silence after which the server pings.
const PING_AFTER: Duration = Duration::from_secs(20);
/// How often a connection looks at the time.
const TICK: Duration = Duration::from_secs(5);
/// How long a client waits that has too many commands under way.
const IN_FLIGHT_RETRY: Millis = Millis(100);

/// A socket that was welcomed.
struct Connection {
    edge: Arc<Edge>,
    caller: Caller,
    /// Server minus device clock, in microseconds.
    offset: i64,
    queue: Arc<SendQueue>,
    subscriptions: HashMap<Address, Subscription>,
    rate: DefaultDirectRateLimiter,
    in_flight: Arc<AtomicU32>,
    same_incarnation: bool,
    heard: Instant,
    pinged: bool,
    _here: Here,
    _registered: Registered,
}

/// Serves one socket until it is closed.
pub(super) async fn serve(mut socket: WebSocket, edge: Arc<Edge>, codec: Codec) {
    let connected = match tokio::time::timeout(HELLO_TIMEOUT, receive_hello(&mut socket, codec)).await {
        Ok(Ok(hello)) => Box::pin(welcome(hello, &edge, codec)).await,
        Ok(Err(code)) => Err(code),
        Err(_) => Err(CloseCode::Policy),
    };
    let code = match connected {
        Ok(connection) => {
            metrics::gauge!("spotter_ws_connections").increment(1);
            let code = connection.run(&mut socket).await;
            metrics::gauge!("spotter_ws_connections").decrement(1);
            code
        }
        Err(code) => Some(code),
    };
    if let Some(code) = code {
        metrics::counter!("spotter_ws_closes_total", "code" => code.number().to_string()).increment(1);
        let frame = CloseFrame { code: code.number(), reason: Utf8Bytes::from_static(code.reason()) };
        // The peer may be gone already.
        let _ = tokio::time::timeout(FLUSH_TIMEOUT, socket.send(Message::Close(Some(frame)))).await;
    }
}

async fn receive_hello(socket: &mut WebSocket, codec: Codec) -> Result<Hello, CloseCode> {
    loop {
        let bytes = match socket.recv().await {
            Some(Ok(message)) => match data_of(message, codec)? {
                Some(bytes) => bytes,
                None => continue,
            },
            Some(Err(_)) | None => return Err(CloseCode::Normal),
        };
        return match ClientFrame::decode(codec, &bytes) {
            Ok(ClientFrame::Hello(hello)) => Ok(hello),
            Ok(_) => Err(CloseCode::Policy),
            Err(_) => Err(CloseCode::Protocol),
        };
    }
}

/// The bytes of a data message; none for pings and pongs.
fn data_of(message: Message, codec: Codec) -> Result<Option<Bytes>, CloseCode> {
    match (message, codec) {
        (Message::Binary(bytes), Codec::MsgPack) => Ok(Some(bytes)),
        (Message::Text(text), Codec::Json) => Ok(Some(text.into())),
        (Message::Binary(_), Codec::Json) | (Message::Text(_), Codec::MsgPack) => Err(CloseCode::WrongData),
        (Message::Ping(_) | Message::Pong(_), _) => Ok(None),
        (Message::Close(_), _) => Err(CloseCode::Normal),
    }
}

async fn welcome(hello: Hello, edge: &Arc<Edge>, codec: Codec) -> Result<Connection, CloseCode> {
    let now = edge.engine.clock().now();
    let caller = edge.tokens.verify(&hello.token, now).map_err(|error| match error {
        TokenError::Expired => CloseCode::TokenExpired,
        TokenError::Invalid => CloseCode::Forbidden,
    })?;
    let queue = Arc::new(SendQueue::new(codec, edge.limits.send_queue_bytes));
    let registered = edge.registry.admit(&queue).ok_or(CloseCode::Overloaded)?;
    let journal = edge.engine.journal();
    let running = journal.running(caller.gym, &[caller.user]).await.map_err(|error| {
        info!(%error, "no welcome without the store");
        CloseCode::Overloaded
    })?;
    let session = |(address, v): (Address, Version)| LiveSession { session: SessionId(address.id), v };
    let incarnation = journal.incarnation();
    queue.send(&ServerFrame::Welcome(Welcome {
        user: caller.user,
        gym: caller.gym,
        role: caller.role,
        incarnation,
        clock: now,
        limits: edge.limits.told(),
        sessions: running.into_iter().map(session).collect(),
    }));
    debug!(user = %caller.user, client = %hello.client, "socket welcomed");
    Ok(Connection {
        edge: Arc::clone(edge),
        offset: now.micros_since(hello.clock),
        queue,
        subscriptions: HashMap::new(),
        rate: RateLimiter::direct(edge.limits.quota()),
        in_flight: Arc::default(),
        same_incarnation: hello.incarnation == Some(incarnation),
        heard: Instant::now(),
        pinged: false,
        _here: edge.engine.people().arrive(caller.user),
        _registered: registered,
        caller,
    })
}

impl Connection {
    /// Reads, writes and keeps time until the socket ends; answers the code to close it with.
    async fn run(mut self, socket: &mut WebSocket) -> Option<CloseCode> {
        let queue = Arc::clone(&self.queue);
        let mut tick = pin!(tokio::time::sleep(TICK));
        loop {
            let next = tokio::select! {
                due = queue.due() => write(socket, due, queue.codec()).await,
                message = socket.recv() => match message {
                    Some(Ok(message)) => {
                        self.heard = Instant::now();
                        self.pinged = false;
                        match data_of(message, queue.codec()) {
                            // Boxed, because an idle connection keeps the room its largest request needs.
                            Ok(Some(bytes)) => Box::pin(self.take(&bytes)).await,
                            Ok(None) => Ok(()),
                            Err(code) => Err(Some(code)),
                        }
                    }
                    Some(Err(error)) => Err(broken(&error)),
                    None => Err(None),
                },
                () = &mut tick => {
                    tick.as_mut().reset(Instant::now() + TICK);
                    self.keep_time(socket).await
                }
            };
            if let Err(code) = next {
                return code;
            }
        }
    }

    async fn keep_time(&mut self, socket: &mut WebSocket) -> Result<(), Option<CloseCode>> {
        if self.edge.engine.clock().now() > self.caller.expires_at.plus(TOKEN_GRACE) {
            return Err(Some(CloseCode::TokenExpired));
        }
        let silence = self.heard.elapsed();
        if silence > self.edge.limits.idle_max() {
            return Err(Some(CloseCode::Idle));
        }
        if silence > PING_AFTER && !self.pinged {
            self.pinged = true;
            let ping = socket.send(Message::Ping(Bytes::new()));
            return tokio::time::timeout(FLUSH_TIMEOUT, ping)
                .await
                .map_or(Err(Some(CloseCode::TooSlow)), |sent| sent.map_err(|_| None));
        }
        Ok(())
    }

    /// Serves one frame. An error closes the socket.
    async fn take(&mut self, bytes: &[u8]) -> Result<(), Option<CloseCode>> {
        let frame = match ClientFrame::decode(self.queue.codec(), bytes) {
            Ok(frame) => frame,
            Err(error @ DecodeError::Scan(_)) => {
                debug!(%error, "frame refused unread");
                return Err(Some(CloseCode::Protocol));
            }
            Err(error) => {
                self.refuse(error.req(), Fault::saying(error.code(), error.to_string()));
                return Ok(());
            }
        };
        metrics::counter!("spotter_ws_messages_total", "dir" => "in", "type" => frame.kind()).increment(1);
        match frame {
            ClientFrame::Command(command) => self.command(command).await,
            ClientFrame::Subscribe(subscribe) => self.subscribe(subscribe).await,
            ClientFrame::Unsubscribe(Unsubscribe { req, to }) => {
                self.subscriptions.remove(&to);
                self.reply(Reply::ok(req, Version(0)));
            }
            ClientFrame::Ack(ack) => self.acknowledged(&ack),
            ClientFrame::Token(token) => return self.renew(&token),
            ClientFrame::Ping(Ping { clock }) => {
                let now = self.edge.engine.clock().now();
                self.offset = now.micros_since(clock);
                self.queue.send(&ServerFrame::Pong(Pong { clock: now }));
            }
            ClientFrame::Signal(_) => self.refuse(None, Fault::new(ErrorCode::Unsupported)),
            ClientFrame::Hello(_) => return Err(Some(CloseCode::Policy)),
        }
        Ok(())
    }

    async fn command(&mut self, frame: CommandFrame) {
        let req = frame.req;
        let received_at = self.edge.engine.clock().now();
        if let Err(not_until) = self.rate.check() {
            let wait = not_until.wait_time_from(DefaultClock::default().now());
            metrics::counter!("spotter_ratelimited_total", "scope" => "connection").increment(1);
            return self.refuse(Some(req), Fault::retry(ErrorCode::Busy, millis(wait)));
        }
        if self.in_flight.load(Ordering::Relaxed) >= self.edge.limits.in_flight {
            return self.refuse(Some(req), Fault::retry(ErrorCode::Busy, IN_FLIGHT_RETRY));
        }
        if frame.client == ClientId::SERVER {
            return self
                .refuse(Some(req), Fault::saying(ErrorCode::BadFrame, "that client id is the server's own"));
        }
        if let Err(denied) = self.edge.policy.may_send(&self.caller, frame.to, &frame.command).await {
            return self.refuse(Some(req), fault_of(denied));
        }
        self.in_flight.fetch_add(1, Ordering::Relaxed);
        let (queue, in_flight) = (Arc::clone(&self.queue), Arc::clone(&self.in_flight));
        let kind = frame.command.kind().as_str();
        let begun = Instant::now();
        let reply = ReplyTo::new(move |answer: Answer| {
            in_flight.fetch_sub(1, Ordering::Relaxed);
            metrics::histogram!("spotter_op_ack_duration_seconds", "op" => kind).record(begun.elapsed());
            queue.send(&ServerFrame::Reply(match answer {
                Ok(done) => Reply { repeat: done.repeat, ..Reply::ok(req, done.version) },
                Err(fault) => Reply::refused(Some(req), fault),
            }));
        });
        self.edge.engine.dispatch(Ask::new(
            self.caller.gym,
            self.caller.user,
            frame,
            self.offset,
            received_at,
            reply,
        ));
    }

    async fn subscribe(&mut self, Subscribe { req, to, since, view }: Subscribe) {
        if self.subscriptions.len() >= self.edge.limits.subscriptions as usize
            && !self.subscriptions.contains_key(&to)
        {
            return self
                .refuse(Some(req), Fault::saying(ErrorCode::Busy, "too many subscriptions on this socket"));
        }
        let view = match self.edge.policy.may_view(&self.caller, to, view).await {
            Ok(view) => view,
            Err(denied) => return self.refuse(Some(req), fault_of(denied)),
        };
        // One of the same entity ends before the next begins, so that no version comes twice.
        self.subscriptions.remove(&to);
        let since = since.filter(|_| self.same_incarnation);
        match Subscription::begin(&self.edge.engine, &self.queue, self.caller.gym, to, since, view).await {
            Ok((subscription, version)) => {
                self.subscriptions.insert(to, subscription);
                self.reply(Reply::ok(req, version));
            }
            Err(fault) => self.refuse(Some(req), fault),
        }
    }

    /// Notes how far the client is behind what was sent to it.
    fn acknowledged(&self, ack: &Ack) {
        for (address, seen) in &ack.seen {
            if let Some(sent) = self.subscriptions.get(address).and_then(Subscription::sent) {
                let behind = sent.0.saturating_sub(seen.0);
                metrics::histogram!("spotter_ws_ack_behind_versions").record(behind as f64);
            }
        }
    }

    fn renew(&mut self, Token { req, token }: &Token) -> Result<(), Option<CloseCode>> {
        match self.edge.tokens.verify(token, self.edge.engine.clock().now()) {
            Ok(caller) if caller.user == self.caller.user && caller.gym == self.caller.gym => {
                self.caller = caller;
                self.reply(Reply::ok(*req, Version(0)));
                Ok(())
            }
            Ok(_) | Err(TokenError::Invalid) => Err(Some(CloseCode::Forbidden)),
            Err(TokenError::Expired) => {
                self.refuse(Some(*req), Fault::new(ErrorCode::Unauthenticated));
                Ok(())
            }
        }
    }

    fn reply(&self, reply: Reply) {
        self.queue.send(&ServerFrame::Reply(reply));
    }

    fn refuse(&self, req: Option<u64>, fault: Fault) {
        self.reply(Reply::refused(req, fault));
    }
}

/// Writes what is due with one flush.
async fn write(socket: &mut WebSocket, due: Due, codec: Codec) -> Result<(), Option<CloseCode>> {
    let all = async {
        for frame in due.frames {
            socket.feed(message(frame, codec)).await?;
        }
        socket.flush().await
    };
    match tokio::time::timeout(FLUSH_TIMEOUT, all).await {
        Ok(Ok(())) => due.close.map_or(Ok(()), |code| Err(Some(code))),
        Ok(Err(_)) => Err(None),
        Err(_) => Err(Some(CloseCode::TooSlow)),
    }
}

fn message(frame: Bytes, codec: Codec) -> Message {
    match codec {
        Codec::MsgPack => Message::Binary(frame),
        // What this server encodes as JSON is UTF-8; were it not, an empty text would say so plainly.
        Codec::Json => Message::Text(Utf8Bytes::try_from(frame).unwrap_or_default()),
    }
}

/// The code for an error of the socket itself.
fn broken(error: &axum::Error) -> Option<CloseCode> {
    let text = error.to_string();
    debug!(error = %text, "socket broke");
    text.contains("too long").then_some(CloseCode::TooBig)
}

fn fault_of(denied: Denied) -> Fault {
    match denied {
        Denied::NotFound => Fault::new(ErrorCode::NotFound),
        Denied::Unavailable => Fault::new(ErrorCode::Unavailable),
    }
}

fn millis(wait: Duration) -> Millis {
    Millis(u32::try_from(wait.as_millis()).unwrap_or(u32::MAX).max(1))
}

impl Limited {
    /// The limits as `welcome` tells them.
    pub(super) fn told(&self) -> Limits {
        Limits {
            frame_bytes: u32::try_from(spotter_protocol::FRAME_BYTES_MAX).unwrap_or(u32::MAX),
            commands_per_s: self.commands_per_s.get(),
            commands_burst: self.commands_burst.get(),
            in_flight: self.in_flight,
            subscriptions: self.subscriptions,
            heartbeat_ms: millis(self.heartbeat),
        }
    }

    fn quota(&self) -> Quota {
        Quota::per_second(self.commands_per_s).allow_burst(self.commands_burst)
    }

    /// Silence after which a socket is closed: two heartbeats and a half.
    fn idle_max(&self) -> Duration {
        self.heartbeat * 5 / 2
    }
}
