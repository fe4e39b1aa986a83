//! What one entity has to tell another. Entities never call each other: a letter is journaled beside the events
//! that caused it, and delivered as a command of the server's own.

use spotter_protocol::{InboxCommand, UserId};

/// A command on its way to a user's inbox.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Letter {
    /// Whose inbox.
    pub to: UserId,
    /// What it says there.
    pub command: InboxCommand,
}
