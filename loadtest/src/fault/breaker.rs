//! Breaks what is planned, when it is planned, and watches until everybody has again all that is theirs.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::Context;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

use super::{Planned, What};
use crate::cluster::Cluster;
use crate::ledger::{Client, Ledger, Owed};
use crate::phone::ReaderOrders;
use crate::schedule::{PhoneOrder, ReaderOrder};
use crate::server::Server;
use crate::tally::Tally;
use crate::{postgres, redis};

/// How often the ledger is asked whether all is well again.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Everything that can be broken.
pub(crate) struct Breaker<'a> {
    pub(crate) cluster: Option<&'a Cluster>,
    pub(crate) phones: Vec<mpsc::UnboundedSender<(PhoneOrder, Instant)>>,
    pub(crate) readers: Vec<ReaderOrders>,
    pub(crate) ledger: &'a Arc<Mutex<Ledger>>,
    pub(crate) tally: &'a Arc<Tally>,
    /// Whether the run is over: what is not well then never was.
    pub(crate) stopped: watch::Receiver<bool>,
    /// Whether nothing more is to be broken.
    pub(crate) over: watch::Receiver<bool>,
}

impl Breaker<'_> {
    /// Breaks one thing after the other, and tells the tally. What is answered ends when all is well again, or the run is over.
    pub(crate) async fn follow(mut self, plan: Vec<Planned>, begun: Instant) -> JoinSet<()> {
        let mut watched = JoinSet::new();
        for planned in plan {
            let due = begun + planned.at;
            tokio::select! {
                () = tokio::time::sleep_until(due.into()) => {}
                _ = self.over.changed() => break,
            }
            let (broken_at, at) = (Instant::now(), begun.elapsed().as_secs_f64());
            let what = planned.name();
            let fault = self.tally.broken(at, &what);
            let hit = self.hit(&planned);
            let anew = lock(self.ledger).anew(&hit);
            if let Err(error) = self.break_it(&planned, due).await {
                eprintln!("{:4.0}s  fault: {what}: {error:#}", begun.elapsed().as_secs_f64());
                continue;
            }
            let owed = lock(self.ledger).owed(anew);
            let well = well_again(owed, Arc::clone(self.ledger), self.stopped.clone());
            let tally = Arc::clone(self.tally);
            watched.spawn(async move {
                if well.await {
                    tally.consistent(fault, broken_at);
                }
            });
        }
        watched
    }

    /// Whose connection cannot outlive it.
    fn hit(&self, planned: &Planned) -> Vec<Client> {
        let client = |connection: usize| match connection.checked_sub(self.phones.len()) {
            None => Client::Phone(connection),
            Some(reader) => Client::Reader(reader),
        };
        match planned.what {
            What::CutSockets => planned.hit.iter().copied().map(client).collect(),
            What::KillServer | What::RestartServer => lock(self.ledger).connected(planned.node),
            What::FreezeReaders
            | What::PauseServer
            | What::RestartPostgres
            | What::CrashPostgres
            | What::RestartRedis
            | What::KillRedis => Vec::new(),
        }
    }

    async fn break_it(&self, planned: &Planned, due: Instant) -> anyhow::Result<()> {
        match planned.what {
            What::CutSockets => planned.hit.iter().for_each(|connection| self.cut(*connection, due)),
            What::FreezeReaders => {
                for connection in &planned.hit {
                    let order = ReaderOrder::Freeze(planned.length);
                    // One who has hung up is missed when the ledger is settled.
                    let _ = self.readers[connection - self.phones.len()].send((order, due));
                }
                tokio::time::sleep_until((due + planned.length).into()).await;
            }
            What::PauseServer => self.node(planned)?.pause(planned.length).await?,
            What::KillServer => {
                self.node(planned)?.kill().await?;
                self.node(planned)?.start().await?;
            }
            What::RestartServer => {
                self.node(planned)?.stop().await?;
                self.node(planned)?.start().await?;
            }
            What::RestartPostgres => self.postgres()?.restart(postgres::Ending::Fast).await?,
            What::CrashPostgres => self.postgres()?.restart(postgres::Ending::Immediate).await?,
            What::RestartRedis => self.redis()?.restart(redis::Ending::Asked).await?,
            What::KillRedis => self.redis()?.restart(redis::Ending::Killed).await?,
        }
        Ok(())
    }

    fn cut(&self, connection: usize, due: Instant) {
        // One who has hung up is missed when the ledger is settled.
        let _ = match connection.checked_sub(self.phones.len()) {
            None => self.phones[connection].send((PhoneOrder::Cut, due)).is_ok(),
            Some(reader) => self.readers[reader].send((ReaderOrder::Cut, due)).is_ok(),
        };
    }

    fn cluster(&self) -> anyhow::Result<&Cluster> {
        self.cluster.context("the run started no server")
    }

    fn node(&self, planned: &Planned) -> anyhow::Result<&Server> {
        Ok(self.cluster()?.node(planned.node.unwrap_or(0)))
    }

    fn postgres(&self) -> anyhow::Result<&postgres::Private> {
        self.cluster()?.private_postgres().context("the run started no PostgreSQL")
    }

    fn redis(&self) -> anyhow::Result<&redis::Private> {
        self.cluster()?.private_redis().context("the run started no Redis")
    }
}

/// Whether what is owed was paid before the run was over; answers as soon as it is.
async fn well_again(mut owed: Owed, ledger: Arc<Mutex<Ledger>>, mut stopped: watch::Receiver<bool>) -> bool {
    loop {
        if lock(&ledger).is_paid(&mut owed) {
            return true;
        }
        if *stopped.borrow() {
            return false;
        }
        tokio::select! {
            () = tokio::time::sleep(LOOK_EVERY) => {}
            // What came last is looked at once more.
            _ = stopped.changed() => {}
        }
    }
}

fn lock(ledger: &Mutex<Ledger>) -> MutexGuard<'_, Ledger> {
    ledger.lock().unwrap_or_else(PoisonError::into_inner)
}
