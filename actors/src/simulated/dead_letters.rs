//! Dead letters of a simulation.

use async_trait::async_trait;

use super::SimulatedJournal;
use crate::{DEAD_LETTERS_MAX, DeadLetter, DeadLetterId, DeadLetters, StoreError};

#[async_trait]
impl DeadLetters for SimulatedJournal {
    async fn keep(&self, letter: &DeadLetter) -> Result<bool, StoreError> {
        let mut stored = self.stored();
        let others = stored.dead_letters.keys().filter(|id| **id != letter.id).count();
        let fits = others < DEAD_LETTERS_MAX as usize;
        if fits {
            stored.dead_letters.insert(letter.id, letter.clone());
        }
        Ok(fits)
    }

    async fn dead_letters(&self) -> Result<Vec<DeadLetter>, StoreError> {
        let mut letters: Vec<DeadLetter> = self.stored().dead_letters.values().cloned().collect();
        letters.sort_by_key(|letter| (std::cmp::Reverse(letter.given_up_at), letter.id));
        Ok(letters)
    }

    async fn dead_letter(&self, id: DeadLetterId) -> Result<Option<DeadLetter>, StoreError> {
        Ok(self.stored().dead_letters.get(&id).cloned())
    }

    async fn discard(&self, id: DeadLetterId) -> Result<bool, StoreError> {
        Ok(self.stored().dead_letters.remove(&id).is_some())
    }
}
