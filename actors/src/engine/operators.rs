//! What an operator asks of the engine: entities in quarantine, commands that were given up, and gyms that leave.

use spotter_protocol::{Address, ErrorCode, Fault, GymId};
use tokio::sync::oneshot;
use tracing::info;

use super::Engine;
use crate::ask::{Answer, Done, ReplyTo};
use crate::{DeadLetter, DeadLetterId, Quarantined, StoreError};

impl Engine {
    /// The entities in quarantine, longest first: their commands are answered `quarantined`, everybody else's
    /// go on.
    pub fn quarantined(&self) -> Vec<Quarantined> {
        self.directory.quarantined()
    }

    /// Lets the next command start an entity in quarantine again; false when it is in none.
    pub fn release(&self, address: Address) -> bool {
        let is_released = self.directory.release(address);
        if is_released {
            info!(%address, "entity released from quarantine");
        }
        is_released
    }

    /// The commands that were given up, newest first.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn dead_letters(&self) -> Result<Vec<DeadLetter>, StoreError> {
        self.ports.dead_letters.dead_letters().await
    }

    /// Sends a command that was given up to its entity again, and keeps it no more once it is accepted. It
    /// takes its own place in time. One that the journal holds after all is not done again, as long as the month of
    /// its events has not been taken away. `None` when there is none of that id.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn offer_again(&self, id: DeadLetterId) -> Result<Option<Answer>, StoreError> {
        let Some(letter) = self.ports.dead_letters.dead_letter(id).await? else { return Ok(None) };
        // Its sender may have missed that it was given up, and sent it again with more luck.
        let DeadLetter { gym, address, command, .. } = letter;
        if let Some(version) = self.ports.journal.version_of(gym, address, command).await? {
            self.ports.dead_letters.discard(id).await?;
            return Ok(Some(Ok(Done { version, repeat: true })));
        }
        let (sender, answer) = oneshot::channel();
        let reply = ReplyTo::new(move |answer| {
            // The operator may have hung up.
            let _ = sender.send(answer);
        });
        let Some(ask) = letter.ask_again(reply) else {
            let fault = Fault::saying(ErrorCode::BadFrame, "this build cannot read the command");
            return Ok(Some(Err(fault)));
        };
        self.dispatch(ask);
        let answer = answer.await.unwrap_or_else(|_| Err(Fault::new(ErrorCode::Unavailable)));
        if answer.is_ok() {
            self.ports.dead_letters.discard(id).await?;
        }
        Ok(Some(answer))
    }

    /// Closes a gym: its entities go to rest, and none of them wakes while this engine runs. Whoever sends a command is
    /// answered as if the entity had never been there. Answers how many entities are still awake; what they have admitted
    /// they finish, and nothing is written to any other.
    pub fn close_gym(&self, gym: GymId) -> usize {
        self.directory.close_gym(gym)
    }

    /// Keeps a command that was given up no more; false when there is none of that id.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn discard(&self, id: DeadLetterId) -> Result<bool, StoreError> {
        self.ports.dead_letters.discard(id).await
    }
}
