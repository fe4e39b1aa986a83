//! Whether a long run ends as it began: the server's memory, the slowest of a hundred delays, and errors.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, anyhow};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use hdrhistogram::Histogram;
use hdrhistogram::serialization::Deserializer;
use hdrhistogram::serialization::interval_log::{IntervalLogIterator, LogEntry};

use crate::results::{Results, Threshold};
use crate::units;

/// What is judged for drift: what people wait for.
const KINDS: [&str; 3] = ["set", "delivery", "tile"];
/// Delays that a third has to have, so that its slowest of a hundred mean something.
const COUNT_MIN: u64 = 500;
/// A drift below it is the noise of a machine, in microseconds.
const DRIFT_MIN: f64 = 5_000.0;

/// How much may grow, in percent.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    pub(super) memory: f64,
    pub(super) p99: f64,
}

/// Delays by their kind.
type Delays = BTreeMap<String, Histogram<u64>>;

/// Delays of the first and of the last third of a run, from the log of its seconds: merged, never averaged.
pub(super) struct Thirds {
    first: Delays,
    last: Delays,
}

impl Thirds {
    /// # Errors
    /// When the log cannot be read.
    pub(super) fn read(log: &Path, seconds: f64) -> anyhow::Result<Self> {
        let text = std::fs::read(log).with_context(|| format!("cannot read {}", log.display()))?;
        let mut thirds = Self { first: Delays::new(), last: Delays::new() };
        for entry in IntervalLogIterator::new(&text) {
            let LogEntry::Interval(second) = entry.map_err(|_| anyhow!("the log of delays is broken"))?
            else {
                continue;
            };
            let at = second.start_timestamp().as_secs_f64();
            let third = if at < seconds / 3.0 {
                &mut thirds.first
            } else if at >= seconds * 2.0 / 3.0 {
                &mut thirds.last
            } else {
                continue;
            };
            let bytes = BASE64_STANDARD.decode(second.encoded_histogram())?;
            let delays: Histogram<u64> = Deserializer::new().deserialize(&mut bytes.as_slice())?;
            let kind = second.tag().map_or("", |tag| tag.as_str());
            match third.get_mut(kind) {
                Some(all) => all.add(&delays).map_err(|error| anyhow!("{error:?}"))?,
                None => {
                    third.insert(kind.to_owned(), delays);
                }
            }
        }
        Ok(thirds)
    }
}

/// What came of each limit. Memory that nobody can read is not judged, nor a kind with too few delays.
pub(super) fn judge(results: &Results, thirds: &Thirds, limits: Limits) -> Vec<Threshold> {
    let drifts = KINDS.iter().filter_map(|kind| drift(kind, thirds, limits.p99));
    memory(results, limits.memory).into_iter().chain(drifts).collect()
}

/// The middle of what the server held in the second third, and in the last: the first warms up.
fn memory(results: &Results, limit: f64) -> Option<Threshold> {
    let seconds = results.run.seconds;
    let held = |from: f64, to: f64| {
        let within = results.intervals.iter().filter(|second| (from..to).contains(&(second.at / seconds)));
        let mut kib: Vec<f64> = within.filter_map(|second| second.server.as_ref()?.rss_kib).collect();
        kib.sort_by(f64::total_cmp);
        kib.get(kib.len() / 2).copied()
    };
    let (before, after) = (held(1.0 / 3.0, 2.0 / 3.0)?, held(2.0 / 3.0, 1.0)?);
    let grown = (after / before - 1.0) * 100.0;
    Some(Threshold {
        what: format!("memory of the server grows < {limit}%"),
        measured: format!("{grown:+.1}% ({} to {})", units::memory(before), units::memory(after)),
        met: grown < limit,
    })
}

fn drift(kind: &str, thirds: &Thirds, limit: f64) -> Option<Threshold> {
    let p99 = |delays: &Delays| {
        let enough = delays.get(kind).filter(|delays| delays.len() >= COUNT_MIN);
        enough.map(|delays| delays.value_at_quantile(0.99) as f64)
    };
    let (before, after) = (p99(&thirds.first)?, p99(&thirds.last)?);
    let grown = (after / before - 1.0) * 100.0;
    Some(Threshold {
        what: format!("{kind}.p99 grows < {limit}%"),
        measured: format!("{grown:+.1}% ({} to {})", units::delay(before), units::delay(after)),
        met: grown < limit || after - before < DRIFT_MIN,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::example;
    use crate::pacer::histogram;
    use crate::results::{Interval, ServerSample};

    const LIMITS: Limits = Limits { memory: 10.0, p99: 50.0 };

    fn delays(us: u64, count: u64) -> Delays {
        let mut delays = histogram().unwrap();
        delays.record_n(us, count).unwrap();
        [("set".to_owned(), delays)].into()
    }

    /// A run of nine seconds whose server held so much at the end of each.
    fn held(kib: [f64; 9]) -> Results {
        let second = |(at, kib): (u32, &f64)| Interval {
            at: f64::from(at),
            connections: 0,
            operations: [].into(),
            server: Some(ServerSample { rss_kib: Some(*kib), ..ServerSample::default() }),
        };
        let mut results = example::run(1, 1.0);
        results.run.seconds = 9.0;
        results.intervals = (0..).zip(&kib).map(second).collect();
        results
    }

    fn drifted(first: Delays, last: Delays) -> Option<bool> {
        drift("set", &Thirds { first, last }, LIMITS.p99).map(|threshold| threshold.met)
    }

    #[test]
    fn a_server_that_warms_up_and_then_holds_the_same_has_not_grown() {
        let warm = held([10.0, 60.0, 90.0, 100.0, 99.0, 101.0, 104.0, 103.0, 102.0]);
        let judged = memory(&warm, LIMITS.memory).unwrap();
        assert!(judged.met, "{judged:?}");
        assert_eq!(judged.measured, "+3.0% (100 KiB to 103 KiB)");
    }

    #[test]
    fn a_server_that_holds_ever_more_has_grown() {
        let leaking = held([50.0, 60.0, 70.0, 80.0, 90.0, 100.0, 110.0, 120.0, 130.0]);
        assert!(!memory(&leaking, LIMITS.memory).unwrap().met);
    }

    #[test]
    fn memory_that_nobody_can_read_is_not_judged() {
        let mut results = held([1.0; 9]);
        results.intervals.iter_mut().for_each(|second| second.server = None);
        assert!(memory(&results, LIMITS.memory).is_none());
    }

    #[test]
    fn delays_that_grow_by_more_than_the_limit_have_drifted() {
        assert_eq!(drifted(delays(20_000, 1_000), delays(29_000, 1_000)), Some(true));
        assert_eq!(drifted(delays(20_000, 1_000), delays(40_000, 1_000)), Some(false));
        assert_eq!(drifted(delays(500, 1_000), delays(3_000, 1_000)), Some(true), "noise of a machine");
        assert_eq!(drifted(delays(20_000, 1_000), delays(40_000, 10)), None, "too few");
    }
}
