//! What a search found: its steps, the answer, and what stands in the way of more. It is what `capacity.json` holds.

use std::collections::BTreeMap;
use std::fmt::Write;

use anyhow::anyhow;
use serde::Serialize;

use crate::results::{Delays, IntervalOperation, Results, Threshold, Verdict};
use crate::run::NotRun;
use crate::units;

/// The form of `capacity.json`.
const SCHEMA: u32 = 1;

/// A search that has ended.
#[derive(Debug, Serialize)]
pub(super) struct Found {
    schema: u32,
    #[serde(flatten)]
    searched: Searched,
    /// The largest rate at which all was met, in operations a second.
    per_second: Option<u32>,
    limited_by: Limit,
    /// In the order in which they were tried.
    steps: Vec<Step>,
}

/// What was searched, and against what.
#[derive(Debug, Serialize)]
pub(super) struct Searched {
    pub(super) scenario: String,
    pub(super) target: String,
    pub(super) database: Option<String>,
    pub(super) server_version: Option<String>,
    pub(super) version: &'static str,
    pub(super) seed: u64,
}

/// What stands in the way of more.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "what", rename_all = "snake_case")]
pub(super) enum Limit {
    /// Thresholds that were missed at a rate above the answer.
    Thresholds { at: u32, missed: Vec<String> },
    /// The generator was late itself, or had no processor left: the server may carry more.
    Generator { at: u32 },
    /// Something was lost, doubled, reordered or leaked.
    Ledger { at: u32, examples: Vec<String> },
    /// A run that could not be finished.
    Unfinished { at: u32, why: String },
    /// Nobody listens where the first run was to begin.
    Unreachable { at: u32, why: String },
    /// Nothing that was tried: no more was to be tried.
    Bounds,
}

/// A rate that was tried.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Step {
    pub(super) per_second: u32,
    /// Where its run lies, beside `capacity.json`.
    folder: String,
    seconds: f64,
    verdict: Verdict,
    operations: BTreeMap<String, IntervalOperation>,
    thresholds: Vec<Threshold>,
    examples: Vec<String>,
    /// How late the generator was itself.
    lag: Delays,
    /// Processors that the generator kept busy.
    generator_cpu: f64,
    /// Processors that the server kept busy; absent when it cannot be told.
    server_cpu: Option<f64>,
}

impl Step {
    pub(super) fn of(per_second: u32, folder: String, results: &Results) -> Self {
        let used =
            results.intervals.iter().filter_map(|second| Some((second.at, second.server.as_ref()?.cpu_s?)));
        let used: Vec<(f64, f64)> = used.collect();
        let server_cpu = match used[..] {
            [(from, before), .., (to, after)] if to > from => Some((after - before) / (to - from)),
            _ => None,
        };
        Self {
            per_second,
            folder,
            seconds: results.run.seconds,
            verdict: results.verdict,
            operations: results.counted(),
            thresholds: results.thresholds.clone(),
            examples: results.ledger.examples.clone(),
            lag: results.generator.lag,
            generator_cpu: results.generator.cpu_s / results.run.seconds.max(f64::EPSILON),
            server_cpu,
        }
    }

    fn missed(&self) -> Vec<String> {
        let missed = self.thresholds.iter().filter(|threshold| !threshold.met);
        missed.map(|threshold| format!("{} was {}", threshold.what, threshold.measured)).collect()
    }

    /// The step as a row under [`HEAD`].
    pub(super) fn row(&self) -> String {
        let p99 = |kind| {
            let one = self.operations.get(kind).filter(|one| one.count > 0);
            one.map_or("-".to_owned(), |one| units::delay(one.delay.p99 as f64))
        };
        let errors: u64 = self.operations.values().map(|one| one.errors).sum();
        let outcome = match self.verdict {
            Verdict::Passed => "met".to_owned(),
            Verdict::Failed => self.missed().join("; "),
            Verdict::Invalid => "the generator was late itself".to_owned(),
            Verdict::Broken => format!("BROKEN: {}", self.examples.join("; ")),
        };
        format!(
            "{:>9}/s {:>10} {:>10} {:>10} {errors:>8} {:>10} {:>10.2} {:>8}  {outcome}",
            self.per_second,
            p99("set"),
            p99("delivery"),
            p99("tile"),
            units::delay(self.lag.p99 as f64),
            self.generator_cpu,
            self.server_cpu.map_or("-".to_owned(), |cpu| format!("{cpu:.2}")),
        )
    }
}

