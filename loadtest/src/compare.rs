//! `spotter-load compare`: whether a run is better or worse than another of the same scenario, beyond what two
//! runs of the same differ by.

mod seconds;
mod table;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, ensure};

use crate::results::{Operation, Results, Verdict};
use crate::saved;
use seconds::{Estimate, Seconds};

/// Seconds under which a run says too little.
const SECONDS_MIN: usize = 10;
/// Answers beyond a percentile under which it says too little.
const BEYOND_MIN: f64 = 5.0;
/// Left out at either end of what was drawn: 99 of 100 lie between.
const LEFT_OUT: f64 = 0.005;

/// How it judges, for whoever asks for help.
pub(crate) const HOW: &str = "\
How it judges:
  Percentiles are those of the whole run's histograms. The seconds of both runs are drawn anew 1,000 times, in
  blocks, each stage and each fault for itself; 99 of 100 draws lie in the interval. A change counts when its interval holds no 0 %
  and it is larger than the noise. Noise is the largest change that two runs of the same do not rule out: the
  first run and the one given with --noise, or else two halves of each run, blocks taken in turn.

Example:
  spotter-load compare before.json after.json --noise again.json --fail-on-regression 10%";

#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Compare {
    /// The run to compare with
    before: PathBuf,
    /// The run to judge
    after: PathBuf,
    /// A second run of the same as the first: what these two differ by is noise
    #[arg(long, value_name = "RESULTS")]
    noise: Option<PathBuf>,
    /// End with 99 when a figure is worse by more than this
    #[arg(long, value_name = "SHARE", value_parser = share)]
    fail_on_regression: Option<f64>,
}

/// `10%` as 0.1.
fn share(text: &str) -> Result<f64, String> {
    let percent = text.strip_suffix('%').ok_or("a share is written as 10%")?;
    let percent: f64 = percent.trim().parse().map_err(|_| "a share is written as 10%")?;
    if percent >= 0.0 { Ok(percent / 100.0) } else { Err("a share is not negative".to_owned()) }
}

/// Compares, prints what came of it, and answers 0, or 99 for a regression.
///
/// # Errors
/// When the files cannot be read or cannot be compared.
pub(crate) fn compare(asked: &Compare) -> anyhow::Result<ExitCode> {
    let before = saved::read(&asked.before)?;
    let after = saved::read(&asked.after)?;
    let noise = asked.noise.as_deref().map(saved::read).transpose()?;
    let figures = judge(&before, &after, noise.as_ref())?;
    print!("{}", table::table(&before, &after, noise.is_some(), &figures));
    let Some(limit) = asked.fail_on_regression else { return Ok(ExitCode::SUCCESS) };
    let over: Vec<_> = figures.iter().filter(|figure| figure.is_worse_by(limit)).collect();
    if over.is_empty() {
        return Ok(ExitCode::SUCCESS);
    }
    println!("REGRESSION: {} figures are worse by more than {:.0} %", over.len(), limit * 100.0);
    Ok(ExitCode::from(99))
}

