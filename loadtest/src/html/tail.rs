//! The delays by percentile, on an axis where each nine has as much room as the one before it.

use hdrhistogram::Histogram;
use maud::{Markup, html};

use super::axis::{Axis, Unit};
use super::plot::tenths;
use crate::results::Results;
use crate::{saved, units};

const WIDTH: f64 = 1140.0;
const HEIGHT: f64 = 360.0;
const LEFT: f64 = 64.0;
const RIGHT: f64 = 16.0;
const TOP: f64 = 14.0;
const BOTTOM: f64 = 30.0;
/// Points of a line for each nine.
const STEPS: u32 = 24;
/// Nines beyond which nothing is drawn.
const NINES_MAX: u32 = 6;

/// One operation.
struct Tail {
    name: String,
    histogram: Histogram<u64>,
}

impl Tail {
    /// As many nines as there are answers to show them.
    fn nines(&self) -> f64 {
        (self.histogram.len().max(1) as f64).log10().min(f64::from(NINES_MAX))
    }

    /// The delay that all but the share 10^-`nines` did not exceed.
    fn at(&self, nines: f64) -> f64 {
        self.histogram.value_at_quantile(1.0 - 10_f64.powf(-nines)).max(1) as f64
    }

    fn points(&self) -> impl Iterator<Item = (f64, f64)> {
        let steps = (self.nines() * f64::from(STEPS)).floor() as u32;
        let nines = (0..=steps).map(|step| f64::from(step) / f64::from(STEPS)).chain([self.nines()]);
        nines.map(|nines| (nines, self.at(nines)))
    }
}

pub(super) fn section(results: &Results) -> Markup {
    let mut unreadable = Vec::new();
    let mut tails = Vec::new();
    for (name, operation) in &results.operations {
        match saved::histogram(operation) {
            Ok(histogram) if histogram.is_empty() => {}
            Ok(histogram) => tails.push(Tail { name: name.clone(), histogram }),
            Err(_) => unreadable.push(name.as_str()),
        }
    }
    html! {
        section aria-labelledby="tail" {
            h2 id="tail" { "Latency by percentile" }
            p.about {
                "Of the whole run, from the planned time. Each step to the right leaves out nine tenths of what was left."
            }
            @if !unreadable.is_empty() {
                p.about { "Without " (unreadable.join(", ")) ": the histogram cannot be decoded." }
            }
            @if tails.is_empty() { p { "Nothing was answered." } } @else { (draw(&tails)) }
        }
    }
}

fn draw(tails: &[Tail]) -> Markup {
    let axis = Axis::log(tails.iter().flat_map(Tail::points).map(|(_, delay)| delay));
    let nines = tails.iter().map(Tail::nines).fold(1.0, f64::max);
    let x = |at: f64| LEFT + at / nines * (WIDTH - LEFT - RIGHT);
    let y = |value: f64| HEIGHT - BOTTOM - axis.place(value) * (HEIGHT - TOP - BOTTOM);
    let base = HEIGHT - BOTTOM;
    let path = |tail: &Tail| {
        let points = tail.points().map(|(nines, delay)| format!("{} {}", tenths(x(nines)), tenths(y(delay))));
        format!("M{}", points.collect::<Vec<_>>().join("L"))
    };
    html! {
        figure.chart.tail {
            div.plot {
                svg viewBox={ "0 0 " (WIDTH) " " (HEIGHT) } role="img" aria-label=(summary(tails)) {
                    @for (value, said) in axis.ticks(Unit::Delay) {
                        line.grid x1=(LEFT) x2=(WIDTH - RIGHT) y1=(tenths(y(value))) y2=(tenths(y(value))) {}
                        text.tick x=(LEFT - 7.0) y=(tenths(y(value) + 4.0)) text-anchor="end" { (said) }
                    }
                    @for (at, said) in marks(nines) {
                        line.grid x1=(tenths(x(at))) x2=(tenths(x(at))) y1=(TOP) y2=(base) {}
                        text.tick x=(tenths(x(at))) y=(base + 19.0) text-anchor="middle" { (said) }
                    }
                    line.base x1=(LEFT) x2=(WIDTH - RIGHT) y1=(base) y2=(base) {}
                    @for (place, tail) in tails.iter().enumerate() {
                        path class={ "line c" (place % 8) } d=(path(tail)) {}
                    }
                }
            }
            ul.legend {
                @for (place, tail) in tails.iter().enumerate() {
                    li { span class={ "key c" (place % 8) } {} (tail.name) }
                }
            }
        }
    }
}

/// What stands below the chart: the percentiles of whole nines, and the middle.
fn marks(nines: f64) -> Vec<(f64, String)> {
    let mut marks = vec![(0.0, "0 %".to_owned()), (2.0_f64.log10(), "50 %".to_owned())];
    for nine in 1..=nines.floor() as usize {
        let said = match nine {
            1 => "90 %".to_owned(),
            2 => "99 %".to_owned(),
            _ => format!("99.{} %", "9".repeat(nine - 2)),
        };
        marks.push((nine as f64, said));
    }
    marks
}

/// The chart in words, for whoever does not see it.
fn summary(tails: &[Tail]) -> String {
    let said = |tail: &Tail| {
        let at = |quantile| units::delay(tail.histogram.value_at_quantile(quantile) as f64);
        format!(
            "{}: half within {}, 99 % within {}, 99.9 % within {}",
            tail.name,
            at(0.5),
            at(0.99),
            at(0.999)
        )
    };
    let all: Vec<_> = tails.iter().map(said).collect();
    format!("Latency by percentile. {}.", all.join("; "))
}
