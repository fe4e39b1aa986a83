//! The parts of a run as one: counts are added, and so are histograms, so that a percentile is that of all delays. How late a
//! generator was itself is that of the worst: it spoils its own part, however good the others are.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, UNIX_EPOCH};

use anyhow::Context;
use hdrhistogram::Histogram;
use hdrhistogram::serialization::interval_log::{IntervalLogIterator, LogEntry};

use super::Part;
use crate::ledger::EXAMPLES_MAX;
use crate::results::{Delays, Fault, Generator, Interval, Ledger, Operation, Results, Run};
use crate::sampler::Log;
use crate::saved::{decoded, histogram};
use crate::tally::{counted, operation};

/// The delays of a second, by operation.
pub(super) type Second = BTreeMap<String, Histogram<u64>>;

/// The run that the workers did together, not judged yet.
///
/// # Errors
/// When there is no part, or a histogram of one cannot be read.
pub(super) fn results(parts: &[Part]) -> anyhow::Result<Results> {
    let all = || parts.iter().map(|part| &part.results);
    // One whose plan was over when the lead ended the run does not say that it was.
    let told = all().find(|one| one.aborted.is_some());
    let first = told.or(all().next()).context("no worker found anything")?.clone();
    Ok(Results {
        run: Run {
            started_at: all().map(|one| one.run.started_at).min().unwrap_or_default(),
            seconds: all().map(|one| one.run.seconds).fold(0.0, f64::max),
            server_version: all().find_map(|one| one.run.server_version.clone()),
            workers: Some(parts.len() as u32),
            ..first.run
        },
        operations: operations(all())?,
        intervals: intervals(parts)?,
        faults: faults(all().map(|one| one.faults.as_slice())),
        ledger: ledger(all().map(|one| &one.ledger)),
        generator: generator(all().map(|one| &one.generator)),
        ..first
    })
}

fn operations<'a>(all: impl Iterator<Item = &'a Results>) -> anyhow::Result<BTreeMap<String, Operation>> {
    let mut kinds: BTreeMap<String, (Histogram<u64>, BTreeMap<String, u64>)> = BTreeMap::new();
    for (kind, one) in all.flat_map(|results| &results.operations) {
        let delays = histogram(one)?;
        let errors = match kinds.get_mut(kind) {
            Some((sum, errors)) => {
                sum.add(delays).context("histograms of one form")?;
                errors
            }
            None => &mut kinds.entry(kind.clone()).or_insert((delays, BTreeMap::new())).1,
        };
        for (why, count) in &one.errors {
            *errors.entry(why.clone()).or_default() += count;
        }
    }
    kinds.into_iter().map(|(kind, (delays, errors))| Ok((kind, operation(&delays, errors)?))).collect()
}

/// All workers make the same faults, each to its own connections.
pub(super) fn faults<'a>(mut all: impl Iterator<Item = &'a [Fault]>) -> Vec<Fault> {
    let together = |one: Fault, other: &Fault| {
        let after = one.consistent_after.zip(other.consistent_after);
        Fault {
            at: one.at.min(other.at),
            consistent_after: after.map(|(one, other)| one.max(other)),
            what: one.what,
        }
    };
    let first = all.next().unwrap_or_default().to_vec();
    all.fold(first, |sum, faults| {
        sum.into_iter().zip(faults).map(|(one, other)| together(one, other)).collect()
    })
}

/// The seconds of a worker, each of as many lines of its log as it has operations.
fn seconds(part: &Part) -> anyhow::Result<Vec<Second>> {
    let mut lines = IntervalLogIterator::new(part.log.as_bytes());
    let mut next = || loop {
        match lines.next().context("a log is shorter than its seconds")? {
            Ok(LogEntry::Interval(line)) => {
                let kind = line.tag().context("a line of a log without its operation")?;
                return anyhow::Ok((kind.as_str().to_owned(), decoded(line.encoded_histogram())?));
            }
            Ok(LogEntry::StartTime(_) | LogEntry::BaseTime(_)) => {}
            Err(error) => anyhow::bail!("a log cannot be read: {error:?}"),
        }
    };
    let second = |interval: &Interval| interval.operations.iter().map(|_| next()).collect();
    part.results.intervals.iter().map(second).collect()
}

