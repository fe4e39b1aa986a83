//! One socket from its welcome to its close. One task reads, writes and keeps time; entities answer into
//! its send queue without waiting for it.

use std::collections::HashMap;
use std::future::poll_fn;
use std::num::NonZeroU32;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use axum::extract::ws::{CloseFrame, Message, Utf8Bytes, WebSocket};
use bytes::Bytes;
use futures_util::{Sink, SinkExt};
use governor::clock::{Clock as _, DefaultClock};
use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};
use spotter_actors::{Answer, Ask, Here, Publication, ReplyTo, SignalNews};
use spotter_protocol::{
    Ack, Address, ClientFrame, ClientId, CloseCode, Codec, CommandFrame, DecodeError, ErrorCode, Fault,
    Hello, Limits, LiveSession, Millis, Ping, Pong, Reply, Revoked, ServerFrame, SessionId, Signal,
    SignalFrame, SignalKey, Subscribe, Token, Unsubscribe, Version, View, Welcome,
};
use tokio::sync::Notify;
use tokio::time::Instant;
use tracing::{debug, info};

use super::queue::{SendQueue, Shows};
use super::registry::Registered;
use super::subscription::Subscription;
use super::{Edge, Limited};
use crate::auth::{Caller, TokenError};
use crate::policy::{Denied, Standing};

/// How long a new socket may take to say hello.
const HELLO_TIMEOUT: Duration = Duration::from_secs(5);
/// The longest one flush may take; a reader slower than this is closed.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(10);
/// How long after its token ran out a socket may still bring a new one.
const TOKEN_GRACE: Millis = Millis(30_000);
/// Signals of one key a second that are passed on.
const SIGNALS_PER_S: NonZeroU32 = NonZeroU32::new(5).unwrap();
/// How long a client waits that has too many commands under way.
const IN_FLIGHT_RETRY: Millis = Millis(100);

/// A socket that was welcomed.
struct Connection {
    edge: Arc<Edge>,
    caller: Caller,
    /// Server minus device clock, in microseconds.
    offset: i64,
    queue: Arc<SendQueue>,
    subscriptions: HashMap<Address, Followed>,
    rate: DefaultDirectRateLimiter,
    signal_rates: SignalRates,
    in_flight: Arc<AtomicU32>,
    same_incarnation: bool,
    heard: Instant,
    pinged: bool,
    _here: Here,
    registered: Registered,
}

/// How many signals of each key came of late; a limiter is made with the first of its key.
#[derive(Default)]
struct SignalRates(Vec<(SignalKey, DefaultDirectRateLimiter)>);

impl SignalRates {
    fn lets_through(&mut self, key: SignalKey) -> bool {
        let place = self.0.iter().position(|(known, _)| *known == key).unwrap_or_else(|| {
            self.0.push((key, RateLimiter::direct(Quota::per_second(SIGNALS_PER_S))));
            self.0.len() - 1
        });
        self.0[place].1.check().is_ok()
    }
}

/// An entity that is followed.
struct Followed {
    subscription: Subscription,
    /// The view that was asked for; none for the widest.
    wanted: Option<View>,
}

/// Serves one socket until it is closed. What is boxed here and below is not kept by a connection at rest, which keeps
/// the room that its largest step needs.
pub(super) async fn serve(socket: &mut WebSocket, edge: Arc<Edge>, codec: Codec) {
    let code = match Box::pin(admit(socket, &edge, codec)).await {
        Ok(mut connection) => {
            metrics::gauge!("spotter_ws_connections").increment(1);
            let code = connection.run(socket).await;
            metrics::gauge!("spotter_ws_connections").decrement(1);
            code
        }
        Err(code) => Some(code),
    };
    if let Some(code) = code {
        metrics::counter!("spotter_ws_closes_total", "code" => code.number().to_string()).increment(1);
        let frame = CloseFrame { code: code.number(), reason: Utf8Bytes::from_static(code.reason()) };
        // The peer may be gone already.
        let _ = Box::pin(tokio::time::timeout(FLUSH_TIMEOUT, socket.send(Message::Close(Some(frame))))).await;
    }
}

