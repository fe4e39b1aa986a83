//! The socket edge: upgrades connections at `/v1/socket` and serves the wire protocol on them.

mod connection;
mod meters;
mod queue;
mod receipts;
mod registry;
mod subscription;

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::extract::ws::WebSocketUpgrade;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use spotter_actors::Engine;
use spotter_protocol::{Codec, FRAME_BYTES_MAX};
use tokio_util::task::TaskTracker;

use crate::auth::Tokens;
use crate::config;
use crate::policy::Policy;
pub(crate) use meters::Meters;
pub(crate) use registry::Registry;

/// Bytes read from a socket at once. Kept small: every idle socket holds such a buffer.
const READ_BUFFER_BYTES: usize = 1024;

/// Bytes gathered before a write: the frames of one turn of the send queue leave together.
const WRITE_BUFFER_BYTES: usize = 4096;

/// What the sockets of a node share.
pub(crate) struct Edge {
    pub(crate) engine: Arc<Engine>,
    pub(crate) tokens: Tokens,
    pub(crate) policy: Policy,
    pub(crate) registry: Arc<Registry>,
    pub(crate) tasks: TaskTracker,
    pub(crate) limits: Limited,
    pub(crate) meters: Meters,
}

/// What one connection may do.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limited {
    pub(crate) commands_per_s: NonZeroU32,
    pub(crate) commands_burst: NonZeroU32,
    pub(crate) in_flight: u32,
    pub(crate) subscriptions: u32,
    pub(crate) send_queue_bytes: usize,
    pub(crate) heartbeat: Duration,
}

impl Limited {
    /// The limits that were set. The configuration holds each to at least 1.
    pub(crate) fn new(set: &config::Socket) -> Self {
        let rate = |number| NonZeroU32::new(number).unwrap_or(NonZeroU32::MIN);
        Self {
            commands_per_s: rate(set.commands_per_s),
            commands_burst: rate(set.commands_burst),
            in_flight: set.in_flight,
            subscriptions: set.subscriptions,
            send_queue_bytes: set.send_queue_bytes as usize,
            heartbeat: Duration::from_millis(set.heartbeat_ms.into()),
        }
    }
}

/// The route of the socket.
pub(crate) fn routes(edge: Arc<Edge>) -> Router {
    Router::new().route("/v1/socket", any(upgrade)).with_state(edge)
}

async fn upgrade(State(edge): State<Arc<Edge>>, headers: HeaderMap, upgrade: WebSocketUpgrade) -> Response {
    if !same_origin(&headers) {
        return (StatusCode::FORBIDDEN, "this origin may not open a socket here").into_response();
    }
    let upgrade = upgrade
        .max_message_size(FRAME_BYTES_MAX)
        .max_frame_size(FRAME_BYTES_MAX)
        .read_buffer_size(READ_BUFFER_BYTES)
        .write_buffer_size(WRITE_BUFFER_BYTES)
        .protocols(Codec::ALL.map(Codec::subprotocol));
    let chosen = upgrade.selected_protocol().and_then(|chosen| chosen.to_str().ok()).map(str::to_owned);
    let codec = Codec::ALL.into_iter().find(|codec| chosen.as_deref() == Some(codec.subprotocol()));
    let codec = codec.unwrap_or(Codec::MsgPack);
    upgrade.on_upgrade(move |socket| {
        let tasks = edge.tasks.clone();
        tasks.track_future(connection::serve(socket, edge, codec))
    })
}

/// Pages of other sites may not open a socket with this one's visitors: an `Origin`, which every browser
/// sends, must name the host asked. Programs send none.
fn same_origin(headers: &HeaderMap) -> bool {
    let Some(origin) = headers.get(header::ORIGIN) else { return true };
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok());
    let origin = origin.to_str().ok().and_then(|origin| origin.split_once("://")).map(|(_, host)| host);
    origin.is_some() && origin == host
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(origin: &'static str) -> HeaderMap {
        [(header::ORIGIN, origin), (header::HOST, "gym.example:8080")]
            .map(|(name, value)| (name, value.parse().unwrap()))
            .into_iter()
            .collect()
    }

    #[test]
    fn only_pages_of_this_host_may_open_a_socket() {
        assert!(same_origin(&headers("https://gym.example:8080")));
        for foreign in
            ["https://evil.example", "null", "https://gym.example:8080.evil.example", "gym.example:8080"]
        {
            assert!(!same_origin(&headers(foreign)), "{foreign}");
        }
        assert!(same_origin(&HeaderMap::new()));
    }
}
