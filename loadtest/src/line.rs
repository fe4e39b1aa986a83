//! One connection of the load: it breaks, and comes back as the protocol asks.

use std::sync::Arc;
use std::time::{Duration, Instant};

use rand::RngExt;
use spotter_client::{Closed, Socket};
use spotter_protocol::{self as protocol, ClientFrame, ClientId, CloseCode, ServerFrame};
use uuid::Uuid;

use crate::athlete::now;
use crate::nodes::Nodes;
use crate::tally::Tally;
use crate::tokens::Token;

/// The first cap of the random wait before connecting again; it doubles.
const BACKOFF: Duration = Duration::from_millis(500);
/// The largest such cap.
const BACKOFF_MAX: Duration = Duration::from_secs(30);

/// A connection, or the wish for one.
pub(crate) struct Line {
    nodes: Nodes,
    /// The one that it is connected to, or was or tried to be last.
    node: usize,
    /// The one that it connects to next: whoever comes back comes to another.
    next: usize,
    token: Token,
    /// A new token that the server has not been told on this connection.
    has_new_token: bool,
    /// The request that told it, and when.
    renewing: Option<(u64, Instant)>,
    pub(crate) client: ClientId,
    tally: Arc<Tally>,
    socket: Option<Socket>,
    incarnation: Option<Uuid>,
    req: u64,
    cap: Duration,
    /// When to connect again; none while there is no signal.
    again_at: Option<Instant>,
    /// Since when there is no connection.
    lost_at: Option<Instant>,
    /// When the server wants it back.
    go_away: Option<Duration>,
}

impl Line {
    /// One that connects to that node first.
    pub(crate) fn new(nodes: Nodes, node: usize, token: Token, tally: Arc<Tally>) -> Self {
        Self {
            nodes,
            node,
            next: node,
            token,
            has_new_token: false,
            renewing: None,
            client: ClientId(Uuid::now_v7()),
            tally,
            socket: None,
            incarnation: None,
            req: 0,
            cap: BACKOFF,
            again_at: Some(Instant::now()),
            lost_at: None,
            go_away: None,
        }
    }

    pub(crate) const fn is_up(&self) -> bool {
        self.socket.is_some()
    }

    /// The number of the node that it is connected to, or was or tried to be last.
    pub(crate) fn node(&self) -> usize {
        self.node % self.nodes.count()
    }

    /// A number that no other request of this line has.
    pub(crate) const fn req(&mut self) -> u64 {
        self.req += 1;
        self.req
    }

    /// Tries to connect. Answers whether the server serves the history that this line knew.
    ///
    /// # Errors
    /// Why there is no connection yet.
    pub(crate) async fn open(&mut self) -> Result<bool, Closed> {
        let begun = Instant::now();
        let token = self.token.borrow_and_update().clone();
        (self.has_new_token, self.renewing) = (false, None);
        (self.node, self.next) = (self.next, self.nodes.but(self.next));
        match Socket::open(&self.nodes.socket(self.node), &token, self.client, self.incarnation, now).await {
            Ok((socket, welcome)) => {
                self.tally.done("connect", begun);
                self.tally.connected();
                self.socket = Some(socket);
                self.cap = BACKOFF;
                let known = self.incarnation.replace(welcome.incarnation);
                Ok(known.is_none_or(|known| known == welcome.incarnation))
            }
            Err(closed) => {
                self.tally.failed("connect", reason(&closed));
                self.wait();
                Err(closed)
            }
        }
    }

    /// Since when it was away, once it is back.
    pub(crate) const fn back(&mut self) -> Option<Instant> {
        self.lost_at.take()
    }

    /// Drops the connection without goodbye. It comes back by itself if there is signal.
    pub(crate) fn cut(&mut self, signal: bool) {
        let was_up = self.socket.take().is_some();
        if was_up {
            self.tally.disconnected();
        }
        if !signal {
            (self.again_at, self.lost_at) = (None, None);
        } else if was_up {
            self.lost_at = Some(Instant::now());
            self.wait();
        }
    }

