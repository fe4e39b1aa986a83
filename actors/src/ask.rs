//! A command on its way to its entity, and its way back.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use spotter_protocol::{
    Address, ClientId, Command, CommandFrame, CommandId, ErrorCode, Fault, GymId, Millis, Timestamp, UserId,
    Version,
};

use crate::LetterId;

/// What a command is answered: that it is durable, or why not.
pub type Answer = Result<Done, Fault>;

/// An accepted command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Done {
    /// The version that holds its events.
    pub version: Version,
    /// Whether it had been accepted before, so that this time nothing changed.
    pub repeat: bool,
}

/// A command, admitted or about to be.
pub struct Ask {
    /// The tenant, from the token.
    pub gym: GymId,
    /// Who sends it.
    pub author: UserId,
    /// The command as it came.
    pub frame: CommandFrame,
    /// Server minus device clock on its connection, in microseconds.
    pub offset: i64,
    /// When it was received.
    pub received_at: Timestamp,
    /// Where the answer goes.
    pub reply: ReplyTo,
    /// The letter that the command came in, deleted with its effect.
    pub(crate) carries: Option<LetterId>,
    /// It is for this node or for nobody: another has handed it over, or it carries a letter.
    pub(crate) stays: bool,
    /// Its place before the node, once admitted.
    pub(crate) place: Option<Admitted>,
}

impl Ask {
    /// A command not yet admitted.
    pub fn new(
        gym: GymId,
        author: UserId,
        frame: CommandFrame,
        offset: i64,
        received_at: Timestamp,
        reply: ReplyTo,
    ) -> Self {
        Self { gym, author, frame, offset, received_at, reply, carries: None, stays: false, place: None }
    }

    /// A command of the server's own, in the name of `author`. It has no number: the state alone says whether it
    /// is done.
    #[expect(clippy::too_many_arguments, reason = "each is a different thing, and all are needed")]
    pub fn of_server(
        gym: GymId,
        author: UserId,
        id: CommandId,
        at: Timestamp,
        to: Address,
        command: impl Into<Command>,
        received_at: Timestamp,
        reply: ReplyTo,
    ) -> Self {
        let client = ClientId::SERVER;
        let frame = CommandFrame { req: 0, id, client, n: 0, after: 0, at, to, command: command.into() };
        Self::new(gym, author, frame, 0, received_at, reply)
    }

    /// The same, come in a letter.
    pub(crate) fn carrying(self, letter: LetterId) -> Self {
        Self { carries: Some(letter), ..self.staying() }
    }

    /// The same, not to be handed to another node.
    #[must_use]
    pub fn staying(self) -> Self {
        Self { stays: true, ..self }
    }

    /// The entity it is for.
    pub const fn address(&self) -> Address {
        self.frame.to
    }

    /// What is asked.
    pub const fn command(&self) -> &Command {
        &self.frame.command
    }
}

/// Answers a command exactly once. Dropped unanswered, as when an actor ends with commands in its queue, it
/// says that the outcome is unknown and the command should be sent again.
pub struct ReplyTo(Option<Box<dyn FnOnce(Answer) + Send>>);

/// How long to wait before sending again what a failing actor may or may not have done.
const RETRY_UNKNOWN: Millis = Millis(200);

impl ReplyTo {
    /// Answers by calling `send`, which must neither block nor wait.
    pub fn new(send: impl FnOnce(Answer) + Send + 'static) -> Self {
        Self(Some(Box::new(send)))
    }

    /// Answers.
    pub fn send(mut self, answer: Answer) {
        if let Some(send) = self.0.take() {
            send(answer);
        }
    }
}

impl Drop for ReplyTo {
    fn drop(&mut self) {
        if let Some(send) = self.0.take() {
            send(Err(Fault::retry(ErrorCode::Unavailable, RETRY_UNKNOWN)));
        }
    }
}

/// Counts what is under way against a bound. Pressure is felt here and not in mailboxes, which have none.
#[derive(Debug, Default)]
pub(crate) struct Gate(AtomicU32);

/// A place behind a gate, given back when dropped.
pub(crate) struct Admitted(Arc<Gate>);

impl Gate {
    /// Takes a place, when fewer than `max` are taken.
    pub(crate) fn admit(self: &Arc<Self>, max: u32) -> Option<Admitted> {
        let taken = self
            .0
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |taken| (taken < max).then_some(taken + 1));
        taken.ok().map(|_| Admitted(Arc::clone(self)))
    }
}

impl Drop for Admitted {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;

    #[test]
    fn a_dropped_reply_says_that_the_outcome_is_unknown() {
        let (sender, answers) = mpsc::channel();
        drop(ReplyTo::new(move |answer| sender.send(answer).unwrap()));
        assert_eq!(answers.recv().unwrap().unwrap_err().code, ErrorCode::Unavailable);
        assert!(answers.recv().is_err(), "answered once");
    }

    #[test]
    fn a_gate_lets_no_more_through_than_its_bound() {
        let gate = Arc::new(Gate::default());
        let inside = [gate.admit(2), gate.admit(2), gate.admit(2)];
        assert_eq!(inside.iter().filter(|place| place.is_some()).count(), 2);
        drop(inside);
        assert!(gate.admit(1).is_some(), "a place is given back");
    }
}
