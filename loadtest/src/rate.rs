//! How many operations arrive in a second, and how that changes within a stage.

use std::f64::consts::TAU;

use serde::Deserialize;

/// A number that holds, or a shape.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(untagged)]
pub(crate) enum Rate {
    Steady(f64),
    Changing(Changing),
    Wave(Wave),
    Spike(Spike),
}

/// From one rate to another, evenly.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Changing {
    from: f64,
    to: f64,
}

/// Up and down as a sine does, from the low.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Wave {
    low: f64,
    high: f64,
    /// From one low to the next.
    every_s: f64,
}

/// The same all the time, but for a while.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Spike {
    base: f64,
    spike: f64,
    /// When it begins, and how long it lasts.
    at_s: f64,
    for_s: f64,
}

impl Default for Rate {
    fn default() -> Self {
        Self::Steady(0.0)
    }
}

impl Rate {
    /// The rate at a moment of a stage, both in seconds.
    pub(crate) fn at(self, at: f64, length: f64) -> f64 {
        match self {
            Self::Steady(rate) => rate,
            Self::Changing(Changing { from, to }) => from + (to - from) * at / length,
            Self::Wave(Wave { low, high, every_s }) => {
                low + (high - low) * (1.0 - (TAU * at / every_s).cos()) / 2.0
            }
            Self::Spike(Spike { base, spike, at_s, for_s }) => {
                if (at_s..at_s + for_s).contains(&at) {
                    spike
                } else {
                    base
                }
            }
        }
    }

    pub(crate) const fn most(self) -> f64 {
        match self {
            Self::Steady(rate) => rate,
            Self::Changing(Changing { from, to }) => from.max(to),
            Self::Wave(Wave { low, high, .. }) => low.max(high),
            Self::Spike(Spike { base, spike, .. }) => base.max(spike),
        }
    }

    /// The mean over a stage of so many seconds.
    pub(crate) fn mean(self, length: f64) -> f64 {
        match self {
            Self::Steady(rate) => rate,
            Self::Changing(Changing { from, to }) => f64::midpoint(from, to),
            Self::Wave(Wave { low, high, every_s }) => {
                let turned = TAU * length / every_s;
                low + (high - low) * (1.0 - turned.sin() / turned) / 2.0
            }
            Self::Spike(Spike { base, spike, at_s, for_s }) => {
                let leaps_for = (at_s + for_s).min(length) - at_s.min(length);
                base + (spike - base) * leaps_for / length
            }
        }
    }

    /// Whether it is one at all: never below nothing, and a wave comes round.
    pub(crate) fn is_sound(self) -> bool {
        match self {
            Self::Steady(rate) => rate >= 0.0,
            Self::Changing(Changing { from, to }) => from >= 0.0 && to >= 0.0,
            Self::Wave(Wave { low, high, every_s }) => low >= 0.0 && high >= 0.0 && every_s > 0.0,
            Self::Spike(Spike { base, spike, at_s, for_s }) => {
                base >= 0.0 && spike >= 0.0 && at_s >= 0.0 && for_s > 0.0
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Deserialize)]
    struct Written {
        rate: Rate,
    }

    /// The rate in each of these seconds of a stage of ten.
    fn in_seconds<const N: usize>(rate: &str, seconds: [f64; N]) -> [i64; N] {
        let written: Written = toml::from_str(&format!("rate = {rate}")).unwrap();
        assert!(written.rate.is_sound());
        seconds.map(|at| written.rate.at(at, 10.0).round() as i64)
    }

    #[test]
    fn a_rate_holds_changes_evenly_waves_or_leaps() {
        assert_eq!(in_seconds("40", [0.0, 9.0]), [40, 40]);
        assert_eq!(in_seconds("{ from = 10, to = 30 }", [0.0, 5.0, 10.0]), [10, 20, 30]);
        let wave = "{ low = 20, high = 100, every_s = 4 }";
        assert_eq!(in_seconds(wave, [0.0, 1.0, 2.0, 4.0, 6.0]), [20, 60, 100, 20, 100]);
        let spike = "{ base = 5, spike = 90, at_s = 3, for_s = 2 }";
        assert_eq!(in_seconds(spike, [2.9, 3.0, 4.9, 5.0]), [5, 90, 90, 5]);
    }

    #[test]
    fn the_mean_of_a_shape_is_that_of_its_moments() {
        for rate in [
            "40",
            "{ from = 10, to = 30 }",
            "{ low = 20, high = 100, every_s = 4 }",
            "{ base = 5, spike = 90, at_s = 3, for_s = 2 }",
            "{ base = 5, spike = 90, at_s = 9, for_s = 2 }",
            "{ base = 5, spike = 90, at_s = 11, for_s = 2 }",
        ] {
            let Written { rate } = toml::from_str(&format!("rate = {rate}")).unwrap();
            let moments = (0..10_000).map(|moment| rate.at((f64::from(moment) + 0.5) / 1_000.0, 10.0));
            let mean = moments.sum::<f64>() / 10_000.0;
            assert!((rate.mean(10.0) - mean).abs() < 0.01, "{rate:?}: {mean}");
        }
    }

    #[test]
    fn a_shape_with_a_misspelt_key_is_none() {
        assert!(toml::from_str::<Written>("rate = { from = 1, to = 2, too = 3 }").is_err());
    }
}
