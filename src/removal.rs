//! Removing a gym from a running node. There is one order: the gym is closed, so that nobody of it is known any more;
//! its sockets end and its entities go to rest; only then its rows go. Each request does a part, and a repeat goes on
//! where the last one ended, also in another process.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use spotter_actors::{Engine, StoreError};

use crate::accounts::{AccountError, Accounts, Slug};
use crate::socket::Registry;
use crate::store::{Removed, Store};

/// Portions of rows that go by one request.
const PORTIONS_MAX: usize = 8;

/// What a node removes gyms with. Its clones are the same node.
#[derive(Clone)]
pub struct Removal {
    engine: Arc<Engine>,
    store: Arc<Store>,
    registry: Arc<Registry>,
    accounts: Accounts,
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
        Ok(Self { engine, store, registry, accounts })
    }

    /// Does a part of removing the gym of that slug.
    ///
    /// # Errors
    /// See [`NotRemoved`]; once a gym is gone, its slug is unknown.
    pub async fn go_on(&self, slug: &Slug) -> Result<Leaving, NotRemoved> {
        let gym = self.accounts.close_gym(slug, self.engine.clock().now()).await?;
        // Here and not only where changed rights are looked for: the gym may be gone before the next look.
        self.registry.judge_again(gym);
        let awake = self.engine.close_gym(gym) as u64;
        if awake == 0 {
            for _ in 0..PORTIONS_MAX {
                match self.store.remove_some(&self.engine.claims().now(), gym).await? {
                    Removed::Partly => {}
                    Removed::Fenced => return Err(NotRemoved::Fenced),
                    // Somebody else who asked was quicker.
                    Removed::Whole | Removed::Open => {
                        tracing::info!(%slug, %gym, "a gym was removed");
                        return Ok(Leaving::Whole);
                    }
                }
            }
        }
        let left = self.accounts.census(slug).await?;
        Ok(Leaving::Partly { awake, people: left.athletes + left.staff })
    }
}
