//! Resident memory before and after. An allocator gives back what it no longer needs a second or so later, and
//! only when there is work: a reading in between belongs to nobody, so each waits until the server is steady.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::athlete::Athlete;
use crate::server::{Person, Server};

/// How long a server works before it is measured.
const SETTLED_AFTER: Duration = Duration::from_secs(3);
/// Between two readings.
const READ_EVERY: Duration = Duration::from_millis(100);
/// Readings in a row that have to agree: two seconds.
const READINGS: usize = 20;
/// How far they may be apart, in KiB.
const STEADY_KIB: f64 = 512.0;
/// A server that is not steady by then is not measured.
const STEADY_WITHIN: Duration = Duration::from_secs(30);
/// The same of several: each waits for the others.
const ALL_STEADY_WITHIN: Duration = Duration::from_secs(120);
/// Connections that are asked between two readings, so that there is work.
const ASKED: usize = 8;

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

/// The server's resident memory in KiB once it is steady, while some of `athletes` ask for nothing but an answer.
///
/// # Errors
/// When it does not become steady.
pub(crate) async fn held(server: &Server, athletes: &mut [Athlete]) -> anyhow::Result<f64> {
    let begun = Instant::now();
    let mut readings = Readings::default();
    let mut next = 0;
    loop {
        for _ in 0..ASKED.min(athletes.len()) {
            athletes[next].is_connected().await;
            next = (next + 1) % athletes.len();
        }
        if let Some(kib) = readings.steady(server.rss_kib()?) {
            return Ok(kib);
        }
        anyhow::ensure!(begun.elapsed() < STEADY_WITHIN, "the server's memory does not become steady");
        tokio::time::sleep(READ_EVERY).await;
    }
}

/// The resident memory in KiB of several servers together, once each of them is steady. What work they have is up to whoever
/// holds their connections.
///
/// # Errors
/// When one does not become steady.
pub(crate) async fn held_by_all(servers: &[Server]) -> anyhow::Result<f64> {
    let begun = Instant::now();
    let mut readings: Vec<Readings> = servers.iter().map(|_| Readings::default()).collect();
    loop {
        let mut all = Some(0.0);
        for (server, readings) in servers.iter().zip(&mut readings) {
            let steady = readings.steady(server.rss_kib()?);
            all = all.zip(steady).map(|(all, kib)| all + kib);
        }
        if let Some(kib) = all {
            return Ok(kib);
        }
        anyhow::ensure!(begun.elapsed() < ALL_STEADY_WITHIN, "the servers' memory does not become steady");
        tokio::time::sleep(READ_EVERY).await;
    }
}

/// The newest readings, in KiB.
#[derive(Debug, Default)]
struct Readings(VecDeque<f64>);

impl Readings {
    /// Notes a reading; gives it back once enough of them agree.
    fn steady(&mut self, kib: f64) -> Option<f64> {
        if self.0.len() == READINGS {
            self.0.pop_front();
        }
        self.0.push_back(kib);
        let least = self.0.iter().copied().fold(f64::INFINITY, f64::min);
        let most = self.0.iter().copied().fold(0.0, f64::max);
        (self.0.len() == READINGS && most - least <= STEADY_KIB).then_some(kib)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_that_is_still_given_back_is_not_read() {
        let mut readings = Readings::default();
        let falling = (0..40_u32).map(|n| f64::from(90_000 - 100 * n));
        assert!(falling.map(|kib| readings.steady(kib)).all(|steady| steady.is_none()));
        let steady: Vec<f64> = (0..READINGS).filter_map(|_| readings.steady(80_000.0)).collect();
        assert_eq!(steady, [80_000.0]);
    }
}
