//! Planned send times, from a thread of its own: the timers of an async runtime add a millisecond of their
//! own, and a generator that waits for answers hides the server's delays.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::anyhow;
use hdrhistogram::Histogram;
use tokio::sync::{mpsc, watch};

use crate::out::Out;
use crate::schedule::{Deed, Due};

/// The shortest sleep: what is due within it is handed out together, later by so much at most. To wake for each of
/// twenty thousand a second took an eighth of the generator's processor time.
const SLEEP_MIN: Duration = Duration::from_micros(100);
/// How often whoever waits asks whether it is over.
const LOOK_EVERY: Duration = Duration::from_millis(100);

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

/// Hands each deed of a plan to `deliver` when it is due, with the planned time, and ends after `length`, or when it is `over`
/// before: then whoever is out is brought back at once.
pub(crate) async fn follow(
    plan: impl Iterator<Item = Due> + Send + 'static,
    length: Duration,
    over: watch::Receiver<bool>,
    mut deliver: impl FnMut(Deed, Instant) + Send + 'static,
) -> anyhow::Result<()> {
    let following = tokio::task::spawn_blocking(move || {
        let begin = Instant::now();
        let mut out = Out::default();
        for Due { at, deed } in plan {
            if is_over_before(begin + at, &over) {
                break;
            }
            out.note(&deed);
            deliver(deed, begin + at);
        }
        if is_over_before(begin + length, &over) {
            out.back().for_each(|deed| deliver(deed, Instant::now()));
        }
    });
    Ok(following.await?)
}

fn planned(begin: Instant, number: u32, per_second: u32) -> Instant {
    begin + Duration::from_secs_f64(f64::from(number) / f64::from(per_second))
}

/// Waits until then, or until it is over. It also is when the run is gone that would say so.
fn is_over_before(due: Instant, over: &watch::Receiver<bool>) -> bool {
    while over.has_changed().is_ok() && !*over.borrow() {
        let now = Instant::now();
        if now >= due {
            return false;
        }
        wait_until(due.min(now + LOOK_EVERY));
    }
    true
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
    use crate::schedule::PhoneOrder;

    #[tokio::test]
    async fn a_plan_that_is_over_before_its_end_brings_back_who_is_still_out() {
        let signal = |at, phone, is_there| Due {
            at: Duration::from_millis(at),
            deed: Deed::Phone(phone, PhoneOrder::Signal(is_there)),
        };
        let an_hour = 3_600_000;
        let plan = [
            signal(0, 0, false),
            signal(0, 1, false),
            signal(1, 0, true),
            signal(an_hour, 1, true),
            signal(an_hour, 2, false),
        ];
        let (end, over) = watch::channel(false);
        let (delivered, mut told) = mpsc::unbounded_channel();
        let deliver = move |deed, _| delivered.send(deed).unwrap();
        let following =
            tokio::spawn(follow(plan.clone().into_iter(), Duration::from_secs(3_601), over, deliver));

        let mut came = Vec::new();
        while came.len() < 3 {
            came.push(told.recv().await.unwrap());
        }
        end.send(true).unwrap();
        following.await.unwrap().unwrap();

        came.extend(told.recv().await);
        assert_eq!(came, plan.map(|due| due.deed)[..4]);
        assert_eq!(told.recv().await, None, "nobody else is told anything");
    }

    #[tokio::test]
    async fn a_plan_whose_run_is_gone_is_followed_no_further() {
        let (end, over) = watch::channel(false);
        let (delivered, mut told) = mpsc::unbounded_channel();
        let deliver = move |deed, _| delivered.send(deed).unwrap();
        let cut = Due { at: Duration::from_secs(2), deed: Deed::Phone(0, PhoneOrder::Cut) };
        let following = follow(std::iter::once(cut), Duration::from_secs(2), over, deliver);
        drop(end);
        following.await.unwrap();
        assert_eq!(told.recv().await, None);
    }

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