/// One figure of two runs.
#[derive(Debug)]
struct Figure {
    /// Of which operation; of all where it is absent.
    operation: Option<String>,
    quantity: Quantity,
    before: f64,
    after: f64,
    finding: Finding,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Quantity {
    /// In microseconds.
    P50,
    /// In microseconds.
    P99,
    /// Answers a second.
    Throughput,
    /// Microseconds of the server's processor an operation.
    Cpu,
}

#[derive(Clone, Copy, Debug)]
enum Finding {
    /// One of the runs has too few answers for it.
    TooFew,
    Judged {
        outcome: Outcome,
        change: Change,
        /// The factor that two runs of the same may differ by, at least 1.
        noise: f64,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    Better,
    Worse,
    Same,
}

impl Figure {
    /// Whether it is worse, and by more than `limit` of what it was.
    fn is_worse_by(&self, limit: f64) -> bool {
        match self.finding {
            Finding::Judged { outcome: Outcome::Worse, change, .. } => (change.factor - 1.0).abs() > limit,
            Finding::Judged { outcome: Outcome::Better | Outcome::Same, .. } | Finding::TooFew => false,
        }
    }
}

/// What a figure was multiplied by, and between which factors that lies, by the seconds of both runs.
#[derive(Clone, Copy, Debug)]
struct Change {
    factor: f64,
    low: f64,
    high: f64,
}

impl Change {
    fn between(before: &Estimate, after: &Estimate) -> Self {
        let mut drawn: Vec<f64> =
            before.draws.iter().zip(&after.draws).map(|(before, after)| after / before).collect();
        drawn.retain(|factor| !factor.is_nan());
        drawn.sort_by(f64::total_cmp);
        let factor = after.value / before.value;
        let out = (drawn.len() as f64 * LEFT_OUT) as usize;
        let at = |place: usize| drawn.get(place).copied().unwrap_or(factor);
        Self { factor, low: at(out), high: at(drawn.len().saturating_sub(out + 1)) }
    }

    /// The largest factor, upwards or downwards, that the seconds do not rule out.
    fn at_most(self) -> f64 {
        self.high.max(1.0 / self.low).max(1.0)
    }

    /// A change is one when its interval rules out that there is none, and when it is beyond the noise.
    fn outcome(self, noise: f64, quantity: Quantity) -> Outcome {
        let surely = self.low > 1.0 || self.high < 1.0;
        if !surely || self.factor.max(1.0 / self.factor) <= noise {
            return Outcome::Same;
        }
        match quantity {
            Quantity::P50 | Quantity::P99 | Quantity::Cpu if self.factor < 1.0 => Outcome::Better,
            Quantity::Throughput if self.factor > 1.0 => Outcome::Better,
            Quantity::P50 | Quantity::P99 | Quantity::Cpu | Quantity::Throughput => Outcome::Worse,
        }
    }
}

/// Compares `after` with `before`. `noise` is a second run of the same as `before`; without it the halves of each run
/// say what noise is.
fn judge(before: &Results, after: &Results, noise: Option<&Results>) -> anyhow::Result<Vec<Figure>> {
    for (run, which) in [(Some(before), "first"), (Some(after), "second"), (noise, "noise")] {
        let Some(run) = run else { continue };
        let same = run.run.name == before.run.name && run.run.scenario == before.run.scenario;
        ensure!(same, "the {which} run is of another scenario than the first: {}", run.run.name);
        ensure!(run.verdict != Verdict::Invalid, "the {which} run is invalid: its generator was late itself");
        ensure!(run.verdict != Verdict::Broken, "the {which} run is broken: its ledger does not add up");
        if let Some(aborted) = &run.aborted {
            anyhow::bail!("the {which} run {aborted}");
        }
        let seconds = run.intervals.len();
        ensure!(seconds >= SECONDS_MIN, "the {which} run has {seconds} seconds; it takes {SECONDS_MIN}");
    }
    let runs = Runs {
        before: Run::of(before, 1),
        after: Run::of(after, 2),
        noise: noise.map(|results| Run::of(results, 3)),
    };
    let mut names: Vec<&String> = before.operations.keys().chain(after.operations.keys()).collect();
    names.sort();
    names.dedup();
    let mut figures = Vec::new();
    for name in names {
        for quantity in [Quantity::P50, Quantity::P99, Quantity::Throughput] {
            figures.push(runs.figure(Some(name), quantity)?);
        }
    }
    if runs.before.seconds.cpu().is_some() && runs.after.seconds.cpu().is_some() {
        figures.push(runs.figure(None, Quantity::Cpu)?);
    }
    Ok(figures)
}

struct Run<'a> {
    results: &'a Results,
    seconds: Seconds<'a>,
    halves: (Seconds<'a>, Seconds<'a>),
}

struct Runs<'a> {
    before: Run<'a>,
    after: Run<'a>,
    noise: Option<Run<'a>>,
}

