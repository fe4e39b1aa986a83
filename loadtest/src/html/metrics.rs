//! What the server said of itself, as charts: one for each metric, its labels as lines.

use std::collections::{BTreeMap, BTreeSet};

use super::axis::Unit;
use super::plot::{Chart, Joined, Line};
use super::timeline::{LINES_MAX, chart, rate, values};
use crate::results::{Interval, Results};

/// How a metric is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Reading {
    /// As it stands.
    Value,
    /// What a sum rose by, over what its count rose by.
    Mean,
    /// What a counter rose by in a second.
    Rate,
}

/// A metric as it is named in `/metrics`, taken apart.
struct Metric<'a> {
    whole: &'a str,
    /// Without what tells sum and count apart.
    family: &'a str,
    /// With their braces; empty where there are none.
    labels: &'a str,
    reading: Reading,
}

impl<'a> Metric<'a> {
    /// None for the buckets of a histogram, whose mean and rate are drawn, and for what never changes.
    fn of(whole: &'a str) -> Option<Self> {
        let (name, labels) = whole.split_at(whole.find('{').unwrap_or(whole.len()));
        let (family, reading) = if let Some(family) = name.strip_suffix("_sum") {
            (family, Reading::Mean)
        } else if let Some(family) = name.strip_suffix("_count") {
            (family, Reading::Rate)
        } else if name.ends_with("_total") {
            (name, Reading::Rate)
        } else if name.ends_with("_bucket") || name.ends_with("_info") {
            return None;
        } else {
            (name, Reading::Value)
        };
        Some(Self { whole, family, labels, reading })
    }

    fn line(&self, results: &Results) -> Line {
        let read = |name: &str, second: &Interval| second.server.as_ref()?.metrics.get(name).copied();
        let own = |second: &Interval| read(self.whole, second);
        let mut values: Vec<Option<f64>> = match self.reading {
            Reading::Value => results.intervals.iter().map(own).collect(),
            Reading::Rate => rate(results, own),
            Reading::Mean => {
                let count = format!("{}_count{}", self.family, self.labels);
                let counts = rate(results, |second| read(&count, second));
                let mean = |(sum, count): (Option<f64>, Option<f64>)| {
                    count.filter(|count| *count > 0.0).and_then(|count| Some(sum? / count))
                };
                rate(results, own).into_iter().zip(counts).map(mean).collect()
            }
        };
        if self.unit() == Unit::Memory {
            values.iter_mut().flatten().for_each(|bytes| *bytes /= 1024.0);
        }
        let name = self.labels.trim_matches(['{', '}']).replace('"', "");
        Line { name: if name.is_empty() { self.word().to_owned() } else { name }, values }
    }

    fn unit(&self) -> Unit {
        match self.reading {
            Reading::Rate => Unit::PerSecond,
            Reading::Value | Reading::Mean if self.family.ends_with("_seconds") => Unit::Seconds,
            Reading::Value | Reading::Mean if self.family.ends_with("_bytes") => Unit::Memory,
            Reading::Value | Reading::Mean => Unit::Plain,
        }
    }

    const fn word(&self) -> &'static str {
        match self.reading {
            Reading::Value => "value",
            Reading::Mean => "mean",
            Reading::Rate => "a second",
        }
    }

    fn title(&self) -> String {
        match self.reading {
            Reading::Value => self.family.to_owned(),
            Reading::Mean | Reading::Rate => format!("{}, {}", self.family, self.word()),
        }
    }
}

/// The charts of all metrics that were ever other than nought.
pub(super) fn charts(results: &Results) -> Vec<Chart> {
    let samples = results.intervals.iter().filter_map(|second| second.server.as_ref());
    let names: BTreeSet<&String> = samples.flat_map(|server| server.metrics.keys()).collect();
    let mut charts: BTreeMap<(&str, Reading), Vec<Metric<'_>>> = BTreeMap::new();
    for metric in names.into_iter().filter_map(|name| Metric::of(name)) {
        charts.entry((metric.family, metric.reading)).or_default().push(metric);
    }
    charts.into_values().filter_map(|metrics| of_family(&metrics, results)).collect()
}

/// The chart of one metric with all its labels; the largest lines where there are too many.
fn of_family(metrics: &[Metric<'_>], results: &Results) -> Option<Chart> {
    let mut lines: Vec<_> = metrics.iter().map(|metric| metric.line(results)).collect();
    lines.retain(|line| line.values.iter().flatten().any(|value| *value != 0.0));
    let most = |line: &Line| values(std::slice::from_ref(line)).fold(0.0, f64::max);
    lines.sort_by(|one, other| most(other).total_cmp(&most(one)));
    lines.truncate(LINES_MAX);
    let first = metrics.first()?;
    (!lines.is_empty()).then(|| chart(&first.title(), first.unit(), Joined::Mean, lines))
}
