//! Accepts connections and serves requests on them, so that nobody can hold one open by saying nothing.

use std::io;
use std::net::IpAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::ServiceExt;
use tracing::{debug, warn};

/// How long a client may take for the head of a request, and how long a connection may wait for the next.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);
/// Connections that are no sockets yet; the next waits in the system's queue until one ends.
const CONNECTIONS_MAX: usize = 8_192;
/// The pause after the system refused a connection, as when there are no more file descriptors.
const REFUSED_PAUSE: Duration = Duration::from_millis(100);

/// The address a request came from.
#[derive(Clone, Copy, Debug)]
pub(super) struct Peer(pub(super) IpAddr);

/// Serves `router` on `listener` until `stop`, and then until every request under way is answered. A socket that was
/// upgraded goes on by itself.
pub async fn serve(listener: TcpListener, router: Router, stop: CancellationToken) {
    let connections = TaskTracker::new();
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    loop {
        let accepted = async {
            let place = Arc::clone(&places).acquire_owned().await;
            (place, listener.accept().await)
        };
        let (place, accepted) = tokio::select! {
            accepted = accepted => accepted,
            () = stop.cancelled() => break,
        };
        match accepted {
            Ok((stream, from)) => {
                let served = serve_one(stream, from.ip(), router.clone(), stop.clone());
                connections.spawn(async move {
                    if let Err(error) = served.await {
                        debug!(%error, "connection broke");
                    }
                    drop(place);
                });
            }
            Err(error) if is_of_one_peer(&error) => {}
            Err(error) => {
                warn!(%error, "the system refuses connections");
                tokio::time::sleep(REFUSED_PAUSE).await;
            }
        }
    }
    drop(listener);
    connections.close();
    connections.wait().await;
}

async fn serve_one(
    stream: TcpStream,
    from: IpAddr,
    router: Router,
    stop: CancellationToken,
) -> hyper::Result<()> {
    // A set waits for nothing: without this, small frames wait for the answer to the ones before.
    let _ = stream.set_nodelay(true);
    let service = hyper::service::service_fn(move |request: Request<Incoming>| {
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(Peer(from));
        router.clone().oneshot(request)
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades();
    let mut connection = pin!(connection);
    tokio::select! {
        served = connection.as_mut() => served,
        () = stop.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    }
}

/// Whether a failed accept says something of the peer alone.
fn is_of_one_peer(error: &io::Error) -> bool {
    use io::ErrorKind as K;
    matches!(error.kind(), K::ConnectionRefused | K::ConnectionAborted | K::ConnectionReset)
}