/// Waits for the hello, and welcomes who says it in time.
async fn admit(socket: &mut WebSocket, edge: &Arc<Edge>, codec: Codec) -> Result<Box<Connection>, CloseCode> {
    let hello = tokio::time::timeout(HELLO_TIMEOUT, receive_hello(socket, codec)).await;
    welcome(hello.unwrap_or(Err(CloseCode::Policy))?, edge, codec).await.map(Box::new)
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
    let registered = edge.registry.admit(caller.gym, &queue).ok_or(CloseCode::Overloaded)?;
    // Only now: a change that comes after this look finds the socket in the registry.
    stands(edge, &caller).await?;
    let journal = edge.engine.journal();
    let running = journal.running(caller.gym, &[caller.user]).await.map_err(|error| {
        info!(%error, "no welcome without the store");
        CloseCode::Overloaded
    })?;
    let session = |(address, v): (Address, Version)| LiveSession { session: SessionId(address.id), v };
    let incarnation = journal.incarnation();
    let welcome = Welcome {
        user: caller.user,
        gym: caller.gym,
        role: caller.role,
        incarnation,
        clock: now,
        limits: edge.limits.told(),
        sessions: running.into_iter().map(session).collect(),
    };
    queue.send(Shows::Nothing, &ServerFrame::Welcome(welcome));
    debug!(user = %caller.user, client = %hello.client, "socket welcomed");
    Ok(Connection {
        edge: Arc::clone(edge),
        offset: now.micros_since(hello.clock),
        queue,
        subscriptions: HashMap::new(),
        rate: RateLimiter::direct(edge.limits.quota()),
        signal_rates: SignalRates::default(),
        in_flight: Arc::default(),
        same_incarnation: hello.incarnation == Some(incarnation),
        heard: Instant::now(),
        pinged: false,
        _here: edge.engine.people().arrive(caller.user),
        registered,
        caller,
    })
}

/// Whether the account is still what the token says; the code to close with when it is not.
async fn stands(edge: &Edge, caller: &Caller) -> Result<(), CloseCode> {
    match edge.policy.standing(caller).await {
        Ok(Standing::Good) => Ok(()),
        Ok(Standing::OtherRole) => Err(CloseCode::TokenExpired),
        Ok(Standing::SignedOut) => Err(CloseCode::Forbidden),
        Err(Denied::Unavailable | Denied::NotFound) => Err(CloseCode::Overloaded),
    }
}

impl Connection {
    /// Reads, writes and keeps time until the socket ends; answers the code to close it with.
    async fn run(&mut self, socket: &mut WebSocket) -> Option<CloseCode> {
        let queue = Arc::clone(&self.queue);
        let judge = self.registered.judge();
        let mut alarm = pin!(tokio::time::sleep(Duration::ZERO));
        loop {
            let next = tokio::select! {
                () = judge.notified() => Box::pin(self.judge_again()).await,
                () = queue.due() => self.write(socket, &judge).await,
                message = socket.recv(), if queue.takes_requests() => match message {
                    Some(Ok(message)) => {
                        self.heard = Instant::now();
                        self.pinged = false;
                        match data_of(message, queue.codec()) {
                            Ok(Some(bytes)) => Box::pin(self.take(&bytes)).await,
                            Ok(None) => Ok(()),
                            Err(code) => Err(Some(code)),
                        }
                    }
                    Some(Err(error)) => Err(broken(&error)),
                    None => Err(None),
                },
                () = &mut alarm => {
                    Box::pin(self.keep_time(socket)).await.map(|next| alarm.as_mut().reset(next))
                }
            };
            if let Err(code) = next {
                return code;
            }
        }
    }

    /// Writes what is due with one flush. Rights that change meanwhile are judged first, so that what a reader who
    /// does not read must not see is taken back and not kept for later.
    async fn write(&mut self, socket: &mut WebSocket, judge: &Notify) -> Result<(), Option<CloseCode>> {
        let queue = Arc::clone(&self.queue);
        let mut written = pin!(tokio::time::timeout(FLUSH_TIMEOUT, flush(socket, &queue)));
        loop {
            tokio::select! {
                biased;
                () = judge.notified() => Box::pin(self.judge_again()).await?,
                written = &mut written => return match written {
                    Ok(Ok(())) => queue.closing().map_or(Ok(()), |code| Err(Some(code))),
                    Ok(Err(_)) => Err(None),
                    Err(_) => Err(Some(CloseCode::TooSlow)),
                },
            }
        }
    }

