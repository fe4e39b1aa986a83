//! Where a value lies on a chart, and how it is written there.

use crate::figures::shown;
use crate::units;

/// What is drawn. Its name reaches the page's script, which writes values the same way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unit {
    /// Microseconds.
    Delay,
    /// Kibibytes.
    Memory,
    PerSecond,
    /// Processors kept busy.
    Cores,
    Seconds,
    Plain,
}

impl Unit {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Delay => "delay",
            Self::Memory => "memory",
            Self::PerSecond => "per-second",
            Self::Cores => "cores",
            Self::Seconds => "seconds",
            Self::Plain => "plain",
        }
    }

    /// A value in words.
    pub(super) fn said(self, value: f64) -> String {
        match self {
            Self::Delay => units::delay(value),
            Self::Memory => units::memory(value),
            Self::PerSecond => format!("{} /s", plain(value)),
            Self::Cores => format!("{} cores", shown(value)),
            Self::Seconds => units::delay(value * 1e6),
            Self::Plain => plain(value),
        }
    }

    /// A round value at a tick, as short as can be.
    fn tick(self, value: f64) -> String {
        match self {
            _ if value == 0.0 => "0".to_owned(),
            Self::Delay if value >= 1e6 => format!("{} s", value / 1e6),
            Self::Delay if value >= 1e3 => format!("{} ms", value / 1e3),
            Self::Delay => format!("{value} µs"),
            Self::Memory => units::memory(value).replace(".00 ", " ").replace(".0 ", " "),
            Self::Seconds => Self::Delay.tick((value * 1e6).round()),
            Self::PerSecond | Self::Cores | Self::Plain if value >= 1e6 => format!("{} M", value / 1e6),
            Self::PerSecond | Self::Cores | Self::Plain if value >= 1e4 => format!("{} k", value / 1e3),
            Self::PerSecond | Self::Cores | Self::Plain => format!("{}", (value * 1e6).round() / 1e6),
        }
    }
}

fn plain(value: f64) -> String {
    if value.fract() == 0.0 && value.abs() < 1e15 { units::count(value as u64) } else { shown(value) }
}

/// From the bottom of a chart to its top.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Axis {
    /// From nought to `top`, with a tick every `step`.
    Linear { top: f64, step: f64 },
    /// Both ends are powers of ten times 1, 2 or 5.
    Log { bottom: f64, top: f64 },
}

impl Axis {
    /// From nought to above all of `values`.
    pub(super) fn linear(values: impl Iterator<Item = f64>, unit: Unit) -> Self {
        let most = values.fold(0.0, f64::max);
        // Memory is counted in powers of two; its ticks are round in mebibytes.
        let scale = if unit == Unit::Memory { 1024.0 } else { 1.0 };
        let most = if most > 0.0 { most / scale } else { 1.0 };
        let step = at_least(most / 5.0) * scale;
        Self::Linear { top: step * (most * scale / step).ceil(), step }
    }

    /// Around all of `values`, which are above nought.
    pub(super) fn log(values: impl Iterator<Item = f64>) -> Self {
        let (least, most) = values
            .filter(|value| *value > 0.0)
            .fold((f64::INFINITY, 0.0_f64), |(least, most), value| (least.min(value), most.max(value)));
        if most <= 0.0 {
            return Self::Log { bottom: 1.0, top: 10.0 };
        }
        let bottom = at_most(least);
        Self::Log { bottom, top: at_least(most).max(bottom * 10.0) }
    }

    /// The place of a value: 0 at the bottom, 1 at the top.
    pub(super) fn place(self, value: f64) -> f64 {
        let place = match self {
            Self::Linear { top, .. } => value / top,
            Self::Log { bottom, top } => (value.max(bottom) / bottom).ln() / (top / bottom).ln(),
        };
        place.clamp(0.0, 1.0)
    }

