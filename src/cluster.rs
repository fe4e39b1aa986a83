//! Several nodes that serve from one PostgreSQL. Which node holds which shard is decided by the database: in rows that are
//! changed under their epochs, by nodes that renew a lease there. Redis carries what they say to one another, and nothing
//! is wrong when it does not: see `mesh`.

mod away;
mod link;
mod mesh;
mod message;
mod plan;
mod seen;

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use anyhow::Context;
use redis::Client;
use spotter_actors::{Backplane, Engine, Epoch, Peers};
use spotter_protocol::Shard;
use tokio::sync::{Notify, mpsc};
use tokio::task::AbortHandle;
use tokio::time::MissedTickBehavior;
use tracing::{info, warn};
use uuid::Uuid;

use crate::accounts::{AccountError, Accounts};
use crate::store::{Store, Tenure, Void};
use link::Names;
use mesh::{Mesh, Outgoing};
use plan::plan;
use seen::Seen;

/// How often the lease is renewed and the others are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How often a node that begins or leaves looks whether everything is taken, or handed over.
const TAKEN_EVERY: Duration = Duration::from_millis(20);

/// The other nodes, before this one serves.
pub(crate) struct Joining {
    mesh: Arc<Mesh>,
    client: Client,
    names: Names,
    outgoing: mpsc::Receiver<Outgoing>,
}

/// A node among others.
pub(crate) struct Cluster {
    store: Arc<Store>,
    engine: Arc<Engine>,
    accounts: Accounts,
    mesh: Arc<Mesh>,
    seen: Mutex<Seen>,
    leaving: AtomicBool,
    /// The policy version by which nothing is awake here of gyms that were closed.
    closed_by: AtomicI64,
    hurry: Notify,
    /// One hands over at a time, so that no more connections are used than are counted.
    handing: tokio::sync::Mutex<()>,
    link: AbortHandle,
}

impl Joining {
    /// Prepares to reach others by the Redis at `redis`; nothing is connected yet.
    ///
    /// # Errors
    /// When that is no address of one.
    pub(crate) fn new(redis: &str, tenure: &Tenure) -> anyhow::Result<Self> {
        let client = Client::open(redis)
            .context("`cluster.redis` is no address of Redis: redis://user:password@host:port")?;
        let (mesh, outgoing) = Mesh::new(Arc::clone(&tenure.claims));
        Ok(Self { mesh, client, names: Names::of(&tenure.database()), outgoing })
    }

    pub(crate) fn backplane(&self) -> Arc<dyn Backplane> {
        Arc::clone(&self.mesh) as _
    }

    pub(crate) fn peers(&self) -> Arc<dyn Peers> {
        Arc::clone(&self.mesh) as _
    }

    /// Begins to speak with the others, and takes what is free.
    ///
    /// # Errors
    /// When the database does not answer, or is not the one that was joined any more.
    pub(crate) async fn serve(
        self,
        store: Arc<Store>,
        engine: Arc<Engine>,
        accounts: Accounts,
    ) -> anyhow::Result<Arc<Cluster>> {
        let Self { mesh, client, names, outgoing } = self;
        mesh.serve(&engine);
        let link = tokio::spawn(link::keep(Arc::clone(&mesh), client, names, outgoing)).abort_handle();
        let cluster = Arc::new(Cluster {
            store,
            engine,
            accounts,
            mesh,
            seen: Mutex::default(),
            leaving: AtomicBool::new(false),
            closed_by: AtomicI64::new(0),
            hurry: Notify::new(),
            handing: tokio::sync::Mutex::default(),
            link,
        });
        if let Some(tenure) = cluster.store.tenure()
            && cluster.look(tenure).await.context("the other nodes cannot be looked at")?.is_some()
        {
            anyhow::bail!("the database has changed since it was joined: start again");
        }
        tokio::spawn(Cluster::keep_closing_gyms(Arc::downgrade(&cluster)));
        while cluster.seen().is_moving() {
            tokio::time::sleep(TAKEN_EVERY).await;
        }
        Ok(cluster)
    }
}

