//! Objectives as a scenario writes them: `set.p99 < 10ms`, `errors < 1%`, `set.count > 1000`.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, bail};
use serde::Deserialize;

use crate::results::{self, Aborted, Delays, IntervalOperation};

/// An objective.
#[derive(Clone, Debug, Deserialize)]
#[serde(try_from = "Written")]
pub(crate) struct Threshold {
    written: String,
    of: Figure,
    below: bool,
    limit: f64,
    unit: Unit,
    /// From when on a run ends in which it is missed so far.
    abort_after: Option<Duration>,
}

/// As a scenario has it.
#[derive(Deserialize)]
#[serde(
    untagged,
    expecting = "a threshold is \"set.p99 < 50ms\" or { met = \"set.p99 < 50ms\", abort_after_s = 10 }"
)]
enum Written {
    Judged(String),
    Aborting(Aborting),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Aborting {
    met: String,
    abort_after_s: u32,
}

/// What is judged.
#[derive(Clone, Debug)]
enum Figure {
    /// The share of operations that were refused or unanswered; of one kind or of all.
    Errors(Option<String>),
    /// How many of a kind were answered well.
    Count(String),
    /// A delay of a kind.
    Delay(String, fn(&Delays) -> f64),
}

/// What it is written in, and how many microseconds or parts that is.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Unit {
    name: &'static str,
    size: f64,
}

const TIMES: [Unit; 3] =
    [Unit { name: "us", size: 1.0 }, Unit { name: "ms", size: 1e3 }, Unit { name: "s", size: 1e6 }];
const PERCENT: Unit = Unit { name: "%", size: 0.01 };
const NUMBER: Unit = Unit { name: "", size: 1.0 };

impl TryFrom<String> for Threshold {
    type Error = String;

    fn try_from(written: String) -> Result<Self, String> {
        Self::read(&written).map_err(|error| format!("threshold `{written}`: {error:#}"))
    }
}

impl TryFrom<Written> for Threshold {
    type Error = String;

    fn try_from(written: Written) -> Result<Self, String> {
        let Aborting { met, abort_after_s } = match written {
            Written::Judged(written) => return written.try_into(),
            Written::Aborting(aborting) => aborting,
        };
        let threshold = Self::try_from(met)?;
        if threshold.is_count() {
            // One that has to be reached is missed for most of the run.
            return Err(format!(
                "threshold `{}`: abort_after_s: a count is judged at the end",
                threshold.written
            ));
        }
        Ok(Self { abort_after: Some(Duration::from_secs(abort_after_s.into())), ..threshold })
    }
}

impl Threshold {
    fn read(written: &str) -> anyhow::Result<Self> {
        let (figure, rest) = written.trim().split_once(' ').context("write `set.p99 < 10ms`")?;
        let (sign, limit) = rest.trim().split_once(' ').context("write `set.p99 < 10ms`")?;
        let below = match sign {
            "<" => true,
            ">" => false,
            _ => bail!("compare with < or >"),
        };
        let (of, units) = Self::figure(figure)?;
        let digits = limit.trim().trim_end_matches(|c: char| c.is_alphabetic() || c == '%');
        let named = limit.trim()[digits.len()..].trim();
        let unit = units.iter().find(|unit| unit.name == named).copied();
        let unit = unit.with_context(|| {
            let names: Vec<_> = units.iter().map(|unit| unit.name).collect();
            format!("the unit is {}", if names == [""] { "none".to_owned() } else { names.join(", ") })
        })?;
        let limit = digits.trim().parse().context("no number")?;
        Ok(Self { written: written.to_owned(), of, below, limit, unit, abort_after: None })
    }

    fn figure(text: &str) -> anyhow::Result<(Figure, &'static [Unit])> {
        if text == "errors" {
            return Ok((Figure::Errors(None), &[PERCENT]));
        }
        let (kind, figure) = text.split_once('.').context("name an operation and a figure: `set.p99`")?;
        let kind = kind.to_owned();
        let delay: fn(&Delays) -> f64 = match figure {
            "errors" => return Ok((Figure::Errors(Some(kind)), &[PERCENT])),
            "count" => return Ok((Figure::Count(kind), &[NUMBER])),
            "mean" => |delay| delay.mean,
            "p50" => |delay| delay.p50 as f64,
            "p90" => |delay| delay.p90 as f64,
            "p99" => |delay| delay.p99 as f64,
            "p999" => |delay| delay.p999 as f64,
            "max" => |delay| delay.max as f64,
            _ => bail!("a figure is mean, p50, p90, p99, p999, max, count or errors"),
        };
        Ok((Figure::Delay(kind, delay), &TIMES))
    }

    /// Whether it asks for a number of operations, which depends on how long a run is.
    pub(crate) const fn is_count(&self) -> bool {
        matches!(self.of, Figure::Count(_))
    }

    /// Whether it bounds the errors of all operations.
    pub(crate) const fn is_errors(&self) -> bool {
        matches!(self.of, Figure::Errors(None))
    }

    /// Whether a run may end early because of it.
    pub(crate) const fn aborts(&self) -> bool {
        self.abort_after.is_some()
    }

    /// What came of it so far, if a run that began so long ago is to end for that. Of a kind that has not happened yet, nothing
    /// is known.
    fn hopeless(
        &self,
        so_far: &BTreeMap<String, IntervalOperation>,
        since: Duration,
    ) -> Option<results::Threshold> {
        let is_due = self.abort_after.is_some_and(|after| since >= after);
        let judged = (is_due && self.measure(so_far).is_some()).then(|| self.judge(so_far));
        judged.filter(|judged| !judged.met)
    }

