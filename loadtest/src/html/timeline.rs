//! What is drawn over the time of the run: the delays of each operation, what was answered, who was connected,
//! and how the server was meanwhile.

use maud::{Markup, html};

use super::axis::{Axis, Unit};
use super::metrics;
use super::plot::{Chart, Joined, Line, Time};
use crate::results::{Delays, Interval, Results};

/// Lines a chart holds; there are as many colours.
pub(super) const LINES_MAX: usize = 8;

pub(super) fn sections(results: &Results) -> Markup {
    let time = Time::of(results);
    let about = "From the planned time, second by second. All charts of this section have the same axis.";
    let server = server(results);
    time.holds(html! {
        (section("load", "Load", "", load(results), &time))
        (section("latency", "Latency over time", about, latency(results), &time))
        @if !server.is_empty() { (section("server", "The server meanwhile", "", server, &time)) }
    })
}

fn section(id: &str, title: &str, about: &str, charts: Vec<Chart>, time: &Time<'_>) -> Markup {
    html! {
        section aria-labelledby=(id) {
            h2 id=(id) { (title) }
            @if !about.is_empty() { p.about { (about) } }
            div.charts { @for chart in charts { (chart.draw(time)) } }
        }
    }
}

/// A value for each second, where it has one.
fn line(name: &str, results: &Results, value: impl Fn(&Interval) -> Option<f64>) -> Line {
    Line { name: name.to_owned(), values: results.intervals.iter().map(value).collect() }
}

pub(super) fn values(lines: &[Line]) -> impl Iterator<Item = f64> {
    lines.iter().flat_map(|line| &line.values).copied().flatten()
}

pub(super) fn chart(title: &str, unit: Unit, joined: Joined, lines: Vec<Line>) -> Chart {
    Chart { title: title.to_owned(), unit, axis: Axis::linear(values(&lines), unit), joined, lines }
}

fn load(results: &Results) -> Vec<Chart> {
    // The busiest have lines of their own.
    let mut names: Vec<_> = results.operations.iter().collect();
    names.sort_by_key(|(_, operation)| std::cmp::Reverse(operation.count));
    let answered = names.into_iter().take(LINES_MAX).map(|(name, _)| {
        line(name, results, |second| Some(second.operations.get(name).map_or(0.0, |of| of.count as f64)))
    });
    let mut charts = vec![
        chart("Answered a second", Unit::PerSecond, Joined::Mean, answered.collect()),
        chart(
            "Connections",
            Unit::Plain,
            Joined::Mean,
            vec![line("open", results, |second| Some(second.connections as f64))],
        ),
    ];
    let errors = line("errors", results, |second| {
        Some(second.operations.values().map(|operation| operation.errors as f64).sum())
    });
    if errors.values.iter().any(|errors| errors.is_some_and(|errors| errors > 0.0)) {
        charts.push(chart("Refused or unanswered a second", Unit::PerSecond, Joined::Mean, vec![errors]));
    }
    charts
}

fn latency(results: &Results) -> Vec<Chart> {
    type Percentile = (&'static str, fn(&Delays) -> u64);
    let percentiles: [Percentile; 4] = [
        ("p50", |delay| delay.p50),
        ("p90", |delay| delay.p90),
        ("p99", |delay| delay.p99),
        ("max", |delay| delay.max),
    ];
    let of = |operation: &str| {
        let line = |(name, read): &Percentile| {
            line(name, results, |second| {
                let of = second.operations.get(operation).filter(|of| of.count > 0)?;
                Some(read(&of.delay).max(1) as f64)
            })
        };
        (operation.to_owned(), percentiles.iter().map(line).collect())
    };
    let all: Vec<(String, Vec<Line>)> = results.operations.keys().map(|operation| of(operation)).collect();
    let axis = Axis::log(all.iter().flat_map(|(_, lines)| values(lines)));
    let chart = |(title, lines)| Chart { title, unit: Unit::Delay, axis, joined: Joined::Most, lines };
    all.into_iter().map(chart).collect()
}

fn server(results: &Results) -> Vec<Chart> {
    let mut charts = Vec::new();
    let server_cpu = rate(results, |second| second.server.as_ref()?.cpu_s);
    let database_cpu = rate(results, |second| second.server.as_ref()?.database_cpu_s);
    let cpu = [("server", server_cpu), ("database", database_cpu)];
    let cpu = cpu.map(|(name, values)| Line { name: name.to_owned(), values });
    let cpu: Vec<_> = cpu.into_iter().filter(|line| line.values.iter().any(Option::is_some)).collect();
    if !cpu.is_empty() {
        charts.push(chart("Processors in use", Unit::Cores, Joined::Mean, cpu));
    }
    let rss = line("resident", results, |second| second.server.as_ref()?.rss_kib);
    if rss.values.iter().any(Option::is_some) {
        charts.push(chart("Memory", Unit::Memory, Joined::Most, vec![rss]));
    }
    charts.extend(metrics::charts(results));
    charts
}

/// How fast a counter rose in each second. One that fell began anew. The last second may be too short to say.
pub(super) fn rate(results: &Results, counter: impl Fn(&Interval) -> Option<f64>) -> Vec<Option<f64>> {
    let mut before: Option<(f64, f64)> = None;
    let rise = |second: &Interval| {
        let now = counter(second)?;
        let (at, last) = before.replace((second.at, now))?;
        let rise = if now < last { now } else { now - last };
        (second.at - at > 0.5).then(|| rise / (second.at - at))
    };
    results.intervals.iter().map(rise).collect()
}
