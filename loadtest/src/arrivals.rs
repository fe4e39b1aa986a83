//! When operations arrive within a stage: independently of each other at a rate, or after rests of those who do them.

use rand::RngExt;
use rand::rngs::Xoshiro256PlusPlus;
use rand_distr::{Distribution, LogNormal};

use crate::rate::Rate;
use crate::scenario::Rests;

/// Moments that arrive independently of each other, so many a second.
pub(crate) fn arrivals(length: f64, per_second: f64, chance: &mut Xoshiro256PlusPlus) -> Vec<f64> {
    let mut moments = Vec::new();
    if per_second == 0.0 {
        return moments;
    }
    let mut at = 0.0;
    loop {
        at -= (1.0 - chance.random::<f64>()).ln() / per_second;
        if at >= length {
            return moments;
        }
        moments.push(at);
    }
}

/// The same at a rate that changes.
pub(crate) fn at_rate(rate: Rate, length: f64, chance: &mut Xoshiro256PlusPlus) -> Vec<f64> {
    let most = rate.most();
    let mut moments = arrivals(length, most, chance);
    moments.retain(|at| chance.random::<f64>() * most < rate.at(*at, length));
    moments
}

/// Moments of one who rests after each.
pub(crate) fn after_rests(rests: Rests, length: f64, chance: &mut Xoshiro256PlusPlus) -> Vec<f64> {
    let relative = rests.spread_s / rests.mean_s;
    let Ok(lognormal) = LogNormal::from_mean_cv(rests.mean_s, relative) else { return Vec::new() };
    // Nobody is told to begin: one is somewhere in a rest when the stage begins.
    let mut at = lognormal.sample(chance) * chance.random::<f64>();
    let mut moments = Vec::new();
    while at < length {
        moments.push(at);
        at += lognormal.sample(chance).max(SHORTEST_REST_S);
    }
    moments
}

/// However wide the spread, nobody does more than that: in seconds.
const SHORTEST_REST_S: f64 = 0.05;

#[cfg(test)]
mod tests {
    use rand::SeedableRng;

    use super::*;

    #[test]
    fn rests_have_the_mean_and_the_spread_that_were_asked_for() {
        let rests = Rests { mean_s: 90.0, spread_s: 30.0, athletes: 1.0 };
        let moments = after_rests(rests, 900_000.0, &mut Xoshiro256PlusPlus::seed_from_u64(1));
        let lengths: Vec<f64> = moments.windows(2).map(|pair| pair[1] - pair[0]).collect();
        let count = lengths.len() as f64;
        let mean = lengths.iter().sum::<f64>() / count;
        let spread = (lengths.iter().map(|one| (one - mean).powi(2)).sum::<f64>() / count).sqrt();
        assert!((mean - 90.0).abs() < 1.5 && (spread - 30.0).abs() < 2.0, "{mean} {spread}");
    }

    #[test]
    fn rests_without_spread_are_of_one_length() {
        let rests = Rests { mean_s: 2.0, spread_s: 0.0, athletes: 1.0 };
        let moments = after_rests(rests, 20.0, &mut Xoshiro256PlusPlus::seed_from_u64(2));
        assert_eq!(moments.len(), 10);
        assert!(moments.windows(2).all(|pair| (pair[1] - pair[0] - 2.0).abs() < 1e-9));
    }
}
