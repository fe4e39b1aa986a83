//! Resident memory over a measurement. A server hashes one password as it starts and its allocator gives
//! that memory back a second later, when there is work: a baseline from before that hides megabytes of growth.

use std::time::{Duration, Instant};

use crate::athlete::Athlete;
use crate::server::{Person, Server};

/// How long a server works before its memory is a baseline; the allocator waits a second.
const SETTLED_AFTER: Duration = Duration::from_secs(3);
/// A fall between two readings that is no noise, in KiB.
const FALL_KIB: f64 = 1024.0;

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

/// Readings of one server's memory, in KiB.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    first: Option<f64>,
    last: f64,
    fallen: f64,
}

impl Memory {
    /// Notes a reading and answers it.
    pub(crate) fn note(&mut self, kib: f64) -> f64 {
        if self.last - kib > FALL_KIB {
            self.fallen += self.last - kib;
        }
        self.first.get_or_insert(kib);
        self.last = kib;
        kib
    }

    /// Why the growth between the readings is not what was added, if so.
    pub(crate) fn fell(&self) -> Option<String> {
        if self.first.is_some_and(|first| self.last < first) {
            return Some("the server held less in the end than before".to_owned());
        }
        let mib = self.fallen / 1024.0;
        (self.fallen > 0.0).then(|| format!("the server gave back {mib:.1} MiB between two readings"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fell(readings: &[f64]) -> Option<String> {
        let mut memory = Memory::default();
        for reading in readings {
            memory.note(*reading);
        }
        memory.fell()
    }

    #[test]
    fn memory_given_back_meanwhile_is_noticed() {
        assert_eq!(fell(&[30_000.0, 30_100.0, 30_050.0]), None);
        assert!(fell(&[30_000.0, 29_600.0]).is_some(), "nothing costs less than nothing");
        let why = fell(&[30_000.0, 31_000.0, 18_712.0, 40_000.0]);
        assert_eq!(why.as_deref(), Some("the server gave back 12.0 MiB between two readings"));
    }
}
