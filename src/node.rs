//! One running node: its parts put together, served until it is told to stop.

use std::fs::DirBuilder;
use std::future::Future;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use axum::Router;
use metrics_exporter_prometheus::PrometheusHandle;
use spotter_actors::Clock;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::accounts::Accounts;
use crate::auth::{Keys, Passwords, RefreshTokens, SignIn, Tokens};
use crate::clock::SystemClock;
use crate::config::Config;
use crate::db::Db;
use crate::http::{self, Api, Readiness};
use crate::policy::Policy;
use crate::telemetry;
use crate::workouts::Workouts;

/// How often what was measured is folded together when nobody scrapes.
const METRICS_UPKEEP: Duration = Duration::from_secs(5);

/// The database of a data folder.
pub fn database(data_dir: &Path) -> PathBuf {
    data_dir.join("spotter.db")
}

/// The signing keys of a data folder.
pub fn keys(data_dir: &Path) -> PathBuf {
    data_dir.join("keys")
}

/// Makes the data folder, for its user alone, where it is absent.
///
/// # Errors
/// When it cannot be made.
pub fn make_folder(data_dir: &Path) -> anyhow::Result<()> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(data_dir)
        .with_context(|| format!("cannot make the data folder {}", data_dir.display()))
}

/// Runs a node by `config` until SIGTERM or Ctrl-C.
///
/// # Errors
/// When it cannot start: the text says what to change.
pub async fn serve(config: Config) -> anyhow::Result<()> {
    let metrics = telemetry::record_metrics()?;
    let api = assemble(&config).await?;
    let public = bind(config.listen, "listen").await?;
    let admin = bind(config.admin_listen, "admin_listen").await?;
    let drain = Duration::from_secs(config.engine.drain_s.into());
    run(api, metrics, public, admin, stop_signal()?, drain).await
}

/// Puts the parts together.
async fn assemble(config: &Config) -> anyhow::Result<Arc<Api>> {
    make_folder(&config.data_dir)?;
    let file = database(&config.data_dir);
    let db = Db::open(&file).await.with_context(|| format!("cannot open the database {}", file.display()))?;
    let clock = Arc::new(SystemClock);
    let tokens = Tokens::new(&Keys::open(&keys(&config.data_dir), clock.now())?, config.auth.access_ttl_s);
    let accounts = Accounts::new(db.clone());
    let refresh = RefreshTokens::new(db.clone(), config.auth.refresh_ttl_s);
    let sign_in = SignIn::new(accounts.clone(), Passwords::new()?, tokens.clone(), refresh);
    let (policy, workouts) = (Policy::new(db.clone()), Workouts::new(db.clone()));
    Ok(Arc::new(Api {
        accounts,
        sign_in,
        tokens,
        policy,
        workouts,
        db,
        readiness: Readiness::default(),
        clock,
    }))
}

/// Serves both listeners until `stop` comes, then gives the requests that were begun the time `drain` to finish.
async fn run(
    api: Arc<Api>,
    metrics: PrometheusHandle,
    public: TcpListener,
    admin: TcpListener,
    stop: impl Future<Output = ()>,
    drain: Duration,
) -> anyhow::Result<()> {
    info!(listen = %public.local_addr()?, admin_listen = %admin.local_addr()?, "serving");
    let readiness = api.readiness.clone();
    let stopping = CancellationToken::new();
    let public = axum::serve(public, http::router(api, Router::new()))
        .with_graceful_shutdown(stopping.clone().cancelled_owned());
    let admin = axum::serve(admin, http::admin_router(metrics.clone()))
        .with_graceful_shutdown(stopping.clone().cancelled_owned());
    let upkeep = tokio::spawn(async move {
        let mut interval = tokio::time::interval(METRICS_UPKEEP);
        loop {
            interval.tick().await;
            metrics.run_upkeep();
        }
    });
    readiness.set(true);
    let served = async { tokio::try_join!(public.into_future(), admin.into_future()) };
    let stopped = async {
        stop.await;
        info!("stopping");
        readiness.set(false);
        stopping.cancel();
        tokio::time::sleep(drain).await;
    };
    let served = tokio::select! {
        served = served => served.map(|_| ()),
        () = stopped => {
            warn!("requests that took too long were cut off");
            Ok(())
        }
    };
    upkeep.abort();
    served.context("a listener failed")?;
    info!("stopped");
    Ok(())
}

async fn bind(address: std::net::SocketAddr, key: &str) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address)
        .await
        .with_context(|| format!("cannot listen on {address}: free it, or set `{key}` to another address"))
}

/// Comes when the process is asked to stop.
fn stop_signal() -> anyhow::Result<impl Future<Output = ()>> {
    let mut terminate = signal(SignalKind::terminate()).context("cannot watch for SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("cannot watch for Ctrl-C")?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}
