//! The node of this process, as those who archive find it.

use std::sync::Arc;

use spotter_actors::{Engine, Journal, StoreError};
use spotter_protocol::{SHARDS, StreamId};
use uuid::Uuid;

use super::turn::Turn;
use super::{Left, Taken};
use crate::store::{Month, Store, TakenAway};

/// What a node archives with. Its clones are the same node.
#[derive(Clone)]
pub struct Here {
    /// Moves entities.
    pub(super) engine: Arc<Engine>,
    /// Takes months away.
    pub(super) store: Arc<Store>,
    turn: Arc<Turn>,
}

/// Why nothing was moved or taken away.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    /// Name an earlier month.
    #[error("only months that are over can be archived")]
    NotOver,
    /// Wait until they are done.
    #[error(
        "somebody else archives just now: try again when that is done, or a minute after it was broken off"
    )]
    OthersTurn,
    /// Look at the node's own database.
    #[error("the node serves another database than the one that was looked at")]
    OtherHistory,
    /// Ask it when it serves alone.
    #[error(
        "this node does not hold all shards: months are taken away by a node that does, so let the others end first"
    )]
    Fenced,
    /// Try again in a moment.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Here {
    /// The node of that engine.
    pub fn new(engine: Arc<Engine>, store: Arc<Store>) -> Self {
        Self { engine, store, turn: Arc::default() }
    }

    /// Gives the turn to `by`, or lets them keep it.
    ///
    /// # Errors
    /// [`Refused::OthersTurn`] while another has it; [`Refused::Fenced`] while other nodes hold shards.
    pub fn turn(&self, by: Uuid) -> Result<(), Refused> {
        if self.engine.claims().count() < usize::from(SHARDS) {
            return Err(Refused::Fenced);
        }
        if self.turn.take(by) { Ok(()) } else { Err(Refused::OthersTurn) }
    }

    /// Ends the turn of `by`.
    pub fn end(&self, by: Uuid) {
        self.turn.end(by);
    }

    /// Lets some of the entities leave whose stream began before `before`: those behind a stream, for `by`.
    ///
    /// # Errors
    /// See [`Refused`].
    pub async fn leave(&self, by: Uuid, before: Month, after: Option<StreamId>) -> Result<Left, Refused> {
        if before > self.present() {
            return Err(Refused::NotOver);
        }
        self.turn(by)?;
        let boundary = before.streams().start;
        let archived = self.engine.archive(boundary, after.unwrap_or(StreamId(Uuid::nil()))).await?;
        let (moved, busy, stuck) = (archived.moved, archived.busy, archived.stuck);
        Ok(Left { moved, busy, stuck, after: archived.last })
    }

    /// Takes a month away, or a part of it, for `by`, who has looked at the history `incarnation`.
    ///
    /// # Errors
    /// See [`Refused`].
    pub async fn take_away(&self, by: Uuid, month: Month, incarnation: Uuid) -> Result<Taken, Refused> {
        if month >= self.present() {
            return Err(Refused::NotOver);
        }
        if incarnation != self.store.incarnation() {
            return Err(Refused::OtherHistory);
        }
        self.turn(by)?;
        Ok(match self.store.take_away(&self.engine.claims().now(), month).await? {
            TakenAway::Whole => {
                tracing::info!(%month, "a month of the journal was taken away");
                Taken::Whole
            }
            TakenAway::Partly => Taken::Partly,
            TakenAway::LivedIn(entities) => Taken::LivedIn { entities },
            TakenAway::Busy => Taken::Busy,
            TakenAway::Fenced => return Err(Refused::Fenced),
        })
    }

    /// The month that is not over.
    pub(super) fn present(&self) -> Month {
        Month::of(self.engine.clock().now())
    }
}
