//! One running node: its parts put together, served until it is told to stop.

use std::fs::DirBuilder;
use std::future::Future;
use std::net::SocketAddr;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use axum::Router;
use metrics_exporter_prometheus::PrometheusHandle;
use spotter_actors::{
    Alone, Backplane, Claims, Clock, DeadLetters, Engine, Journal, Library, LocalBackplane, Ports, Tuning,
};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::JoinHandle;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{info, warn};

use crate::accounts::Accounts;
use crate::archive::{self, Here};
use crate::auth::{Keys, Passwords, RefreshTokens, SignIn, Tokens};
use crate::clock::SystemClock;
use crate::cluster::{Cluster, Joining};
use crate::config::{Config, Postgres};
use crate::http::gyms::Gyms;
use crate::http::{self, Api, Readiness};
use crate::policy::{Changes, Policy};
use crate::removal::Removal;
use crate::socket::{self, Edge, Limited, Meters, Registry};
use crate::store::{Database, Server, Store, Void};
use crate::telemetry;
use crate::workouts::Workouts;

/// How often committed pages are moved from the log into the file. Commits wait behind what a move flushes: twenty
/// small ones a second halve the p99 of an acknowledgement at 2,000 sets/s against a large one.
const CHECKPOINT_EVERY: Duration = Duration::from_millis(50);
/// How often a node tries to begin anew.
const AGAIN_EVERY: Duration = Duration::from_secs(1);
/// How long sockets have to take their last frames when the node stops.
const GOODBYES: Duration = Duration::from_secs(1);
/// How often changed rights are looked for: the look and the judging together take less than a second.
const RIGHTS_EVERY: Duration = Duration::from_millis(500);
/// How often what was measured is folded together when nobody scrapes.
const METRICS_UPKEEP: Duration = Duration::from_secs(5);

/// Where a node can be reached.
#[derive(Clone, Copy, Debug)]
pub struct Reachable {
    /// Pages, API and socket.
    pub public: SocketAddr,
    /// Metrics.
    pub admin: SocketAddr,
}

