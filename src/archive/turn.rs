//! Whose turn it is to archive: one's at a time, so that nobody takes away what another is still writing down.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;
use uuid::Uuid;

/// One who has said nothing for so long was broken off.
const SILENT: Duration = Duration::from_secs(60);

/// Who has the turn, and when they last said so.
#[derive(Debug, Default)]
pub(super) struct Turn(Mutex<Option<(Uuid, Instant)>>);

impl Turn {
    /// Takes the turn for `by`, or keeps it; answers whether they have it.
    pub(super) fn take(&self, by: Uuid) -> bool {
        let (mut held, now) = (self.held(), Instant::now());
        let is_free = held.is_none_or(|(holder, at)| holder == by || now.duration_since(at) >= SILENT);
        if is_free {
            *held = Some((by, now));
        }
        is_free
    }

    /// Ends the turn, if it is that of `by`.
    pub(super) fn end(&self, by: Uuid) {
        self.held().take_if(|(holder, _)| *holder == by);
    }

    fn held(&self) -> MutexGuard<'_, Option<(Uuid, Instant)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: Uuid = Uuid::from_u128(1);
    const OTHER: Uuid = Uuid::from_u128(2);

    #[tokio::test(start_paused = true)]
    async fn a_turn_is_one_s_until_it_is_ended_or_its_holder_falls_silent() {
        let turn = Turn::default();
        assert!(turn.take(ONE) && !turn.take(OTHER) && turn.take(ONE));

        turn.end(OTHER);
        assert!(!turn.take(OTHER), "it is not theirs to end");
        turn.end(ONE);
        assert!(turn.take(OTHER));

        tokio::time::advance(SILENT - Duration::from_secs(1)).await;
        assert!(!turn.take(ONE) && turn.take(OTHER));
        tokio::time::advance(SILENT - Duration::from_secs(1)).await;
        assert!(!turn.take(ONE), "kept by asking again");
        tokio::time::advance(Duration::from_secs(1)).await;
        assert!(turn.take(ONE));
    }
}