    /// The values with a line across the chart, and what stands beside it.
    pub(super) fn ticks(self, unit: Unit) -> Vec<(f64, String)> {
        let values: Vec<f64> = match self {
            Self::Linear { top, step } => {
                (0..=(top / step).round() as u32).map(|n| f64::from(n) * step).collect()
            }
            Self::Log { bottom, top } => {
                // Two decades have room for what lies between.
                let all: &[f64] = if top / bottom <= 100.0 { &[1.0, 2.0, 5.0] } else { &[1.0] };
                let decades = bottom.log10().floor() as i32..=top.log10().ceil() as i32;
                let values =
                    decades.flat_map(|decade| all.iter().map(move |first| first * 10_f64.powi(decade)));
                values.filter(|value| (bottom * 0.999..=top * 1.001).contains(value)).collect()
            }
        };
        values.into_iter().map(|value| (value, unit.tick(value))).collect()
    }
}

/// The least of 1, 2 and 5 times a power of ten that is at least `value`.
fn at_least(value: f64) -> f64 {
    let decade = 10_f64.powf(value.log10().floor());
    let firsts = [1.0, 2.0, 5.0, 10.0];
    firsts.iter().map(|first| first * decade).find(|round| *round >= value * 0.999).unwrap_or(10.0 * decade)
}

/// The most of 1, 2 and 5 times a power of ten that is at most `value`.
fn at_most(value: f64) -> f64 {
    let decade = 10_f64.powf(value.log10().floor());
    let firsts = [5.0, 2.0, 1.0];
    firsts.iter().map(|first| first * decade).find(|round| *round <= value * 1.001).unwrap_or(decade)
}

/// The moments with a mark below a chart of `end` seconds.
pub(super) fn moments(end: f64) -> Vec<(f64, String)> {
    const STEPS: [f64; 13] =
        [1.0, 2.0, 5.0, 10.0, 20.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1_800.0, 3_600.0, 7_200.0];
    let step = STEPS.into_iter().find(|step| end / step <= 7.0).unwrap_or(at_least(end / 7.0));
    let count = (end / step + 0.001).floor() as u32;
    (0..=count).map(|n| f64::from(n) * step).map(|at| (at, clock(at, end))).collect()
}

/// A moment of a run of `end` seconds.
pub(super) fn clock(at: f64, end: f64) -> String {
    let whole = at.round() as u64;
    match end {
        end if end <= 300.0 => format!("{whole} s"),
        end if end <= 7_200.0 => format!("{}:{:02}", whole / 60, whole % 60),
        _ => format!("{}:{:02} h", whole / 3_600, whole % 3_600 / 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(axis: Axis, unit: Unit) -> Vec<String> {
        axis.ticks(unit).into_iter().map(|(_, said)| said).collect()
    }

    #[test]
    fn ticks_are_round_and_hold_all_values() {
        let axis = Axis::linear([3.0, 87.0].into_iter(), Unit::PerSecond);
        assert_eq!(said(axis, Unit::PerSecond), ["0", "20", "40", "60", "80", "100"]);
        let axis = Axis::log([430.0, 31_000.0].into_iter());
        assert_eq!(said(axis, Unit::Delay), ["1 ms", "10 ms"]);
        assert_eq!(axis, Axis::Log { bottom: 200.0, top: 50_000.0 });
        let axis = Axis::linear([61_000.0].into_iter(), Unit::Memory);
        assert_eq!(said(axis, Unit::Memory), ["0", "20 MiB", "40 MiB", "60 MiB"]);
    }

    #[test]
    fn a_chart_of_nothing_still_has_an_axis() {
        assert_eq!(Axis::linear(std::iter::empty(), Unit::Plain), Axis::Linear { top: 1.0, step: 0.2 });
        assert_eq!(Axis::log(std::iter::empty()), Axis::Log { bottom: 1.0, top: 10.0 });
    }

    #[test]
    fn moments_are_seconds_minutes_or_hours() {
        let last = |end: f64| moments(end).pop().unwrap().1;
        assert_eq!([120.0, 1_800.0, 28_800.0].map(last), ["120 s", "30:00", "8:00 h"]);
    }
}
