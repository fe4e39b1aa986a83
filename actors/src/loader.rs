//! Reading entities that wake. Those that wait together are read together: after a restart everyone comes back at
//! once, and one question for sixty-four costs little more than one for one. A few questions are under way at a time,
//! so that a store that has just come back is not drowned.

use std::collections::BTreeMap;
use std::sync::Arc;

use spotter_protocol::{Address, GymId};
use tokio::sync::{Mutex, mpsc, oneshot};

use crate::{Journal, StoreError, Stored};

/// Questions under way at once.
const QUESTIONS_MAX: usize = 4;
/// Entities of one question.
const TOGETHER_MAX: usize = 64;
/// Entities that may wait to be read; those that wake then wait to be noted.
const QUEUE_MAX: usize = 1_024;

/// Reads entities for whoever wakes them.
#[derive(Clone)]
pub(crate) struct Loader {
    wanted: mpsc::Sender<Wanted>,
}

struct Wanted {
    gym: GymId,
    address: Address,
    found: oneshot::Sender<Result<Option<Stored>, StoreError>>,
}

impl Loader {
    /// Starts to read from `journal`; it ends with the last handle to it.
    pub(crate) fn start(journal: &Arc<dyn Journal>) -> Self {
        let (wanted, queue) = mpsc::channel(QUEUE_MAX);
        let queue = Arc::new(Mutex::new(queue));
        for _ in 0..QUESTIONS_MAX {
            tokio::spawn(run(Arc::clone(journal), Arc::clone(&queue)));
        }
        Self { wanted }
    }

    /// Reads an entity; `None` when this gym has none at the address.
    pub(crate) async fn load(&self, gym: GymId, address: Address) -> Result<Option<Stored>, StoreError> {
        let (found, answer) = oneshot::channel();
        let ended = || StoreError::Unavailable("nothing is read any more".into());
        self.wanted.send(Wanted { gym, address, found }).await.map_err(|_| ended())?;
        answer.await.unwrap_or_else(|_| Err(ended()))
    }
}

async fn run(journal: Arc<dyn Journal>, queue: Arc<Mutex<mpsc::Receiver<Wanted>>>) {
    let mut wanted = Vec::with_capacity(TOGETHER_MAX);
    while queue.lock().await.recv_many(&mut wanted, TOGETHER_MAX).await > 0 {
        let mut by_gym: BTreeMap<GymId, Vec<Wanted>> = BTreeMap::new();
        for one in wanted.drain(..) {
            by_gym.entry(one.gym).or_default().push(one);
        }
        for (gym, these) in by_gym {
            answer(&*journal, gym, these).await;
        }
    }
}

/// Reads entities of a gym. One that cannot be read keeps nobody else from waking: those it was to be read with are read
/// in halves until it stands alone.
async fn answer(journal: &dyn Journal, gym: GymId, wanted: Vec<Wanted>) {
    metrics::histogram!("spotter_entity_batch_loads").record(wanted.len() as f64);
    let mut waiting = vec![wanted];
    while let Some(mut part) = waiting.pop() {
        let addresses: Vec<Address> = part.iter().map(|one| one.address).collect();
        match journal.load_all(gym, &addresses).await {
            Ok(found) => {
                // In the order asked for, without those that are not there.
                let mut found = found.into_iter().peekable();
                for one in part {
                    let stored = found.next_if(|(address, _)| *address == one.address);
                    let _ = one.found.send(Ok(stored.map(|(_, stored)| stored)));
                }
            }
            Err(StoreError::Unreadable(_)) if part.len() > 1 => {
                let second = part.split_off(part.len() / 2);
                waiting.extend([second, part]);
            }
            Err(error) => {
                let why = error.to_string();
                for one in part {
                    let _ = one.found.send(Err(StoreError::Unavailable(why.clone().into())));
                }
            }
        }
    }
}