/// The database that is set.
///
/// # Errors
/// When the setting has not the form of one.
pub fn database(config: &Config) -> anyhow::Result<Database> {
    let url = &config.database;
    if url.is_empty() {
        return Ok(Database::File(config.data_dir.join("spotter.db")));
    }
    if !url.starts_with("postgres://") && !url.starts_with("postgresql://") {
        bail!("`database` must be empty, for a SQLite file in the data folder, or begin with postgres://");
    }
    let options =
        url.parse().context("`database` is no address of PostgreSQL: postgres://user:password@host/name")?;
    let Postgres { lanes, readers, migrate, allow_unsafe } = config.postgres;
    Ok(Database::Server(Box::new(Server { options, lanes, readers, allow_unsafe, migrate })))
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

/// Warns when others on this machine may look into the data folder: it was there before with a mode of its own, which
/// is its owner's to choose.
fn mind_the_folder(data_dir: &Path) -> anyhow::Result<()> {
    let mode = std::fs::metadata(data_dir)
        .with_context(|| format!("cannot look at the data folder {}", data_dir.display()))?
        .permissions()
        .mode();
    if mode & 0o077 != 0 {
        warn!(
            folder = %data_dir.display(),
            mode = format!("{:o}", mode & 0o777),
            "others may read the data folder: `chmod 700` keeps it to its user"
        );
    }
    Ok(())
}

/// A node that was started and is not served yet.
struct Node {
    store: Arc<Store>,
    engine: Arc<Engine>,
    cluster: Option<Arc<Cluster>>,
    here: Here,
    gyms: Gyms,
    registry: Arc<Registry>,
    sockets: TaskTracker,
    api: Arc<Api>,
    routes: Router,
}

/// How a node stopped serving.
enum Ended {
    /// It was told to.
    Stopped,
    /// Its store is not what it was.
    Void(Void),
}

/// Serves a node by `config` until `stop` comes, then drains it: no new commands, every admitted one durable
/// and answered, every entity at rest, every socket told when to come back. Calls `ready` once it serves.
///
/// # Errors
/// When it cannot start, or another has taken over its database: the text says what to change.
pub async fn serve(
    config: &Config,
    ready: impl FnOnce(Reachable),
    stop: impl Future<Output = ()>,
) -> anyhow::Result<()> {
    let metrics = telemetry::record_metrics()?;
    let policy = archive::Policy::of(&config.archive)?;
    tokio::pin!(stop);
    let mut ready = Some(ready);
    let mut node = start(config).await?;
    loop {
        match serve_until(config, &node, policy.clone(), &metrics, &mut ready, stop.as_mut()).await? {
            Ended::Stopped => return Ok(()),
            Ended::Void(Void::TakenOver { .. }) if node.cluster.is_some() => {
                warn!("the other nodes took this one for dead: what it held is theirs, beginning anew");
            }
            Ended::Void(Void::TakenOver { by }) => {
                bail!("the spotter that listens on {by} has taken over {}: this one ends", database(config)?)
            }
            Ended::Void(Void::Rewound) => {
                warn!(
                    "the database went back in time or is another: all that was known of it is void, beginning anew"
                );
            }
        }
        drop(node);
        node = loop {
            match tokio::select! { node = start(config) => node, () = stop.as_mut() => return Ok(()) } {
                Ok(node) => break node,
                Err(error) => warn!(error = format!("{error:#}"), "cannot begin anew yet: trying again"),
            }
            tokio::select! { () = tokio::time::sleep(AGAIN_EVERY) => {}, () = stop.as_mut() => return Ok(()) }
        };
    }
}

/// Serves a node until `stop` comes or its store is void.
async fn serve_until(
    config: &Config,
    node: &Node,
    archives: Option<archive::Policy>,
    metrics: &PrometheusHandle,
    ready: &mut Option<impl FnOnce(Reachable)>,
    stop: impl Future<Output = ()>,
) -> anyhow::Result<Ended> {
    let public = bind(config.listen, "listen").await?;
    let admin = bind(config.admin_listen, "admin_listen").await?;
    let reachable = Reachable { public: public.local_addr()?, admin: admin.local_addr()? };

    let stopping = CancellationToken::new();
    let upkeep = tokio::spawn(keep_up(metrics.clone(), Arc::clone(&node.store)));
    let changes = Changes::from_now(node.store.db()).await.context("the rights cannot be read")?;
    let rights = tokio::spawn(keep_rights(changes, Arc::clone(&node.engine), Arc::clone(&node.registry)));
    let removing = node.cluster.is_some().then(|| tokio::spawn(node.gyms.removal.clone().keep()));
    let archiving = archives.map(|policy| tokio::spawn(policy.keep(node.here.clone())));
    let router = http::router(Arc::clone(&node.api), node.routes.clone());
    let public = http::serve(public, router, stopping.clone());
    let operators = http::operators::routes(Arc::clone(&node.engine));
    let operators = operators.merge(http::archive::routes(node.here.clone()));
    let operators = operators.merge(http::gyms::routes(node.gyms.clone()));
    let admin = http::serve(admin, http::admin_router(metrics.clone(), operators), stopping.clone());
    let serving = tokio::spawn(async { tokio::join!(public, admin) });
    node.api.readiness.set(true);
    info!(listen = %reachable.public, admin_listen = %reachable.admin, "serving");
    if let Some(ready) = ready.take() {
        ready(reachable);
    }
    // In a task of its own: a lease is renewed although everything else is busy.
    let (store, cluster) = (Arc::clone(&node.store), node.cluster.clone());
    let mut tenure = tokio::spawn(async move {
        match cluster {
            Some(cluster) => cluster.until_void().await,
            None => store.until_void().await,
        }
    });
    let ended = tokio::select! {
        () = stop => Ended::Stopped,
        void = &mut tenure => Ended::Void(void.context("the lease is no longer renewed")?),
    };

    // What it leaves unfinished the next start takes up.
    for unfinished in [archiving, removing].into_iter().flatten() {
        unfinished.abort();
    }
    info!(sockets = node.registry.count(), "draining");
    node.api.readiness.set(false);
    let window = Duration::from_secs(config.engine.drain_s.into());
    let goodbyes = match &ended {
        Ended::Stopped => window,
        // It is back in a moment.
        Ended::Void(_) => GOODBYES.min(window),
    };
    if tokio::time::timeout(window, drain(node, goodbyes, stopping.clone(), serving)).await.is_err() {
        warn!("not drained in time: what was not acknowledged will be sent again");
        node.registry.send_away(Duration::ZERO);
        stopping.cancel();
    }
    upkeep.abort();
    rights.abort();
    tenure.abort();
    node.store.close().await;
    info!("drained");
    Ok(ended)
}

/// Puts the parts together.
async fn start(config: &Config) -> anyhow::Result<Node> {
    make_folder(&config.data_dir)?;
    mind_the_folder(&config.data_dir)?;
    let database = database(config)?;
    let lanes = match &database {
        Database::File(_) => 1,
        Database::Server(server) => server.lanes as usize,
    };
    let address = config.listen.to_string();
    let redis = Some(&config.cluster.redis).filter(|redis| !redis.is_empty());
    let (store, claims, joining) = match (&database, redis) {
        (Database::Server(server), Some(redis)) => {
            let store = Store::join(server, &address).await?;
            let tenure = store.tenure().context("the node has no place among the others")?;
            let (claims, joining) = (Arc::clone(&tenure.claims), Joining::new(redis, tenure)?);
            (store, claims, Some(joining))
        }
        (Database::File(_) | Database::Server(_), _) => {
            let (store, claim) = Store::open_serving(&database, &address).await?;
            let leased = store.tenure().map(|tenure| Arc::clone(&tenure.claims));
            (store, leased.unwrap_or_else(|| Arc::new(Claims::lasting(&claim))), None)
        }
    };
    let store = Arc::new(store);
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let ports = Ports {
        journal: Arc::clone(&store) as Arc<dyn Journal>,
        library: Arc::clone(&store) as Arc<dyn Library>,
        backplane: joining.as_ref().map_or_else(alone, Joining::backplane),
        dead_letters: Arc::clone(&store) as Arc<dyn DeadLetters>,
        clock: Arc::clone(&clock),
        peers: joining.as_ref().map_or_else(|| Arc::new(Alone) as _, Joining::peers),
    };
    let tuning = Tuning {
        idle: Duration::from_secs(config.engine.idle_s.into()),
        tick: Duration::from_millis(config.engine.tick_ms.into()),
        snapshot_every: config.engine.snapshot_every,
        rotate_every: config.engine.rotate_every,
        lanes,
    };
    let engine = Engine::start(ports, claims, tuning).await.context("the actor system does not start")?;
    let here = Here::new(Arc::clone(&engine), Arc::clone(&store));

    let db = store.db();
    let tokens = Tokens::new(&Keys::open(&keys(&config.data_dir), clock.now())?, config.auth.access_ttl_s);
    let accounts = Accounts::new(db.clone());
    let refresh = RefreshTokens::new(db.clone(), config.auth.refresh_ttl_s);
    let passwords = Arc::new(Passwords::new()?);
    let sign_in = SignIn::new(accounts.clone(), Arc::clone(&passwords), tokens.clone(), refresh);
    let (policy, workouts) = (Policy::new(db.clone()), Workouts::new(db.clone()));

    let registry = Arc::new(Registry::new(config.socket.connections_max as usize));
    let (engine_of, store_of) = (Arc::clone(&engine), Arc::clone(&store));
    let removal = Removal::new(engine_of, store_of, Arc::clone(&registry)).await?;
    let cluster = match joining {
        Some(joining) => {
            Some(joining.serve(Arc::clone(&store), Arc::clone(&engine), accounts.clone()).await?)
        }
        None => None,
    };
    let sockets = TaskTracker::new();
    let routes = socket::routes(Arc::new(Edge {
        engine: Arc::clone(&engine),
        tokens: tokens.clone(),
        policy: policy.clone(),
        registry: Arc::clone(&registry),
        tasks: sockets.clone(),
        limits: Limited::new(&config.socket),
        meters: Meters::default(),
    }));
    let readiness = Readiness::default();
    let api = Arc::new(Api { accounts, sign_in, tokens, policy, workouts, db, readiness, clock });
    let gyms = Gyms { api: Arc::clone(&api), passwords, removal };
    Ok(Node { store, engine, cluster, here, gyms, registry, sockets, api, routes })
}

/// The publications of a node that serves alone.
fn alone() -> Arc<dyn Backplane> {
    Arc::new(LocalBackplane::default())
}

/// Lets everything under way end: commands, entities, sockets, requests.
async fn drain(node: &Node, window: Duration, stopping: CancellationToken, serving: JoinHandle<((), ())>) {
    if let Some(cluster) = &node.cluster {
        cluster.leave().await;
    }
    node.engine.drain().await;
    node.registry.send_away(window);
    node.sockets.close();
    // A peer that does not answer the goodbye keeps its socket open: it is not waited for.
    let _ = tokio::time::timeout(GOODBYES, node.sockets.wait()).await;
    stopping.cancel();
    if let Err(error) = serving.await {
        warn!(%error, "a listener failed");
    }
}

/// What has to be done now and then.
async fn keep_up(metrics: PrometheusHandle, store: Arc<Store>) {
    let mut checkpoints = tokio::time::interval(CHECKPOINT_EVERY);
    checkpoints.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut upkeeps = tokio::time::interval(METRICS_UPKEEP);
    let mut is_stuck = false;
    loop {
        tokio::select! {
            _ = checkpoints.tick() => {
                let moved = store.checkpoint().await;
                if let Err(error) = &moved && !is_stuck {
                    warn!(%error, "the log is not moved into the file: it grows until it can be");
                }
                is_stuck = moved.is_err();
            }
            _ = upkeeps.tick() => metrics.run_upkeep(),
        }
    }
}

/// Brings changed rights into force on what is open: walls first, so that no socket that is judged again is shown
/// an older roster.
async fn keep_rights(mut changes: Changes, engine: Arc<Engine>, registry: Arc<Registry>) {
    let mut looks = tokio::time::interval(RIGHTS_EVERY);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        looks.tick().await;
        match changes.since_last().await {
            Ok(gyms) => {
                for gym in gyms {
                    engine.links_changed(gym);
                    registry.judge_again(gym);
                }
            }
            Err(error) => warn!(%error, "changed rights cannot be read: looking again"),
        }
    }
}

async fn bind(address: std::net::SocketAddr, key: &str) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address)
        .await
        .with_context(|| format!("cannot listen on {address}: free it, or set `{key}` to another address"))
}

/// Comes when the process is asked to stop. Asked twice, the process ends at once: what was not acknowledged
/// will be sent again.
///
/// # Errors
/// When the system does not let signals be watched.
pub fn stop_signal() -> anyhow::Result<impl Future<Output = ()>> {
    let mut terminate = signal(SignalKind::terminate()).context("cannot watch for SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("cannot watch for Ctrl-C")?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}
