//! Objectives as a scenario writes them: `set.p99 < 10ms`, `errors < 1%`, `set.count > 1000`.

use std::collections::BTreeMap;

use anyhow::{Context, bail};
use serde::Deserialize;

use crate::results::{self, Delays, Operation};

/// An objective.
#[derive(Clone, Debug, Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct Threshold {
    written: String,
    of: Figure,
    below: bool,
    limit: f64,
    unit: Unit,
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
        Ok(Self { written: written.to_owned(), of, below, limit, unit })
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

    /// What came of it. One of a kind that never happened is not met.
    pub(crate) fn judge(&self, operations: &BTreeMap<String, Operation>) -> results::Threshold {
        let measured = self.measure(operations).map(|value| value / self.unit.size);
        let met =
            measured.is_some_and(|value| if self.below { value < self.limit } else { value > self.limit });
        let measured = measured.map_or("none".to_owned(), |value| {
            let digits = if self.unit == NUMBER { 0 } else { 3 };
            format!("{value:.digits$}{}", self.unit.name)
        });
        results::Threshold { what: self.written.clone(), measured, met }
    }

    fn measure(&self, operations: &BTreeMap<String, Operation>) -> Option<f64> {
        match &self.of {
            Figure::Errors(kind) => {
                let of_kind = |name: &&String| kind.as_ref().is_none_or(|kind| kind == *name);
                let counted = operations.iter().filter(|(name, _)| of_kind(name)).map(|(_, one)| one);
                let (good, bad) = counted.fold((0, 0), |(good, bad), one| {
                    (good + one.count, bad + one.errors.values().sum::<u64>())
                });
                (good + bad > 0).then(|| bad as f64 / (good + bad) as f64)
            }
            Figure::Count(kind) => Some(operations.get(kind).map_or(0, |one| one.count) as f64),
            Figure::Delay(kind, delay) => {
                operations.get(kind).filter(|one| one.count > 0).map(|one| delay(&one.delay))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(written: &str) -> (String, bool) {
        let delay = Delays { p99: 12_500, ..Delays::default() };
        let set =
            Operation { count: 99, errors: [("busy".to_owned(), 1)].into(), delay, histogram: String::new() };
        let threshold = Threshold::try_from(written.to_owned()).unwrap();
        let judged = threshold.judge(&[("set".to_owned(), set)].into());
        (judged.measured, judged.met)
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
    }
}
