//! Resident memory over a measurement. A server hashes one password as it starts and its allocator gives
//! that memory back a second later, when there is work: a baseline from before that hides megabytes of growth.

use std::time::{Duration, Instant};

use crate::athlete::Athlete;
use crate::server::{Person, Server};

/// How long a server works before its memory is a baseline; the allocator waits a second.
const SETTLED_AFTER: Duration = Duration::from_secs(3);

/// Lets `person` come, start a session and go until the server has settled.
pub(crate) async fn settle(server: &Server, person: &Person) -> anyhow::Result<()> {
    let begun = Instant::now();
    while begun.elapsed() < SETTLED_AFTER {
        let mut athlete = Athlete::connect(server, person).await?;
        athlete.log(2).await?;
        athlete.follow(athlete.session).await?;
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    Ok(())
}

/// Readings of one server's memory, in KiB. What its allocator gives back meanwhile counts as if it were still
/// held: it may have been anybody's, and a figure must not be flattered by it.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    first: Option<f64>,
    last: f64,
    given_back: f64,
}

impl Memory {
    /// Notes a reading, and answers it with all that was given back since the first.
    pub(crate) fn note(&mut self, kib: f64) -> f64 {
        self.given_back += (self.last - kib).max(0.0);
        self.first.get_or_insert(kib);
        self.last = kib;
        kib + self.given_back
    }

    /// What the report says about it.
    pub(crate) fn told(&self) -> String {
        let mib = self.given_back / 1024.0;
        format!("The {mib:.1} MiB that the server gave back in between count as if it still held them.")
    }

    /// Why the growth between the readings is not what was added, if so.
    pub(crate) fn fell(&self) -> Option<String> {
        let less = self.first.is_some_and(|first| self.last < first);
        less.then(|| "the server held less in the end than before".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_given_back_counts_as_held() {
        let mut memory = Memory::default();
        let before = memory.note(30_000.0);
        memory.note(31_000.0);
        memory.note(18_712.0);
        let after = memory.note(40_000.0);

        assert!((after - before - (10_000.0 + 12_288.0)).abs() < 0.5);
        assert_eq!(memory.fell(), None);
    }

    #[test]
    fn nothing_costs_less_than_nothing() {
        let mut memory = Memory::default();
        memory.note(30_000.0);
        memory.note(29_600.0);
        assert!(memory.fell().is_some());
    }
}