    /// Judges again, by the rights there are now, whatever was judged before. An error closes the socket: also
    /// when the rights cannot be read, for nothing is shown on rights that nobody knows.
    async fn judge_again(&mut self) -> Result<(), Option<CloseCode>> {
        stands(&self.edge, &self.caller).await.map_err(Some)?;
        let shown = self.subscriptions.iter().map(|(to, followed)| (*to, followed.wanted));
        for (to, wanted) in shown.collect::<Vec<_>>() {
            match self.view_now(to, wanted).await {
                Ok(view) => self.show_in(to, view, wanted).await?,
                Err(Denied::NotFound) => self.revoke(to),
                Err(Denied::Unavailable) => return Err(Some(CloseCode::Overloaded)),
            }
        }
        Ok(())
    }

    /// The view the caller may have of what they follow: the one they wanted, or the widest below it.
    async fn view_now(&self, to: Address, wanted: Option<View>) -> Result<View, Denied> {
        match self.edge.policy.may_view(&self.caller, to, wanted).await {
            Err(Denied::NotFound) if wanted.is_some() => {
                self.edge.policy.may_view(&self.caller, to, None).await
            }
            judged => judged,
        }
    }

    /// Goes on showing an entity, from its state on when it is shown in another view than before.
    async fn show_in(
        &mut self,
        to: Address,
        view: View,
        wanted: Option<View>,
    ) -> Result<(), Option<CloseCode>> {
        let Some(followed) = self.subscriptions.get_mut(&to) else { return Ok(()) };
        if followed.subscription.view() == view {
            followed.subscription.tile_anew();
            return Ok(());
        }
        self.subscriptions.remove(&to);
        self.queue.discard(to);
        match Subscription::begin(&self.edge.engine, &self.queue, self.caller.gym, to, None, view).await {
            Ok((subscription, _)) => {
                self.subscriptions.insert(to, Followed { subscription, wanted });
                Ok(())
            }
            Err(_) => Err(Some(CloseCode::Overloaded)),
        }
    }

    /// Ends a subscription and takes back what waits of it.
    fn revoke(&mut self, to: Address) {
        self.subscriptions.remove(&to);
        self.queue.discard(to);
        metrics::counter!("spotter_ws_revoked_total").increment(1);
        self.queue.send(Shows::Nothing, &ServerFrame::Revoked(Revoked { to }));
    }

