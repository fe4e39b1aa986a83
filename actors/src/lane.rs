//! A group-commit pipeline. One statement is in flight; what arrives meanwhile is the next batch, without a
//! timer: the commit itself is the window in which a batch gathers.

use std::sync::Arc;
use std::time::Duration;

use spotter_protocol::Shard;
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;
use tracing::{error, warn};
use uuid::Uuid;

use crate::{Append, Journal, Outcome, SnapshotWrite};

/// Writes that may wait for a lane; the engine admits fewer commands than that.
const QUEUE_MAX: usize = 16_384;
/// Writes in one statement.
const BATCH_MAX: usize = 512;
/// Bytes of bodies in one statement; a batch ends with the write that passes it.
const BATCH_BYTES_MAX: usize = 4 * 1024 * 1024;
/// How often rows whose outcome is unknown are offered again, before their actors are told so.
const OFFERS_MAX: u32 = 12;
/// The first wait between two offers; it doubles up to [`OFFER_WAIT_MAX`].
const OFFER_WAIT: Duration = Duration::from_millis(10);
/// The longest wait between two offers.
const OFFER_WAIT_MAX: Duration = Duration::from_secs(1);

/// The outcome of a write is unknown: the store did not answer, however often it was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the store does not answer: the outcome of the write is unknown")]
pub(crate) struct Unknown;

enum Write {
    Append(Box<Append>, oneshot::Sender<Result<Outcome, Unknown>>),
    Save(Box<SnapshotWrite>, oneshot::Sender<()>),
}

/// The lanes of a node. What belongs to one shard goes through one lane, in order.
#[derive(Clone)]
pub(crate) struct Lanes {
    lanes: Arc<[mpsc::Sender<Write>]>,
}

impl Lanes {
    /// Starts `count` lanes, at least one, that write to `journal` in the name of `node`. A lane ends with
    /// the last handle to it, after what was offered before.
    pub(crate) fn start(journal: &Arc<dyn Journal>, node: Uuid, count: usize) -> Self {
        let start = |number: usize| {
            let (sender, receiver) = mpsc::channel(QUEUE_MAX);
            tokio::spawn(run(Arc::clone(journal), node, number, receiver));
            sender
        };
        Self { lanes: (0..count.max(1)).map(start).collect() }
    }

    /// Writes events and waits for the commit.
    pub(crate) async fn append(&self, append: Append) -> Result<Outcome, Unknown> {
        let (done, outcome) = oneshot::channel();
        let shard = append.address.shard();
        self.offer(shard, Write::Append(Box::new(append), done)).await;
        outcome.await.unwrap_or(Err(Unknown))
    }

    /// Writes a snapshot and waits until it is written or given up: snapshots are discardable.
    pub(crate) async fn save(&self, snapshot: SnapshotWrite) {
        let (done, saved) = oneshot::channel();
        let shard = snapshot.address.shard();
        self.offer(shard, Write::Save(Box::new(snapshot), done)).await;
        // Dropped unsent when the lane ended first: as good as given up.
        let _ = saved.await;
    }

    async fn offer(&self, shard: Shard, write: Write) {
        let lane = &self.lanes[usize::from(shard.number()) % self.lanes.len()];
        // A lane that ended drops the write, and with it the sender its writer waits on.
        let _ = lane.send(write).await;
    }
}

async fn run(journal: Arc<dyn Journal>, node: Uuid, number: usize, mut queue: mpsc::Receiver<Write>) {
    let behind = metrics::gauge!("spotter_journal_queue_writes", "lane" => number.to_string());
    let mut writes = Vec::with_capacity(BATCH_MAX);
    while queue.recv_many(&mut writes, BATCH_MAX).await > 0 {
        behind.set(queue.len() as f64);
        let mut appends = Vec::new();
        let mut waiting = Vec::new();
        let mut snapshots = Vec::new();
        let mut savers = Vec::new();
        let mut bytes = 0;
        for write in writes.drain(..) {
            match write {
                Write::Append(append, done) => {
                    bytes += append.events.iter().map(|event| event.body.len()).sum::<usize>();
                    appends.push(*append);
                    waiting.push(done);
                    if bytes > BATCH_BYTES_MAX {
                        commit(&*journal, node, &mut appends, &mut waiting).await;
                        bytes = 0;
                    }
                }
                Write::Save(snapshot, done) => {
                    snapshots.push(*snapshot);
                    savers.push(done);
                }
            }
        }
        commit(&*journal, node, &mut appends, &mut waiting).await;
        if !snapshots.is_empty() {
            if let Err(error) = journal.save(node, &snapshots).await {
                warn!(%error, count = snapshots.len(), "snapshots not saved");
            }
            for saver in savers {
                let _ = saver.send(());
            }
        }
    }
}

/// Commits a batch and answers its writers, who wait until the outcome is known or given up.
async fn commit(
    journal: &dyn Journal,
    node: Uuid,
    appends: &mut Vec<Append>,
    waiting: &mut Vec<oneshot::Sender<Result<Outcome, Unknown>>>,
) {
    if appends.is_empty() {
        return;
    }
    metrics::histogram!("spotter_journal_batch_appends").record(appends.len() as f64);
    let begun = Instant::now();
    let mut wait = OFFER_WAIT;
    let mut outcomes = Err(Unknown);
    for offer in 1..=OFFERS_MAX {
        match journal.commit(node, appends).await {
            Ok(known) => {
                outcomes = Ok(known);
                break;
            }
            Err(error) if offer < OFFERS_MAX => {
                warn!(%error, offer, "commit outcome unknown: offering the rows again");
                tokio::time::sleep(wait).await;
                wait = (wait * 2).min(OFFER_WAIT_MAX);
            }
            Err(error) => error!(%error, "commit outcome unknown: giving up"),
        }
    }
    metrics::histogram!("spotter_journal_commit_seconds").record(begun.elapsed());
    appends.clear();
    match outcomes {
        Ok(outcomes) => {
            for (waiter, outcome) in waiting.drain(..).zip(outcomes) {
                let _ = waiter.send(Ok(outcome));
            }
        }
        Err(unknown) => {
            for waiter in waiting.drain(..) {
                let _ = waiter.send(Err(unknown));
            }
        }
    }
}