    /// What came of it. One of a kind that never happened is not met.
    pub(crate) fn judge(&self, operations: &BTreeMap<String, IntervalOperation>) -> results::Threshold {
        let measured = self.measure(operations).map(|value| value / self.unit.size);
        let met =
            measured.is_some_and(|value| if self.below { value < self.limit } else { value > self.limit });
        let measured = measured.map_or("none".to_owned(), |value| {
            let digits = if self.unit == NUMBER { 0 } else { 3 };
            format!("{value:.digits$}{}", self.unit.name)
        });
        results::Threshold { what: self.written.clone(), measured, met }
    }

    fn measure(&self, operations: &BTreeMap<String, IntervalOperation>) -> Option<f64> {
        match &self.of {
            Figure::Errors(kind) => {
                let of_kind = |name: &&String| kind.as_ref().is_none_or(|kind| kind == *name);
                let counted = operations.iter().filter(|(name, _)| of_kind(name)).map(|(_, one)| one);
                let (good, bad) =
                    counted.fold((0, 0), |(good, bad), one| (good + one.count, bad + one.errors));
                (good + bad > 0).then(|| bad as f64 / (good + bad) as f64)
            }
            Figure::Count(kind) => Some(operations.get(kind).map_or(0, |one| one.count) as f64),
            Figure::Delay(kind, delay) => {
                operations.get(kind).filter(|one| one.count > 0).map(|one| delay(&one.delay))
            }
        }
    }
}

/// Why a run that began so long ago is to end before its plan does: the first threshold that ends it.
pub(crate) fn hopeless(
    thresholds: &[Threshold],
    so_far: &BTreeMap<String, IntervalOperation>,
    since: Duration,
) -> Option<Aborted> {
    let missed = thresholds.iter().find_map(|threshold| threshold.hopeless(so_far, since));
    missed.map(|results::Threshold { what, measured, .. }| Aborted {
        at: since.as_secs_f64(),
        what,
        measured,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 99 sets of 12.5 ms, and one that was refused.
    fn sets() -> BTreeMap<String, IntervalOperation> {
        let delay = Delays { p99: 12_500, ..Delays::default() };
        [("set".to_owned(), IntervalOperation { count: 99, errors: 1, delay })].into()
    }

    fn judged(written: &str) -> (String, bool) {
        let judged = Threshold::try_from(written.to_owned()).unwrap().judge(&sets());
        (judged.measured, judged.met)
    }

    /// The thresholds of a scenario.
    fn read(written: &str) -> Result<Vec<Threshold>, String> {
        #[derive(Deserialize)]
        struct Scenario {
            thresholds: Vec<Threshold>,
        }
        let read = toml::from_str::<Scenario>(&format!("thresholds = [{written}]"));
        read.map(|scenario| scenario.thresholds).map_err(|error| error.message().to_owned())
    }

    #[test]
    fn a_threshold_is_judged_in_the_unit_it_is_written_in() {
        assert_eq!(judged("set.p99 < 10ms"), ("12.500ms".to_owned(), false));
        assert_eq!(judged("set.p99 < 1s"), ("0.013s".to_owned(), true));
        assert_eq!(judged("errors < 2%"), ("1.000%".to_owned(), true));
        assert_eq!(judged("set.count > 99"), ("99".to_owned(), false));
    }

    #[test]
    fn what_never_happened_meets_no_threshold() {
        assert_eq!(judged("tile.p99 < 1s"), ("none".to_owned(), false));
    }

    #[test]
    fn a_threshold_that_cannot_be_read_says_what_to_write() {
        let error = Threshold::try_from("set.p98 < 10ms".to_owned()).unwrap_err();
        assert!(error.contains("a figure is mean, p50"), "{error}");
        assert!(Threshold::try_from("set.p99 < 10%".to_owned()).is_err());
        assert!(Threshold::try_from("set.p99 <= 10ms".to_owned()).is_err());
        assert!(read("{ met = \"set.p99 < 10ms\", abort = 3 }").unwrap_err().contains("abort_after_s = 10"));
    }

    #[test]
    fn a_run_ends_early_when_the_threshold_that_says_so_is_missed_after_its_grace() {
        let hopeless = |written: &str, since: u64| {
            let threshold = &read(written).unwrap()[0];
            threshold.hopeless(&sets(), Duration::from_secs(since)).map(|judged| judged.measured)
        };
        let p99 = "{ met = \"set.p99 < 10ms\", abort_after_s = 5 }";
        assert_eq!(hopeless(p99, 4), None, "it has its grace");
        assert_eq!(hopeless(p99, 5), Some("12.500ms".to_owned()));
        assert_eq!(hopeless(&p99.replace("10ms", "20ms"), 5), None, "it is met");
        assert_eq!(hopeless("\"set.p99 < 10ms\"", 5), None, "it does not say so");
        assert_eq!(hopeless(&p99.replace("set", "tile"), 5), None, "no tile came yet");
    }

    #[test]
    fn a_count_that_is_not_reached_yet_ends_no_run() {
        let refused = read("{ met = \"set.count > 1000\", abort_after_s = 5 }").unwrap_err();
        assert!(refused.contains("judged at the end"), "{refused}");
    }
}