/// What stands above the rows.
pub(super) fn head() -> String {
    format!(
        "{:>11} {:>10} {:>10} {:>10} {:>8} {:>10} {:>10} {:>8}",
        "rate", "set p99", "delivery", "tile", "errors", "lag p99", "generator", "server"
    )
}

impl Found {
    /// Draws the conclusion from the steps of a search, and from what stopped it, if something did.
    pub(super) fn of(searched: Searched, steps: Vec<Step>, stopped: Option<Limit>) -> Self {
        Self { schema: SCHEMA, searched, per_second: met(&steps), limited_by: limit(&steps, stopped), steps }
    }

    /// How the search ends.
    ///
    /// # Errors
    /// When the target was never reached.
    pub(super) fn outcome(&self) -> Result<Verdict, NotRun> {
        match (&self.limited_by, self.per_second) {
            (Limit::Unreachable { why, .. }, _) => Err(NotRun::Unreachable(anyhow!(why.clone()))),
            (Limit::Ledger { .. }, _) => Ok(Verdict::Broken),
            (Limit::Generator { .. }, _) => Ok(Verdict::Invalid),
            (Limit::Thresholds { .. } | Limit::Unfinished { .. } | Limit::Bounds, None) => {
                Ok(Verdict::Failed)
            }
            (Limit::Thresholds { .. } | Limit::Unfinished { .. } | Limit::Bounds, Some(_)) => {
                Ok(Verdict::Passed)
            }
        }
    }

    /// The steps by their rate, and the answer.
    pub(super) fn table(&self) -> String {
        let mut steps: Vec<&Step> = self.steps.iter().collect();
        steps.sort_by_key(|step| step.per_second);
        let mut page = format!("\n{}\n{}\n", self.searched.scenario, head());
        for step in steps {
            // Writing to a string cannot fail.
            let _ = writeln!(page, "{}", step.row());
        }
        page + "\n" + &self.answer() + "\n"
    }

    fn answer(&self) -> String {
        let met = self.per_second.map_or("nothing".to_owned(), |rate| format!("{rate} operations a second"));
        match &self.limited_by {
            Limit::Thresholds { at, missed } => {
                format!("It carries {met}: at {at}/s {}", missed.join(" and "))
            }
            Limit::Generator { at } => format!(
                "It carries at least {met}: at {at}/s the generator was late itself or had no processor left, and is \
                 the limit"
            ),
            Limit::Ledger { at, examples } => format!("BROKEN at {at}/s: {}", examples.join("; ")),
            Limit::Unfinished { at, why } => {
                format!("It carries at least {met}: the run at {at}/s could not be finished: {why}")
            }
            Limit::Unreachable { at, why } => format!("Nothing was tried: at {at}/s {why}"),
            Limit::Bounds => format!("It carries at least {met}: no more was to be tried"),
        }
    }
}

/// The largest rate that was met.
fn met(steps: &[Step]) -> Option<u32> {
    steps.iter().filter(|step| step.verdict == Verdict::Passed).map(|step| step.per_second).max()
}

