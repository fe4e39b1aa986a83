//! Lines over the time of the run, drawn as SVG. All such charts have one size and one axis of time, so that what
//! happened at once stands at one place.

use maud::{Markup, html};

use super::axis::{Axis, Unit, clock, moments};
use crate::results::Results;

const WIDTH: f64 = 560.0;
const HEIGHT: f64 = 220.0;
const LEFT: f64 = 64.0;
const RIGHT: f64 = 10.0;
const TOP: f64 = 24.0;
const BOTTOM: f64 = 26.0;
/// Points a line has at most; a longer run has several seconds a point.
const POINTS_MAX: usize = 600;
/// Rows of the table below a chart.
const ROWS_MAX: usize = 24;

/// What several seconds in one point come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Joined {
    /// Their most: a bad second stays visible.
    Most,
    Mean,
}

/// A value for each second of the run; absent where there was none.
#[derive(Clone, Debug)]
pub(super) struct Line {
    pub(super) name: String,
    pub(super) values: Vec<Option<f64>>,
}

pub(super) struct Chart {
    pub(super) title: String,
    pub(super) unit: Unit,
    pub(super) axis: Axis,
    pub(super) joined: Joined,
    pub(super) lines: Vec<Line>,
}

/// The time all charts of a run share.
pub(super) struct Time<'a> {
    results: &'a Results,
    /// Seconds in one point.
    step: usize,
    /// The moment of each point.
    points: Vec<f64>,
    end: f64,
}

impl<'a> Time<'a> {
    pub(super) fn of(results: &'a Results) -> Self {
        let step = results.intervals.len().div_ceil(POINTS_MAX).max(1);
        let points: Vec<f64> =
            results.intervals.chunks(step).filter_map(|seconds| Some(seconds.last()?.at)).collect();
        let end = points.last().copied().unwrap_or(1.0).max(results.run.seconds).max(1.0);
        Self { results, step, points, end }
    }

    /// Charts of this time, with what the page's script needs to find the point below the pointer: the moments,
    /// and between which shares of a chart's width they lie.
    pub(super) fn holds(&self, charts: Markup) -> Markup {
        let moments: Vec<_> = self.points.iter().map(|at| tenths(*at)).collect();
        html! {
            div.timelines data-moments=(moments.join(" ")) data-end=(self.end)
                data-left=(LEFT / WIDTH) data-right=((WIDTH - RIGHT) / WIDTH) {
                (charts)
            }
        }
    }

    pub(super) fn clock(&self, at: f64) -> String {
        clock(at, self.end)
    }

    fn join(&self, values: &[Option<f64>], joined: Joined) -> Vec<Option<f64>> {
        let join = |values: &[Option<f64>]| {
            let known = values.iter().copied().flatten();
            let count = known.clone().count();
            match joined {
                _ if count == 0 => None,
                Joined::Most => known.reduce(f64::max),
                Joined::Mean => Some(known.sum::<f64>() / count as f64),
            }
        };
        values.chunks(self.step).map(join).collect()
    }

    fn x(&self, at: f64) -> f64 {
        LEFT + (at / self.end).clamp(0.0, 1.0) * (WIDTH - LEFT - RIGHT)
    }
}

fn y(axis: Axis, value: f64) -> f64 {
    HEIGHT - BOTTOM - axis.place(value) * (HEIGHT - TOP - BOTTOM)
}

impl Chart {
    pub(super) fn draw(mut self, time: &Time<'_>) -> Markup {
        for line in &mut self.lines {
            line.values = time.join(&line.values, self.joined);
        }
        html! {
            figure.chart data-unit=(self.unit.name()) {
                figcaption { (self.title) }
                div.plot {
                    svg viewBox={ "0 0 " (WIDTH) " " (HEIGHT) } role="img" aria-label=(self.summary(time)) {
                        (backdrop(time))
                        (self.grid(time))
                        @for (place, line) in self.lines.iter().enumerate() {
                            path class={ "line c" (place) } d=(self.path(line, time)) {}
                        }
                        line.cursor x1="0" x2="0" y1=(TOP) y2=(HEIGHT - BOTTOM) {}
                    }
                }
                ul.legend {
                    @for (place, line) in self.lines.iter().enumerate() {
                        li data-values=(self.written(line)) {
                            span class={ "key c" (place) } {}
                            (line.name) " " output {}
                        }
                    }
                }
                (self.table(time))
            }
        }
    }