    /// Goes with a goodbye, until [`Line::signal`].
    pub(crate) async fn leave(&mut self) {
        (self.again_at, self.lost_at) = (None, None);
        self.close().await;
    }

    /// The signal is back, or the one who left: there is nothing to wait for.
    pub(crate) fn signal(&mut self) {
        (self.again_at, self.cap) = (Some(Instant::now()), BACKOFF);
    }

    /// The connection is no more, for a reason nobody here wished for.
    pub(crate) fn lose(&mut self, closed: &Closed) {
        self.tally.failed("connection", reason(closed));
        self.cut(true);
    }

    fn wait(&mut self) {
        let wait = self.go_away.take().unwrap_or_else(|| {
            let wait = rand::rng().random_range(Duration::ZERO..=self.cap);
            self.cap = (self.cap * 2).min(BACKOFF_MAX);
            wait
        });
        self.again_at = Some(Instant::now() + wait);
    }

    /// When to connect; never while there is a connection or no signal.
    pub(crate) fn due(&self) -> Option<Instant> {
        self.again_at.filter(|_| self.socket.is_none())
    }

    /// The next frame; for ever without a connection. Safe to cancel.
    ///
    /// # Errors
    /// Why the connection is no more.
    pub(crate) async fn next(&mut self) -> Result<ServerFrame, Closed> {
        loop {
            self.tell_token().await?;
            let Some(socket) = &mut self.socket else { return std::future::pending().await };
            let frame = tokio::select! {
                frame = socket.next() => frame?,
                Ok(()) = self.token.changed() => {
                    self.has_new_token = true;
                    continue;
                }
            };
            if let ServerFrame::GoAway(go_away) = &frame {
                self.go_away = Some(Duration::from_millis(go_away.delay_ms.0.into()));
            }
            let told = self.renewing;
            if let (ServerFrame::Reply(reply), Some((req, told))) = (&frame, told)
                && reply.req == Some(req)
            {
                self.renewing = None;
                match &reply.error {
                    None => self.tally.done("token", told),
                    Some(fault) => self.tally.failed("token", fault.code.as_str()),
                }
                continue;
            }
            return Ok(frame);
        }
    }

    /// Tells the server a token that was renewed; again, should this be cancelled meanwhile.
    async fn tell_token(&mut self) -> Result<(), Closed> {
        if !self.has_new_token {
            return Ok(());
        }
        let req = self.req();
        let token = self.token.borrow_and_update().clone();
        if let Some(socket) = &mut self.socket {
            socket.send(&ClientFrame::Token(protocol::Token { req, token })).await?;
        }
        (self.has_new_token, self.renewing) = (false, Some((req, Instant::now())));
        Ok(())
    }

    /// Sends a frame; without a connection it is gone.
    ///
    /// # Errors
    /// Why the connection is no more.
    pub(crate) async fn send(&mut self, frame: &ClientFrame) -> Result<(), Closed> {
        match &mut self.socket {
            Some(socket) => socket.send(frame).await,
            None => Ok(()),
        }
    }

    /// Says goodbye.
    pub(crate) async fn close(&mut self) {
        if let Some(socket) = self.socket.take() {
            self.tally.disconnected();
            socket.close().await;
        }
    }
}

/// One word for why a connection is no more.
fn reason(closed: &Closed) -> &'static str {
    match closed {
        Closed::ByServer { code, .. } if *code == CloseCode::TooSlow.number() => "too_slow",
        Closed::ByServer { .. } if closed.is(CloseCode::TokenExpired) => "token_expired",
        Closed::ByServer { .. } => "closed_by_server",
        Closed::Lost(_) => "lost",
        Closed::Silent => "silent",
        Closed::Broken(_) => "protocol_broken",
        Closed::Gap { .. } => "gap",
        Closed::SignedOut => "signed_out",
    }
}

/// Waits for a moment; for ever without one.
pub(crate) async fn moment(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at.into()).await,
        None => std::future::pending().await,
    }
}