/// A broken promise stands in the way wherever it was found; else what stopped the search; else the smallest rate above the
/// answer, and the newest run at it.
fn limit(steps: &[Step], stopped: Option<Limit>) -> Limit {
    if let Some(step) = steps.iter().find(|step| step.verdict == Verdict::Broken) {
        return Limit::Ledger { at: step.per_second, examples: step.examples.clone() };
    }
    if let Some(stopped) = stopped {
        return stopped;
    }
    let answer = met(steps).unwrap_or(0);
    let above = steps.iter().rev().filter(|step| step.per_second > answer);
    let Some(step) = above.min_by_key(|step| step.per_second) else { return Limit::Bounds };
    let at = step.per_second;
    if step.verdict == Verdict::Invalid {
        Limit::Generator { at }
    } else {
        Limit::Thresholds { at, missed: step.missed() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::example;

    fn found(steps: &[(u32, Verdict)]) -> Found {
        stopped(steps, None)
    }

    fn stopped(steps: &[(u32, Verdict)], stopped: Option<Limit>) -> Found {
        let mut run = example::run(1, 1.0);
        let steps = steps.iter().map(|(rate, verdict)| {
            run.verdict = *verdict;
            run.ledger.examples = vec!["one is missing".to_owned()];
            let met = *verdict == Verdict::Passed;
            run.thresholds = vec![Threshold { what: "set.p99 < 10ms".into(), measured: "12ms".into(), met }];
            Step::of(*rate, format!("step-{rate}"), &run)
        });
        let steps = steps.collect();
        let searched = Searched {
            scenario: "smoke".to_owned(),
            target: "ws://127.0.0.1:1".to_owned(),
            database: None,
            server_version: None,
            version: "0.0.0",
            seed: 1,
        };
        Found::of(searched, steps, stopped)
    }

    fn verdict(found: &Found) -> Verdict {
        found.outcome().unwrap()
    }

    #[test]
    fn the_smallest_rate_that_was_not_met_says_what_stands_in_the_way() {
        let found = found(&[
            (100, Verdict::Passed),
            (200, Verdict::Passed),
            (400, Verdict::Invalid),
            (300, Verdict::Failed),
        ]);
        let missed = vec!["set.p99 < 10ms was 12ms".to_owned()];
        assert_eq!(found.limited_by, Limit::Thresholds { at: 300, missed });
        assert_eq!((found.per_second, verdict(&found)), (Some(200), Verdict::Passed));
        assert!(
            found.table().contains("It carries 200 operations a second: at 300/s set.p99 < 10ms was 12ms")
        );
    }

    #[test]
    fn a_rate_that_was_met_at_the_second_try_stands_in_nobodys_way() {
        let found = found(&[(100, Verdict::Passed), (200, Verdict::Invalid), (200, Verdict::Passed)]);
        assert_eq!((found.per_second, found.limited_by), (Some(200), Limit::Bounds));
    }

    #[test]
    fn a_generator_that_is_the_limit_makes_the_answer_a_least() {
        let found = found(&[(100, Verdict::Passed), (200, Verdict::Invalid)]);
        assert_eq!(verdict(&found), Verdict::Invalid);
        assert!(found.table().contains("at least 100 operations a second: at 200/s the generator"));
    }

    #[test]
    fn a_broken_promise_is_the_answer_wherever_it_was_found() {
        let found = found(&[(100, Verdict::Passed), (200, Verdict::Broken)]);
        assert_eq!(verdict(&found), Verdict::Broken);
        assert!(found.table().contains("BROKEN at 200/s: one is missing"));
    }

    #[test]
    fn a_server_that_met_all_that_was_tried_carries_at_least_that() {
        let found = found(&[(100, Verdict::Passed)]);
        assert_eq!((verdict(&found), &found.limited_by), (Verdict::Passed, &Limit::Bounds));
    }

    #[test]
    fn a_server_that_met_nothing_has_failed() {
        let found = found(&[(2, Verdict::Failed), (1, Verdict::Failed)]);
        assert_eq!((verdict(&found), found.per_second), (Verdict::Failed, None));
    }

    #[test]
    fn a_search_that_was_stopped_stands_by_what_it_found_before() {
        let unfinished = Limit::Unfinished { at: 200, why: "not everybody came".to_owned() };
        let found = stopped(&[(100, Verdict::Passed)], Some(unfinished.clone()));
        assert_eq!((verdict(&found), found.per_second), (Verdict::Passed, Some(100)));
        assert!(found.table().contains("the run at 200/s could not be finished: not everybody came"));
        assert_eq!(verdict(&stopped(&[(400, Verdict::Failed)], Some(unfinished.clone()))), Verdict::Failed);
        assert_eq!(verdict(&stopped(&[], Some(unfinished))), Verdict::Failed);
    }

    #[test]
    fn a_search_that_was_stopped_for_the_generator_or_the_target_says_so() {
        assert_eq!(
            verdict(&stopped(&[(100, Verdict::Passed)], Some(Limit::Generator { at: 200 }))),
            Verdict::Invalid
        );
        let gone = stopped(&[], Some(Limit::Unreachable { at: 100, why: "nobody listens".to_owned() }));
        let (code, why) = gone.outcome().unwrap_err().parts();
        assert_eq!((code, why.to_string()), (3, "nobody listens".to_owned()));
    }

    #[test]
    fn the_processor_of_the_server_is_read_from_the_first_second_to_the_last() {
        let run = example::run(1, 1.0);
        let step = Step::of(1, String::new(), &run);
        assert!(step.server_cpu.is_some_and(|cpu| cpu > 0.0), "{:?}", step.server_cpu);
    }
}