    fn grid(&self, time: &Time<'_>) -> Markup {
        let base = HEIGHT - BOTTOM;
        html! {
            @for (value, said) in self.axis.ticks(self.unit) {
                @let y = y(self.axis, value);
                line.grid x1=(LEFT) x2=(WIDTH - RIGHT) y1=(tenths(y)) y2=(tenths(y)) {}
                text.tick x=(LEFT - 7.0) y=(tenths(y + 4.0)) text-anchor="end" { (said) }
            }
            @for (at, said) in moments(time.end) {
                text.tick x=(tenths(time.x(at))) y=(base + 17.0) text-anchor="middle" { (said) }
            }
        }
    }

    /// The line, broken where there are no values. A value alone between two gaps is a dot.
    fn path(&self, line: &Line, time: &Time<'_>) -> String {
        let mut path = String::new();
        let mut is_down = false;
        for (at, value) in time.points.iter().zip(&line.values) {
            let Some(value) = value else {
                is_down = false;
                continue;
            };
            let (x, y) = (tenths(time.x(*at)), tenths(y(self.axis, *value)));
            path += &if is_down { format!("L{x} {y}") } else { format!("M{x} {y}h0") };
            is_down = true;
        }
        path
    }

    /// The values of a line, for the page's script.
    fn written(&self, line: &Line) -> String {
        let written = |value: &Option<f64>| value.map(short).unwrap_or_default();
        line.values.iter().map(written).collect::<Vec<_>>().join(" ")
    }

    /// The chart in a sentence, for whoever does not see it.
    fn summary(&self, time: &Time<'_>) -> String {
        let of_line = |line: &Line| {
            let known =
                || line.values.iter().zip(&time.points).filter_map(|(value, at)| Some(((*value)?, *at)));
            let most = known().reduce(|most, next| if next.0 > most.0 { next } else { most })?;
            let least = known().reduce(|least, next| if next.0 < least.0 { next } else { least })?;
            let (least, highest) = (self.unit.said(least.0), self.unit.said(most.0));
            Some(format!("{} from {least} to {highest}, highest at {}", line.name, time.clock(most.1)))
        };
        let lines: Vec<_> = self.lines.iter().filter_map(of_line).collect();
        let lines = if lines.is_empty() { "no values".to_owned() } else { lines.join("; ") };
        format!("{} over time: {lines}.", self.title)
    }

    fn table(&self, time: &Time<'_>) -> Markup {
        let every = time.points.len().div_ceil(ROWS_MAX).max(1);
        let said = |value: Option<f64>| value.map_or_else(|| "–".to_owned(), |value| self.unit.said(value));
        html! {
            details.numbers {
                summary { "Numbers" }
                div.scroll { table {
                    thead { tr {
                        th scope="col" { "at" }
                        @for line in &self.lines { th scope="col" { (line.name) } }
                    } }
                    tbody {
                        @for (place, at) in time.points.iter().enumerate().step_by(every) {
                            tr {
                                th scope="row" { (time.clock(*at)) }
                                @for line in &self.lines { td { (said(line.values[place])) } }
                            }
                        }
                    }
                } }
            }
        }
    }
}

/// The stages of the run, and the faults in it.
fn backdrop(time: &Time<'_>) -> Markup {
    let base = HEIGHT - BOTTOM;
    html! {
        @for (place, stage) in time.results.stages.iter().enumerate() {
            @let (from, to) = (time.x(stage.from), time.x(stage.to));
            rect class={ "stage s" (place % 2) }
                x=(tenths(from)) y=(TOP) width=(tenths(to - from)) height=(base - TOP) {}
            // A name that has no room would lie on its neighbour.
            @if to - from > 7.0 * stage.name.chars().count() as f64 {
                text.stage-name x=(tenths(from + 4.0)) y=(TOP - 7.0) { (stage.name) }
            }
        }
        line.base x1=(LEFT) x2=(WIDTH - RIGHT) y1=(base) y2=(base) {}
        @for (number, fault) in time.results.faults.iter().enumerate() {
            @let x = time.x(fault.at);
            @if let Some(after) = fault.consistent_after {
                @let width = tenths(time.x(fault.at + after) - x);
                rect.healing x=(tenths(x)) y=(TOP) width=(width) height=(base - TOP) {}
            }
            line.fault x1=(tenths(x)) x2=(tenths(x)) y1=(TOP - 4.0) y2=(base) {}
            circle.fault cx=(tenths(x)) cy=(TOP - 11.0) r="7.5" {}
            text.fault x=(tenths(x)) y=(TOP - 7.5) text-anchor="middle" { (number + 1) }
        }
    }
}

pub(super) fn tenths(place: f64) -> String {
    format!("{place:.1}")
}

/// A number with four digits that matter.
fn short(value: f64) -> String {
    if value == 0.0 {
        return "0".to_owned();
    }
    let digits = (3 - value.abs().log10().floor() as i32).clamp(0, 9) as usize;
    format!("{value:.digits$}")
}