    /// Looks at the time, and answers when to look again: a frame moves no alarm, and one that rings too soon finds
    /// nothing to do. Who says nothing for a heartbeat is pinged, and who answers that, again after the next: no look is
    /// further away than that.
    async fn keep_time(&mut self, socket: &mut WebSocket) -> Result<Instant, Option<CloseCode>> {
        let ends_at = self.caller.expires_at.plus(TOKEN_GRACE);
        let left = u64::try_from(ends_at.micros_since(self.edge.engine.clock().now())).unwrap_or(0);
        if left == 0 {
            return Err(Some(CloseCode::TokenExpired));
        }
        let (silence, limits) = (self.heard.elapsed(), &self.edge.limits);
        let (heartbeat, idle_max) = (limits.heartbeat, limits.idle_max());
        if silence >= idle_max {
            return Err(Some(CloseCode::Idle));
        }
        // The answer to the last ping came a moment after it: that moment is not waited for.
        if silence + heartbeat / 16 >= heartbeat && !self.pinged {
            self.pinged = true;
            let ping = socket.send(Message::Ping(Bytes::new()));
            let sent = tokio::time::timeout(FLUSH_TIMEOUT, ping).await;
            sent.map_err(|_| Some(CloseCode::TooSlow))?.map_err(|_| None)?;
        }
        let silent_until = self.heard + if self.pinged { idle_max } else { heartbeat };
        Ok(silent_until.min(Instant::now() + heartbeat.min(Duration::from_micros(left))))
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
        self.edge.meters.received(frame.kind()).increment(1);
        match frame {
            ClientFrame::Command(command) => self.command(command).await,
            ClientFrame::Subscribe(subscribe) => self.subscribe(subscribe).await,
            ClientFrame::Unsubscribe(Unsubscribe { req, to }) => {
                self.subscriptions.remove(&to);
                self.reply(Reply::ok(req, Version(0)));
            }
            ClientFrame::Ack(ack) => self.acknowledged(&ack),
            ClientFrame::Token(token) => return self.renew(&token).await,
            ClientFrame::Ping(Ping { clock }) => {
                let now = self.edge.engine.clock().now();
                self.offset = now.micros_since(clock);
                self.queue.send(Shows::Nothing, &ServerFrame::Pong(Pong { clock: now }));
            }
            ClientFrame::Signal(signal) => self.signal(signal).await,
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
        if frame.client == ClientId::SERVER || frame.n == 0 {
            let text = "the nil client and the number 0 are the server's own";
            return self.refuse(Some(req), Fault::saying(ErrorCode::BadFrame, text));
        }
        if let Err(denied) = self.edge.policy.may_send(&self.caller, frame.to, &frame.command).await {
            return self.refuse(Some(req), fault_of(denied));
        }
        self.in_flight.fetch_add(1, Ordering::Relaxed);
        let (queue, in_flight) = (Arc::clone(&self.queue), Arc::clone(&self.in_flight));
        let delay = self.edge.meters.acknowledged(frame.command.kind().as_str());
        let begun = Instant::now();
        let reply = ReplyTo::new(move |answer: Answer| {
            in_flight.fetch_sub(1, Ordering::Relaxed);
            delay.record(begun.elapsed());
            let reply = match answer {
                Ok(done) => Reply { repeat: done.repeat, ..Reply::ok(req, done.version) },
                Err(fault) => Reply::refused(Some(req), fault),
            };
            queue.send(Shows::Nothing, &ServerFrame::Reply(reply));
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
        let wanted = view;
        let view = match self.edge.policy.may_view(&self.caller, to, wanted).await {
            Ok(view) => view,
            Err(denied) => return self.refuse(Some(req), fault_of(denied)),
        };
        // One of the same entity ends before the next begins, so that no version comes twice.
        self.subscriptions.remove(&to);
        let since = since.filter(|_| self.same_incarnation);
        match Subscription::begin(&self.edge.engine, &self.queue, self.caller.gym, to, since, view).await {
            Ok((subscription, version)) => {
                self.subscriptions.insert(to, Followed { subscription, wanted });
                self.reply(Reply::ok(req, version));
            }
            Err(fault) => self.refuse(Some(req), fault),
        }
    }

    /// Passes a signal on to whoever follows the entity now. Over the rate it is dropped: the next replaces it.
    async fn signal(&mut self, Signal { to, key, value }: Signal) {
        if !key.about().is_some_and(|(_, values)| values.contains(&value)) {
            let text = "there is no signal of this key with this value";
            return self.refuse(None, Fault::saying(ErrorCode::BadFrame, text));
        }
        if let Err(denied) = self.edge.policy.may_signal(&self.caller, to, key).await {
            return self.refuse(None, fault_of(denied));
        }
        if !self.signal_rates.lets_through(key) {
            metrics::counter!("spotter_ratelimited_total", "scope" => "signal").increment(1);
            return;
        }
        let (by, at) = (self.caller.user, self.edge.engine.clock().now());
        let frame = SignalFrame { to, key, value, by, at };
        let news = || Publication::Signal(SignalNews::new(frame));
        self.edge.engine.backplane().publish(to.owner, &news);
    }

    /// Notes how far the client is behind what was sent to it, and what of it has arrived.
    fn acknowledged(&self, ack: &Ack) {
        for (address, seen) in &ack.seen {
            let Some(Followed { subscription, .. }) = self.subscriptions.get(address) else { continue };
            if let Some(sent) = subscription.sent() {
                let behind = sent.0.saturating_sub(seen.0);
                metrics::histogram!("spotter_ws_ack_behind_versions").record(behind as f64);
            }
            subscription.acknowledged(self.caller.user, *seen);
        }
    }

    async fn renew(&mut self, Token { req, token }: &Token) -> Result<(), Option<CloseCode>> {
        match self.edge.tokens.verify(token, self.edge.engine.clock().now()) {
            Ok(caller) if caller.user == self.caller.user && caller.gym == self.caller.gym => {
                // It may speak in another role than the last.
                self.caller = caller;
                self.judge_again().await?;
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
        self.queue.send(Shows::Nothing, &ServerFrame::Reply(reply));
    }

    fn refuse(&self, req: Option<u64>, fault: Fault) {
        self.reply(Reply::refused(req, fault));
    }
}

/// Hands the frames that wait to the socket, and those alone: a reader of a busy entity is listened to as well.
/// A frame leaves the queue when the socket has room for it, so that those behind it can still be taken back.
async fn flush(socket: &mut WebSocket, queue: &SendQueue) -> Result<(), axum::Error> {
    for _ in 0..queue.waiting() {
        poll_fn(|context| Pin::new(&mut *socket).poll_ready(context)).await?;
        let Some(frame) = queue.take() else { break };
        Pin::new(&mut *socket).start_send(message(frame, queue.codec()))?;
    }
    SinkExt::flush(socket).await
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
