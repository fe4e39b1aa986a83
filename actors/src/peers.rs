//! The other nodes, as the engine sees them.

use spotter_protocol::{ErrorCode, Fault, GymId, Millis, UserId};
use spotter_rules::Connected;

use crate::ask::Ask;

/// How long a client waits whose command has no owner just now, or one that cannot be reached.
const RETRY_ELSEWHERE: Millis = Millis(200);

/// Reaches the nodes that hold what this one does not. Called on the task of whoever asks: it must neither block nor wait.
pub trait Peers: Send + Sync + 'static {
    /// Hands a command to the node that holds its entity's shard, which answers it. Commands for one entity that are
    /// handed over in turn get there in turn, or are answered `unavailable`.
    fn forward(&self, ask: Ask);

    /// Letters wait for somebody whose inbox another node holds. May be lost: that one looks now and then.
    fn hint(&self, gym: GymId, recipient: UserId);

    /// A person's first connection to this node opened, or their last one closed.
    fn presence(&self, user: UserId, here: Connected);
}

/// No other nodes: whose shard is not held here is not to be reached.
#[derive(Clone, Copy, Debug, Default)]
pub struct Alone;

impl Peers for Alone {
    fn forward(&self, ask: Ask) {
        ask.reply.send(Err(elsewhere()));
    }

    fn hint(&self, _: GymId, _: UserId) {}

    fn presence(&self, _: UserId, _: Connected) {}
}

/// What somebody is answered whose command cannot get to its entity just now. Nothing was done.
pub fn elsewhere() -> Fault {
    Fault::retry(ErrorCode::Unavailable, RETRY_ELSEWHERE)
}
