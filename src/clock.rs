//! The time of day, asked in one place. Everything else takes `now` or a [`Clock`].

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use spotter_actors::Clock;
use spotter_protocol::Timestamp;
use uuid::{NoContext, Uuid};

/// The computer's clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is the clock everything else is handed")]
    fn now(&self) -> Timestamp {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
        Timestamp(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
    }
}

/// A new id that sorts by the moment it was made (UUIDv7).
pub fn new_id(now: Timestamp) -> Uuid {
    let micros = u64::try_from(now.0).unwrap_or(0);
    let since = Duration::from_micros(micros);
    Uuid::new_v7(uuid::Timestamp::from_unix(NoContext, since.as_secs(), since.subsec_nanos()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_sort_by_the_moment_they_were_made() {
        assert!(new_id(Timestamp(1_000_000_000)) < new_id(Timestamp(1_000_002_000)));
    }
}