/// The seconds of all workers: the n-th of the run is the n-th of each, as all begin together.
fn together(parts: &[Part]) -> anyhow::Result<Vec<Second>> {
    let mut all: Vec<Second> = Vec::new();
    for part in parts {
        for (number, second) in seconds(part)?.into_iter().enumerate() {
            if number == all.len() {
                all.push(second);
                continue;
            }
            add(&mut all[number], &second)?;
        }
    }
    Ok(all)
}

/// Adds delays to those of the same operations.
///
/// # Errors
/// When histograms are not of one form.
pub(super) fn add(sum: &mut Second, second: &Second) -> anyhow::Result<()> {
    for (kind, delays) in second {
        match sum.get_mut(kind) {
            Some(sum) => sum.add(delays).context("histograms of one form")?,
            None => _ = sum.insert(kind.clone(), delays.clone()),
        }
    }
    Ok(())
}

fn intervals(parts: &[Part]) -> anyhow::Result<Vec<Interval>> {
    let interval = |(number, second): (usize, Second)| {
        let of_each: Vec<_> = parts.iter().filter_map(|part| part.results.intervals.get(number)).collect();
        let operations = second.into_iter().map(|(kind, delays)| {
            let errors = of_each.iter().filter_map(|one| one.operations.get(&kind)).map(|one| one.errors);
            let counted = counted(errors.sum(), &delays);
            (kind, counted)
        });
        Interval {
            at: of_each.iter().map(|one| one.at).fold(0.0, f64::max),
            connections: of_each.iter().map(|one| one.connections).sum(),
            operations: operations.collect(),
            server: of_each.iter().find_map(|one| one.server.clone()),
        }
    };
    Ok(together(parts)?.into_iter().enumerate().map(interval).collect())
}

/// Writes the log of all workers as one.
///
/// # Errors
/// When a log cannot be read or this one not be written.
pub(super) fn write_log(parts: &[Part], path: &Path) -> anyhow::Result<()> {
    let whole = results(parts)?;
    let begun = UNIX_EPOCH + Duration::from_micros(whole.run.started_at.unsigned_abs());
    let mut log = Log::create(path, begun)?;
    let mut from = 0.0;
    for (interval, second) in whole.intervals.iter().zip(together(parts)?) {
        for (kind, delays) in &second {
            log.write(kind, from, interval.at, delays)?;
        }
        from = interval.at;
    }
    log.finish()
}

pub(super) fn ledger<'a>(all: impl Iterator<Item = &'a Ledger>) -> Ledger {
    let mut sum = Ledger::default();
    for (worker, one) in all.enumerate() {
        sum.acknowledged += one.acknowledged;
        sum.delivered += one.delivered;
        sum.lost += one.lost;
        sum.doubled += one.doubled;
        sum.reordered += one.reordered;
        sum.leaked += one.leaked;
        // Each worker numbers its own gyms and readers.
        let named = |example: &String| format!("worker {}: {example}", worker + 1);
        sum.examples.extend(one.examples.iter().map(named));
    }
    sum.examples.truncate(EXAMPLES_MAX);
    sum
}

fn generator<'a>(all: impl Iterator<Item = &'a Generator>) -> Generator {
    all.fold(Generator::default(), |sum, one| Generator {
        lag: worst(sum.lag, one.lag),
        cpu_s: sum.cpu_s + one.cpu_s,
        rss_kib: sum.rss_kib + one.rss_kib,
        waited_s: sum.waited_s + one.waited_s,
        starved_s: sum.starved_s.max(one.starved_s),
    })
}

pub(super) fn worst(one: Delays, other: Delays) -> Delays {
    Delays {
        mean: one.mean.max(other.mean),
        p50: one.p50.max(other.p50),
        p90: one.p90.max(other.p90),
        p99: one.p99.max(other.p99),
        p999: one.p999.max(other.p999),
        max: one.max.max(other.max),
    }
}

#[cfg(test)]
mod tests;