impl Cluster {
    /// Keeps a node among the others, until it may serve no longer.
    pub(crate) async fn until_void(self: Arc<Self>) -> Void {
        let Some(tenure) = self.store.tenure() else { return std::future::pending().await };
        let mut looks = tokio::time::interval(LOOK_EVERY);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = looks.tick() => {}
                () = tenure.doubted() => {}
                () = self.mesh.look.notified() => {}
                () = self.hurry.notified() => {}
            }
            match self.look(tenure).await {
                Ok(Some(void)) => {
                    self.give_up();
                    return void;
                }
                Ok(None) => {}
                Err(error) => {
                    self.seen().renewals = 0;
                    warn!(%error, "the lease is not renewed: asking again");
                }
            }
        }
    }

    /// Nothing is held any more, and nobody is spoken to.
    fn give_up(&self) {
        self.link.abort();
        self.mesh.set_open(false);
        self.mesh.away.lose_all();
        Shard::all().for_each(|shard| self.mesh.claims.lose(shard));
        self.seen().give_up();
    }

    /// Hands over what this node holds, for as long as there is somebody to take it.
    pub(crate) async fn leave(&self) {
        self.leaving.store(true, Ordering::Release);
        self.hurry.notify_one();
        loop {
            let is_done = {
                let seen = self.seen();
                let me = self.mesh.claims.node();
                let others = seen.view.members.iter().filter(|member| member.node != me);
                let is_last = others.filter(|member| !member.leaving && !member.is_dead()).count() == 0;
                !seen.is_moving() && (is_last || self.mesh.claims.count() == 0)
            };
            if is_done {
                return;
            }
            tokio::time::sleep(TAKEN_EVERY).await;
        }
    }

    /// Renews the lease, sees who is there, and does what is to be done about it.
    async fn look(self: &Arc<Self>, tenure: &Tenure) -> sqlx::Result<Option<Void>> {
        let unknown = self.seen().take_unknown();
        let (leaving, closed_by) =
            (self.leaving.load(Ordering::Acquire), self.closed_by.load(Ordering::Acquire));
        let looked = tenure.look(leaving, closed_by).await;
        let view = match looked.inspect_err(|_| self.seen().is_unknown(unknown.clone()))? {
            Ok(view) => view,
            Err(void) => return Ok(Some(void)),
        };
        let nodes: BTreeSet<Uuid> = view.members.iter().map(|member| member.node).collect();
        let (changed, plan) = {
            let mut seen = self.seen();
            let changed = seen.see(view, &unknown);
            self.mesh.route(&seen.view);
            (changed, plan(&seen.view, &self.mesh.claims, seen.renewals))
        };
        self.engine.people().nodes(&nodes);
        self.mind_changes(&changed);
        let buried = if plan.bury.is_empty() { Vec::new() } else { tenure.bury(&plan.bury).await? };
        for node in &buried {
            warn!(%node, "a node has fallen silent: its shards go to others");
        }
        let claimed = tenure.claim(&plan.claim).await?;
        if !claimed.is_empty() {
            info!(shards = claimed.len(), "claimed what nobody held");
            self.seen().give(self.mesh.claims.node(), &claimed);
            self.mind_changes(&claimed.iter().map(|(shard, _)| *shard).collect());
        }
        for (to, shards) in plan.hand_over {
            self.hand_over(to, shards);
        }
        let given = self.seen().given(&self.mesh.claims);
        self.take(given);
        self.drop_lost();
        if !buried.is_empty() {
            self.hurry.notify_one();
        }
        if !(buried.is_empty() && claimed.is_empty()) {
            self.mesh.say(Outgoing::ToAll(message::Message::Look));
        }
        metrics::gauge!("spotter_cluster_shards").set(self.mesh.claims.count() as f64);
        metrics::gauge!("spotter_cluster_nodes").set(nodes.len() as f64);
        Ok(None)
    }

    /// Sends what is awake of closed gyms to rest each second, until this node is gone. Beside the lease: what waits for one
    /// of the readers' connections must not keep it from being renewed.
    async fn keep_closing_gyms(this: Weak<Self>) {
        let mut looks = tokio::time::interval(LOOK_EVERY);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            looks.tick().await;
            let Some(cluster) = this.upgrade() else { return };
            if let Err(error) = cluster.close_gyms().await {
                warn!(%error, "closed gyms cannot be read: asking again");
            }
        }
    }

    /// Sends what is awake of closed gyms to rest, whichever node closed them.
    async fn close_gyms(&self) -> Result<(), AccountError> {
        // In this order: what is closed later is told of with a later version.
        let version = self.accounts.policy_version().await?;
        let closed = self.accounts.closed_gyms().await?;
        let awake: usize = closed.into_iter().map(|gym| self.engine.close_gym(gym)).sum();
        if awake == 0 {
            self.closed_by.store(version, Ordering::Release);
        }
        Ok(())
    }

    /// Who listens to people whose shards have changed hands may have missed what their holder had no time to tell.
    fn mind_changes(&self, changed: &BTreeSet<Shard>) {
        if changed.is_empty() {
            return;
        }
        let owners = self.mesh.local.owners();
        for owner in owners.into_iter().filter(|owner| changed.contains(&Shard::of(*owner))) {
            self.mesh.doubt_here(owner);
        }
    }

    /// Serves shards that are this node's from now on, once nothing is awake that remembers an earlier time.
    fn take(self: &Arc<Self>, shards: Vec<(Shard, Epoch)>) {
        let Some(moving) = self.begin_to_move(shards.iter().map(|(shard, _)| *shard)) else { return };
        let cluster = Arc::clone(self);
        tokio::spawn(async move {
            cluster.engine.clear(&moving).await;
            // A gym that was closed while others held these has nothing that wakes.
            match cluster.close_gyms().await {
                Ok(()) => shards.iter().for_each(|(shard, epoch)| cluster.mesh.claims.take(*shard, *epoch)),
                Err(error) => {
                    warn!(%error, "shards are not served yet: asking again");
                    tokio::time::sleep(LOOK_EVERY).await;
                }
            }
            cluster.moved(&moving);
        });
    }

    /// Hands shards to another node, once everything that was admitted to them is written.
    fn hand_over(self: &Arc<Self>, to: Uuid, shards: Vec<(Shard, Epoch)>) {
        let Some(moving) = self.begin_to_move(shards.iter().map(|(shard, _)| *shard)) else { return };
        moving.iter().for_each(|shard| self.mesh.claims.close(*shard));
        let cluster = Arc::clone(self);
        tokio::spawn(async move {
            cluster.engine.clear(&moving).await;
            let Some(tenure) = cluster.store.tenure() else { return };
            let turn = cluster.handing.lock().await;
            let handed = tenure.hand_over(to, &shards).await;
            drop(turn);
            match handed {
                Ok(theirs) => {
                    info!(shards = theirs.len(), %to, "handed over");
                    theirs.iter().for_each(|(shard, _)| cluster.mesh.claims.lose(*shard));
                    cluster.seen().give(to, &theirs);
                    cluster.moved(&moving);
                }
                Err(error) => {
                    warn!(%error, "whether shards were handed over is not known: looking");
                    cluster.seen().is_unknown(moving);
                    cluster.hurry.notify_one();
                }
            }
            cluster.mesh.say(Outgoing::ToAll(message::Message::Look));
        });
    }

    /// Lets go of what was this node's and is another's.
    fn drop_lost(self: &Arc<Self>) {
        let lost = self.seen().lost(&self.mesh.claims);
        let Some(moving) = self.begin_to_move(lost.into_iter()) else { return };
        moving.iter().for_each(|shard| self.mesh.claims.lose(*shard));
        let cluster = Arc::clone(self);
        tokio::spawn(async move {
            cluster.engine.clear(&moving).await;
            cluster.moved(&moving);
        });
    }

    /// Marks shards as moving; `None` when there are none.
    fn begin_to_move(&self, shards: impl Iterator<Item = Shard>) -> Option<BTreeSet<Shard>> {
        let shards: BTreeSet<Shard> = shards.collect();
        self.seen().begin_to_move(&shards);
        Some(shards).filter(|shards| !shards.is_empty())
    }

    fn moved(&self, shards: &BTreeSet<Shard>) {
        self.seen().moved(shards);
        self.hurry.notify_one();
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        self.link.abort();
    }
}
