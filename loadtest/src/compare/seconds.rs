//! The seconds of a run, drawn again and again: how far a figure would have moved in another run of the same.
//!
//! Seconds next to each other are alike, so they are drawn in blocks; seconds of different stages are not, nor are
//! those in which something was broken on purpose, so each such part is drawn for itself.

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use crate::results::{Delays, Interval, Results};

/// How often a run is drawn anew.
const DRAWS: usize = 1_000;
/// Seconds under which a part has no halves: it is the while after a fault, or the end of a run.
const HALVED_MIN: usize = 10;
/// What arrives without being asked for: its number is the server's choice.
const UNASKED: [&str; 2] = ["delivery", "tile"];

/// A figure of a run, and what it came to each time the run was drawn anew.
#[derive(Debug)]
pub(super) struct Estimate {
    pub(super) value: f64,
    pub(super) draws: Vec<f64>,
}

/// Seconds of one run, part by part.
#[derive(Clone, Debug)]
pub(super) struct Seconds<'a> {
    all: &'a [Interval],
    parts: Vec<Vec<usize>>,
    seed: u64,
    /// How often each second counts, as it was and then in each draw.
    times: Vec<Vec<u16>>,
}

impl<'a> Seconds<'a> {
    /// Runs that are compared need different seeds.
    pub(super) fn of(run: &'a Results, seed: u64) -> Self {
        let stages = run.stages.iter().map(|stage| stage.to);
        // The second in which everybody is back belongs to the fault.
        let faults = run.faults.iter().flat_map(|fault| {
            [Some(fault.at), fault.consistent_after.map(|after| (fault.at + after).ceil())]
        });
        let ends = stages
            .chain(faults.flatten())
            .map(|end| run.intervals.partition_point(|second| second.at <= end));
        let mut ends: Vec<usize> = ends.chain([run.intervals.len()]).collect();
        ends.sort_unstable();
        let mut parts: Vec<Vec<usize>> = Vec::new();
        let mut from = 0;
        for end in ends {
            if end > from {
                parts.push((from..end).collect());
                from = end;
            }
        }
        Self::drawn(&run.intervals, parts, seed)
    }

    /// Every other block of each part, and those between: what changes slowly is in both.
    pub(super) fn halves(&self) -> (Self, Self) {
        let parts = || self.parts.iter().filter(|part| part.len() >= HALVED_MIN);
        let every_other = |part: &Vec<usize>, first: usize| -> Vec<usize> {
            part.chunks(block(part.len())).skip(first).step_by(2).flatten().copied().collect()
        };
        let half = |first| parts().map(|part| every_other(part, first)).collect();
        // Another seed for the second, as of another run.
        (
            Self::drawn(self.all, half(0), self.seed),
            Self::drawn(self.all, half(1), self.seed.wrapping_add(1 << 32)),
        )
    }

    fn drawn(all: &'a [Interval], parts: Vec<Vec<usize>>, seed: u64) -> Self {
        let mut chance = StdRng::seed_from_u64(seed);
        let mut as_it_was = vec![0; all.len()];
        parts.iter().flatten().for_each(|second| as_it_was[*second] = 1);
        let mut times = vec![as_it_was];
        for _ in 0..DRAWS {
            let mut drawn = vec![0; all.len()];
            for part in &parts {
                draw(part, &mut drawn, &mut chance);
            }
            times.push(drawn);
        }
        Self { all, parts, seed, times }
    }

    /// Answers a second.
    pub(super) fn throughput(&self, operation: &str) -> Estimate {
        self.ratio(|second| {
            let count = self.all[second].operations.get(operation).map_or(0, |operation| operation.count);
            Some((count as f64, self.all[second].at - self.before(second).map_or(0.0, |before| before.at)))
        })
    }

    /// Microseconds of the server's processor for each operation that was asked of it; none where it was not
    /// measured.
    pub(super) fn cpu(&self) -> Option<Estimate> {
        let used = |second: usize| {
            let now = self.all[second].server.as_ref()?.cpu_s?;
            let before = self.before(second)?.server.as_ref()?.cpu_s?;
            // A server that was started anew begins at nought.
            let cpu_s = if now < before { now } else { now - before };
            let asked =
                self.all[second].operations.iter().filter(|(name, _)| !UNASKED.contains(&name.as_str()));
            Some((cpu_s * 1e6, asked.map(|(_, operation)| operation.count as f64).sum()))
        };
        let estimate = self.ratio(used);
        (estimate.value > 0.0).then_some(estimate)
    }

