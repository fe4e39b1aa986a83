//! Commands that the server gave up: kept for an operator, who reads them, offers them again or discards them.

use std::sync::Arc;

use async_trait::async_trait;
use spotter_protocol::{
    Address, ClientFrame, ClientId, Codec, CommandFrame, CommandId, ErrorCode, Fault, GymId, Millis,
    Timestamp, UserId,
};
use tracing::{error, warn};
use uuid::Uuid;

use crate::ask::{Ask, ReplyTo};
use crate::{Clock, StoreError};

/// Commands given up that are kept. One more is not given up: it is answered `unavailable`, stays with its
/// sender, and its entity ends in quarantine.
pub const DEAD_LETTERS_MAX: u32 = 10_000;
/// How long a client waits before it sends again what could not be kept.
const RETRY: Millis = Millis(5_000);

/// Names a dead letter: the same each time the same command is given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DeadLetterId(pub Uuid);

/// A command that the server gave up. It changed nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeadLetter {
    /// Its name.
    pub id: DeadLetterId,
    /// The tenant.
    pub gym: GymId,
    /// The entity it was for.
    pub address: Address,
    /// Who sent it.
    pub author: UserId,
    /// The command's id.
    pub command: CommandId,
    /// The command's name.
    pub kind: String,
    /// Server minus device clock when it was received, in microseconds.
    pub offset: i64,
    /// When it was received.
    pub received_at: Timestamp,
    /// When it was given up.
    pub given_up_at: Timestamp,
    /// How the entity failed on it.
    pub why: String,
    /// The command as it came: a frame in JSON.
    pub frame: String,
}

/// Where commands that were given up are kept, over restarts.
#[async_trait]
pub trait DeadLetters: Send + Sync + 'static {
    /// Keeps a letter in place of an older one of that id; false when [`DEAD_LETTERS_MAX`] others are kept.
    ///
    /// # Errors
    /// When the store does not answer; it may be kept or not.
    async fn keep(&self, letter: &DeadLetter) -> Result<bool, StoreError>;

    /// Every letter, newest first.
    ///
    /// # Errors
    /// When the store does not answer, or a letter cannot be read.
    async fn dead_letters(&self) -> Result<Vec<DeadLetter>, StoreError>;

    /// One letter; `None` when there is none of that id.
    ///
    /// # Errors
    /// When the store does not answer, or the letter cannot be read.
    async fn dead_letter(&self, id: DeadLetterId) -> Result<Option<DeadLetter>, StoreError>;

    /// Keeps it no more; false when there was none.
    ///
    /// # Errors
    /// When the store does not answer.
    async fn discard(&self, id: DeadLetterId) -> Result<bool, StoreError>;
}

impl DeadLetter {
    /// The letter of a command that is given up at `given_up_at`.
    pub fn of(ask: &Ask, why: String, given_up_at: Timestamp) -> Self {
        let Ask { frame, author, .. } = ask;
        let address = frame.to;
        let name = [address.owner.0, address.id, author.0].map(Uuid::into_bytes).concat();
        let frame_json = ClientFrame::Command(frame.clone()).encode(Codec::Json);
        Self {
            id: DeadLetterId(Uuid::new_v5(&frame.id.0, &name)),
            gym: ask.gym,
            address,
            author: *author,
            command: frame.id,
            kind: frame.command.kind().as_str().to_owned(),
            offset: ask.offset,
            received_at: ask.received_at,
            given_up_at,
            why,
            frame: String::from_utf8_lossy(&frame_json).into_owned(),
        }
    }

    /// The command once more, at its own place in time. It stands in no queue any more, so it is counted by
    /// itself: offered twice, it is done once. `None` when this build cannot read it.
    pub fn ask_again(&self, reply: ReplyTo) -> Option<Ask> {
        let Ok(ClientFrame::Command(frame)) = ClientFrame::decode(Codec::Json, self.frame.as_bytes()) else {
            return None;
        };
        let frame = CommandFrame { client: ClientId(self.id.0), n: 1, after: 0, ..frame };
        Some(Ask::new(self.gym, self.author, frame, self.offset, self.received_at, reply))
    }
}

/// Gives a command up: keeps it for an operator, and then tells its sender. The server's own commands are not
/// kept: what caused them asks again.
pub(crate) async fn give_up(store: Arc<dyn DeadLetters>, clock: Arc<dyn Clock>, ask: Ask, why: String) {
    let letter = DeadLetter::of(&ask, why, clock.now());
    let kept = if ask.frame.client == ClientId::SERVER { Ok(true) } else { store.keep(&letter).await };
    ask.reply.send(Err(match kept {
        Ok(true) => {
            metrics::counter!("spotter_commands_abandoned_total").increment(1);
            error!(
                address = %letter.address,
                command = %letter.command,
                kind = letter.kind,
                why = letter.why,
                "a command was given up"
            );
            Fault::new(ErrorCode::Abandoned)
        }
        Ok(false) => {
            error!(address = %letter.address, "dead letters are full: offer them again or discard them");
            Fault::retry(ErrorCode::Unavailable, RETRY)
        }
        Err(error) => {
            warn!(address = %letter.address, %error, "a dead letter was not kept");
            Fault::retry(ErrorCode::Unavailable, RETRY)
        }
    }));
}
