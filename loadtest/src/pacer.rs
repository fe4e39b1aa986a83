//! Planned send times, from a thread of its own: the timers of an async runtime add a millisecond of their
//! own, and a generator that waits for answers hides the server's delays.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::anyhow;
use hdrhistogram::Histogram;
use tokio::sync::mpsc;

use crate::schedule::{Deed, Due};

/// The shortest sleep: what is due within it is handed out together, later by so much at most. To wake for each of
/// twenty thousand a second would cost the generator a fifth of what it has.
const SLEEP_MIN: Duration = Duration::from_micros(100);

/// A histogram of microseconds up to a minute, of three digits.
pub(crate) fn histogram() -> anyhow::Result<Histogram<u64>> {
    Histogram::new_with_bounds(1, 60_000_000, 3).map_err(|error| anyhow!("{error}"))
}

/// Microseconds from `planned` to now, at least one.
pub(crate) fn since(planned: Instant) -> u64 {
    u64::try_from(planned.elapsed().as_micros()).unwrap_or(u64::MAX).clamp(1, 60_000_000)
}

/// Hands out `total` planned times at `per_second`, to each of `receivers` in turn, and answers how late it
/// was itself.
pub(crate) async fn pace(
    receivers: Arc<[mpsc::UnboundedSender<Instant>]>,
    per_second: u32,
    total: u32,
) -> anyhow::Result<Histogram<u64>> {
    let mut lag = histogram()?;
    let paced = tokio::task::spawn_blocking(move || {
        let begin = Instant::now() + Duration::from_millis(100);
        for number in 0..total {
            let due = planned(begin, number, per_second);
            wait_until(due);
            lag.saturating_record(since(due));
            // One who has hung up failed; the run says so.
            let _ = receivers[number as usize % receivers.len()].send(due);
        }
        lag
    });
    Ok(paced.await?)
}

/// Hands each deed of a plan to `deliver` when it is due, with the planned time, and ends after `length`.
pub(crate) async fn follow(
    plan: impl Iterator<Item = Due> + Send + 'static,
    length: Duration,
    mut deliver: impl FnMut(Deed, Instant) + Send + 'static,
) -> anyhow::Result<()> {
    let following = tokio::task::spawn_blocking(move || {
        let begin = Instant::now();
        for Due { at, deed } in plan {
            wait_until(begin + at);
            deliver(deed, begin + at);
        }
        wait_until(begin + length);
    });
    Ok(following.await?)
}

fn planned(begin: Instant, number: u32, per_second: u32) -> Instant {
    begin + Duration::from_secs_f64(f64::from(number) / f64::from(per_second))
}

/// Waits until something is due, and no shorter than [`SLEEP_MIN`].
#[expect(clippy::disallowed_methods, reason = "the pacer's thread does nothing but wait")]
fn wait_until(due: Instant) {
    let wait = due.saturating_duration_since(Instant::now());
    if !wait.is_zero() {
        std::thread::sleep(wait.max(SLEEP_MIN));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_thousand_a_second_are_half_a_millisecond_apart() {
        let begin = Instant::now();
        assert_eq!(planned(begin, 3, 2_000) - begin, Duration::from_micros(1_500));
    }

    #[test]
    fn a_histogram_holds_a_minute() {
        let mut histogram = histogram().unwrap();
        histogram.saturating_record(59_000_000);
        assert!(histogram.max() >= 59_000_000);
    }
}