    /// The sum of the first over the sum of the second, over the seconds that have them.
    fn ratio(&self, of: impl Fn(usize) -> Option<(f64, f64)>) -> Estimate {
        let parts: Vec<_> = (0..self.all.len()).map(|second| of(second).unwrap_or((0.0, 0.0))).collect();
        self.estimate(|times| {
            let sums = parts.iter().zip(times).fold((0.0, 0.0), |sums, (part, times)| {
                (sums.0 + part.0 * f64::from(*times), sums.1 + part.1 * f64::from(*times))
            });
            if sums.1 > 0.0 { sums.0 / sums.1 } else { 0.0 }
        })
    }

    /// The delay in microseconds that the share `quantile` of the answers did not exceed.
    pub(super) fn delay(&self, operation: &str, quantile: f64) -> Estimate {
        let mut atoms: Vec<Atom> = Vec::new();
        let mut counts = vec![0.0; self.all.len()];
        for (second, interval) in self.all.iter().enumerate() {
            if let Some(operation) =
                interval.operations.get(operation).filter(|operation| operation.count > 0)
            {
                counts[second] = operation.count as f64;
                atoms.extend(Atom::of(second, operation.count as f64, operation.delay));
            }
        }
        atoms.sort_by(|one, other| other.delay.total_cmp(&one.delay));
        self.estimate(|times| {
            let total: f64 = counts.iter().zip(times).map(|(count, times)| count * f64::from(*times)).sum();
            let mut above = (1.0 - quantile) * total;
            for atom in &atoms {
                above -= atom.weight * f64::from(times[atom.second]);
                if above < 0.0 {
                    return atom.delay;
                }
            }
            0.0
        })
    }

    /// A figure of these seconds as they were, and of the same drawn anew. The figure is told how often each second
    /// counts.
    fn estimate(&self, figure: impl Fn(&[u16]) -> f64) -> Estimate {
        let mut values = self.times.iter().map(|times| figure(times));
        Estimate { value: values.next().unwrap_or(0.0), draws: values.collect() }
    }

    fn before(&self, second: usize) -> Option<&Interval> {
        self.all.get(second.checked_sub(1)?)
    }
}

/// Seconds in a block of a part that has `seconds`.
fn block(seconds: usize) -> usize {
    (seconds as f64).cbrt().round() as usize
}

/// Draws as many seconds of a part as it has, in blocks that go round from its end to its beginning.
fn draw(part: &[usize], times: &mut [u16], chance: &mut StdRng) {
    let mut left = part.len();
    while left > 0 {
        let from = chance.random_range(0..part.len());
        let taken = block(part.len()).min(left);
        for step in 0..taken {
            times[part[(from + step) % part.len()]] += 1;
        }
        left -= taken;
    }
}

/// Some answers of one second that took about as long.
#[derive(Clone, Copy, Debug)]
struct Atom {
    second: usize,
    /// How many.
    weight: f64,
    delay: f64,
}

impl Atom {
    /// The answers of a second, spread between the percentiles that are known of it. Below the middle nothing is
    /// known; there they are taken to spread as they do above it.
    fn of(second: usize, count: f64, delays: Delays) -> Vec<Self> {
        let known = [delays.p50, delays.p90, delays.p99, delays.p999, delays.max].map(|us| us.max(1) as f64);
        let least = (known[0] * known[0] / known[1]).max(1.0);
        let points = [least, known[0], known[1], known[2], known[3], known[4]];
        /// The share of the answers between two of the points, and in how many atoms they are put.
        const PARTS: [(f64, u32); 5] = [(0.5, 5), (0.4, 5), (0.09, 4), (0.009, 2), (0.001, 1)];
        let mut atoms = Vec::new();
        for ((share, parts), ends) in PARTS.into_iter().zip(points.windows(2)) {
            for part in 0..parts {
                let place = (f64::from(part) + 0.5) / f64::from(parts);
                let delay = ends[0] * (ends[1] / ends[0]).powf(place);
                atoms.push(Self { second, weight: count * share / f64::from(parts), delay });
            }
        }
        atoms
    }
}