impl Runs<'_> {
    fn figure(&self, operation: Option<&str>, quantity: Quantity) -> anyhow::Result<Figure> {
        let before = self.before.estimate(operation, quantity)?;
        let after = self.after.estimate(operation, quantity)?;
        let value = |estimate: &Option<Estimate>| estimate.as_ref().map_or(0.0, |estimate| estimate.value);
        let values = (value(&before), value(&after));
        let finding = match before.filter(|before| before.value > 0.0).zip(after) {
            Some((before, after)) => {
                let change = Change::between(&before, &after);
                let noise = self.noise(&before, operation, quantity)?;
                Finding::Judged { outcome: change.outcome(noise, quantity), change, noise }
            }
            None => Finding::TooFew,
        };
        let operation = operation.map(str::to_owned);
        Ok(Figure { operation, quantity, before: values.0, after: values.1, finding })
    }

    /// The factor that two runs of the same may differ by.
    fn noise(&self, before: &Estimate, operation: Option<&str>, quantity: Quantity) -> anyhow::Result<f64> {
        if let Some(noise) = &self.noise {
            let again = noise.estimate(operation, quantity)?;
            return Ok(again.map_or(1.0, |again| Change::between(before, &again).at_most()));
        }
        let of_halves = |run: &Run<'_>| {
            let (first, second) = &run.halves;
            let halves = estimate(first, operation, quantity).zip(estimate(second, operation, quantity));
            let halves = halves.filter(|(first, second)| first.value > 0.0 && second.value > 0.0);
            halves.map_or(1.0, |(first, second)| Change::between(&first, &second).at_most())
        };
        Ok(of_halves(&self.before).max(of_halves(&self.after)))
    }
}

impl<'a> Run<'a> {
    fn of(results: &'a Results, seed: u64) -> Self {
        let seconds = Seconds::of(results, seed);
        Self { results, halves: seconds.halves(), seconds }
    }

    /// The figure of the whole run; none when it has too few answers for it. A percentile is the histogram's own: the
    /// seconds say only by how much it would have moved.
    fn estimate(&self, operation: Option<&str>, quantity: Quantity) -> anyhow::Result<Option<Estimate>> {
        let of = operation.and_then(|operation| self.results.operations.get(operation));
        let (of, quantile) = match (of, quantity) {
            (Some(of), Quantity::P50) => (of, 0.5),
            (Some(of), Quantity::P99) => (of, 0.99),
            (None, Quantity::P50 | Quantity::P99) => return Ok(None),
            (_, Quantity::Throughput | Quantity::Cpu) => {
                return Ok(estimate(&self.seconds, operation, quantity));
            }
        };
        let exact =
            percentile(of, quantile).with_context(|| format!("in the run {}", self.results.run.name))?;
        let Some(mut estimate) = estimate(&self.seconds, operation, quantity) else { return Ok(None) };
        let Some(exact) = exact else { return Ok(None) };
        estimate.draws.iter_mut().for_each(|draw| *draw *= exact / estimate.value);
        estimate.value = exact;
        Ok(Some(estimate))
    }
}

fn percentile(operation: &Operation, quantile: f64) -> anyhow::Result<Option<f64>> {
    let histogram = saved::histogram(operation)?;
    let enough = histogram.len() as f64 * (1.0 - quantile) >= BEYOND_MIN;
    Ok(enough.then(|| histogram.value_at_quantile(quantile) as f64))
}

/// The figure of some seconds; none when nothing was answered in them, but a throughput of nought.
fn estimate(seconds: &Seconds<'_>, operation: Option<&str>, quantity: Quantity) -> Option<Estimate> {
    let operation = operation.unwrap_or_default();
    let estimate = match quantity {
        Quantity::P50 => seconds.delay(operation, 0.5),
        Quantity::P99 => seconds.delay(operation, 0.99),
        Quantity::Throughput => seconds.throughput(operation),
        Quantity::Cpu => seconds.cpu()?,
    };
    (estimate.value > 0.0 || quantity == Quantity::Throughput).then_some(estimate)
}

#[cfg(test)]
mod tests;
