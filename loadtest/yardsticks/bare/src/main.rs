//! The least that a server of the load can do: read a frame, write it durably together with whatever else waits,
//! show it to who follows, answer. Its sockets speak the part of Spotter's protocol that the load uses.
//!
//! A floor, not a peer: a token is the id of its user, nobody is refused, no command is judged, none is
//! recognised when it is repeated, nothing is kept in memory but versions, and a commit that fails ends the
//! process. What it leaves out is what an engine costs.
//!
//! `YARDSTICK_LISTEN` is where it listens, `YARDSTICK_DATABASE` an empty PostgreSQL database, `YARDSTICK_WRITERS`
//! how many connections write to it (1).

mod commit;
mod gym;
mod outbox;
mod socket;

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use axum::Router;
use axum::extract::{State, WebSocketUpgrade};
use axum::response::Response;
use axum::routing::get;
use axum::serve::ListenerExt;
use spotter_protocol::{Codec, FRAME_BYTES_MAX};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

use gym::Gym;

/// Commands that wait for one writer; sockets are not read while there is no place.
const WAITING_MAX: usize = 8_192;
/// What a socket reads at once.
const READ_BUFFER_BYTES: usize = 1_024;
/// How long sockets may take to be closed at the end.
const CLOSED_WITHIN: Duration = Duration::from_secs(5);

#[derive(Clone)]
struct App {
    gym: Arc<Gym>,
    stop: watch::Receiver<()>,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let listen = std::env::var("YARDSTICK_LISTEN").context("YARDSTICK_LISTEN is not set")?;
    let database = std::env::var("YARDSTICK_DATABASE").context("YARDSTICK_DATABASE is not set")?;
    let writers = std::env::var("YARDSTICK_WRITERS").unwrap_or_else(|_| "1".to_owned());
    let writers: usize = writers.parse().context("YARDSTICK_WRITERS is no number")?;
    ensure!(writers > 0, "YARDSTICK_WRITERS is at least 1");

    let (mut places, mut committing) = (Vec::new(), JoinSet::new());
    for _ in 0..writers {
        let (place, waiting) = mpsc::channel(WAITING_MAX);
        places.push(place);
        committing.spawn(commit::write(commit::connect(&database).await?, waiting));
    }
    let (stop, stopped) = watch::channel(());
    let app = App { gym: Arc::new(Gym::new(places)), stop: stopped };
    let routes = Router::new()
        .route("/v1/socket", get(upgrade))
        .route("/readyz", get(|| async { "ready" }))
        .with_state(app);
    // A system that keeps delay on serves all the same, only later.
    let listener = TcpListener::bind(&listen).await?.tap_io(|stream| _ = stream.set_nodelay(true));
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        served = axum::serve(listener, routes) => served?,
        Some(ended) = committing.join_next() => {
            ended??;
            bail!("a writer has ended");
        }
        _ = terminate.recv() => {}
    }
    stop.send_replace(());
    // A peer that reads no more is left behind.
    _ = tokio::time::timeout(CLOSED_WITHIN, stop.closed()).await;
    Ok(())
}

async fn upgrade(upgrade: WebSocketUpgrade, State(app): State<App>) -> Response {
    upgrade
        .protocols([Codec::MsgPack.subprotocol()])
        .read_buffer_size(READ_BUFFER_BYTES)
        .max_message_size(FRAME_BYTES_MAX)
        .on_upgrade(move |socket| socket::serve(socket, app.gym, app.stop))
}
