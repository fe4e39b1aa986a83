//! Removing a gym from a running node. There is one order: the gym is closed, so that nobody of it is known any more;
//! its sockets end and its entities go to rest; only then its rows go. Each request does a part, and a repeat goes on
//! where the last one ended, also in another process. A node removes what is in its own shards; where several serve, each
//! does its part by itself.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use spotter_actors::{Engine, StoreError};
use spotter_protocol::GymId;
use tokio::time::MissedTickBehavior;
use tracing::{info, warn};

use crate::accounts::{AccountError, Accounts, Slug};
use crate::socket::Registry;
use crate::store::{Removed, Store};

/// Portions of rows that go by one request.
const PORTIONS_MAX: usize = 8;
/// How often a node that is one of several looks for gyms that leave.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How long whoever asked waits when only other nodes have something left to remove.
const OTHERS_TAKE: Duration = Duration::from_millis(200);

/// What a node removes gyms with. Its clones are the same node.
#[derive(Clone)]
pub struct Removal {
    engine: Arc<Engine>,
    store: Arc<Store>,
    registry: Arc<Registry>,
    accounts: Accounts,
    /// The gyms whose removal was asked for here: once one is gone, its slug is unknown.
    asked: Arc<Mutex<BTreeSet<Slug>>>,
    /// Closed gyms that other nodes may still serve, each with a policy version by which it was closed.
    closing: Arc<Mutex<BTreeMap<GymId, i64>>>,
}

/// How far it is.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum Leaving {
    /// Nothing of the gym is left.
    Whole,
    /// Ask again.
    Partly {
        /// Entities that are not at rest yet.
        awake: u64,
        /// People who are not gone yet.
        people: u64,
    },
}

/// Why nothing was removed.
#[derive(Debug, thiserror::Error)]
pub enum NotRemoved {
    /// There is no such gym, or the database did not answer.
    #[error(transparent)]
    Account(#[from] AccountError),
    /// Ask the node that has them.
    #[error("this node does not hold the shards any more")]
    Fenced,
    /// Try again in a moment.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Removal {
    /// The node of that engine. Gyms whose removal an earlier process began are closed to it from the start.
    ///
    /// # Errors
    /// When the database does not answer.
    pub(crate) async fn new(
        engine: Arc<Engine>,
        store: Arc<Store>,
        registry: Arc<Registry>,
    ) -> Result<Self, AccountError> {
        let accounts = Accounts::new(store.db());
        for gym in accounts.closed_gyms().await? {
            engine.close_gym(gym);
        }
        Ok(Self { engine, store, registry, accounts, asked: Arc::default(), closing: Arc::default() })
    }

    /// Removes what is in this node's shards of every gym that is closed, whoever closed it, for as long as it is polled.
    pub(crate) async fn keep(self) {
        let mut looks = tokio::time::interval(LOOK_EVERY);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            looks.tick().await;
            if let Err(error) = self.look().await {
                warn!(%error, "gyms that leave are not removed yet: trying again");
            }
        }
    }

    async fn look(&self) -> Result<(), NotRemoved> {
        for gym in self.accounts.closed_gyms().await? {
            self.remove(gym).await?;
        }
        Ok(())
    }

    /// Does a part of removing the gym of that slug.
    ///
    /// # Errors
    /// See [`NotRemoved`]; once a gym is gone, its slug is unknown.
    pub async fn go_on(&self, slug: &Slug) -> Result<Leaving, NotRemoved> {
        match self.go_on_with(slug).await {
            // Somebody else who asked was quicker, or another node.
            Err(NotRemoved::Account(AccountError::UnknownGym(_))) if locked(&self.asked).remove(slug) => {
                Ok(Leaving::Whole)
            }
            Ok(Leaving::Whole) => {
                info!(%slug, "a gym was removed");
                locked(&self.asked).remove(slug);
                Ok(Leaving::Whole)
            }
            other => other,
        }
    }

    async fn go_on_with(&self, slug: &Slug) -> Result<Leaving, NotRemoved> {
        let gym = self.accounts.close_gym(slug, self.engine.clock().now()).await?;
        locked(&self.asked).insert(slug.clone());
        let (removed, awake) = self.remove(gym).await?;
        if removed == Removed::Whole {
            return Ok(Leaving::Whole);
        }
        if removed == Removed::OthersTurn {
            tokio::time::sleep(OTHERS_TAKE).await;
        }
        let left = self.accounts.census(slug).await?;
        Ok(Leaving::Partly { awake, people: left.athletes + left.staff })
    }

    /// Removes some of a closed gym; answers how many of its entities are still awake here, and nothing was removed as
    /// long as there are any.
    async fn remove(&self, gym: GymId) -> Result<(Removed, u64), NotRemoved> {
        // Here and not only where changed rights are looked for: the gym may be gone before the next look.
        self.registry.judge_again(gym);
        let awake = self.engine.close_gym(gym) as u64;
        if !self.is_closed_everywhere(gym).await? {
            return Ok((Removed::OthersTurn, awake));
        }
        let mut removed = Removed::Partly;
        for _ in 0..if awake == 0 { PORTIONS_MAX } else { 0 } {
            removed = match self.store.remove_some(&self.engine.claims().now(), gym).await? {
                Removed::Fenced => return Err(NotRemoved::Fenced),
                // Somebody else who asked was quicker.
                Removed::Open => Removed::Whole,
                removed @ (Removed::Whole | Removed::Partly | Removed::OthersTurn) => removed,
            };
            if removed != Removed::Partly {
                break;
            }
        }
        if removed == Removed::Whole {
            locked(&self.closing).remove(&gym);
        }
        Ok((removed, awake))
    }

    /// Whether no node serves the gym any more, not even one that was about to write when it was closed.
    async fn is_closed_everywhere(&self, gym: GymId) -> Result<bool, AccountError> {
        let known = locked(&self.closing).get(&gym).copied();
        let version = match known {
            Some(version) => version,
            None => {
                let version = self.accounts.policy_version().await?;
                *locked(&self.closing).entry(gym).or_insert(version)
            }
        };
        self.accounts.is_closed_everywhere(version).await
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
