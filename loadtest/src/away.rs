//! Who goes and comes back, and when: planned before what they do, so that nobody is told to do anything meanwhile.

use std::ops::Range;

use rand::RngExt;
use rand::rngs::Xoshiro256PlusPlus;

use crate::arrivals::arrivals;
use crate::scenario::Scenario;

/// How often somebody else is looked for who is there.
const TRIES: usize = 20;

/// One absence, in seconds since the run began.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Absence {
    pub(crate) person: usize,
    pub(crate) from: f64,
    pub(crate) to: f64,
}

/// The absences of a run, by person.
#[derive(Debug)]
pub(crate) struct Away(Vec<Vec<Absence>>);

impl Away {
    /// Whoever goes is back at the latest when the last stage ends.
    pub(crate) fn plan(scenario: &Scenario, people: usize, chance: &mut Xoshiro256PlusPlus) -> Self {
        let mut away = Self(vec![Vec::new(); people]);
        let end = scenario.length().as_secs_f64();
        let mut begin = 0.0;
        for stage in &scenario.stages {
            let length = f64::from(stage.seconds);
            for at in arrivals(length, stage.leaves_per_second, chance) {
                let from = begin + at;
                let stay = -(1.0 - chance.random::<f64>()).ln() * stage.away_s;
                if let Some(person) = away.pick(0..people, from, chance) {
                    away.0[person].push(Absence { person, from, to: (from + stay).min(end) });
                }
            }
            begin += length;
        }
        away
    }

    pub(crate) fn absences(&self) -> impl Iterator<Item = Absence> {
        self.0.iter().flatten().copied()
    }

    pub(crate) fn is_away(&self, person: usize, at: f64) -> bool {
        self.0[person].iter().any(|absence| (absence.from..=absence.to).contains(&at))
    }

    /// Somebody who is there; nobody, when hardly anybody is.
    pub(crate) fn pick(
        &self,
        people: Range<usize>,
        at: f64,
        chance: &mut Xoshiro256PlusPlus,
    ) -> Option<usize> {
        let mut picked = std::iter::repeat_with(|| chance.random_range(people.clone())).take(TRIES);
        picked.find(|person| !self.is_away(*person, at))
    }
}
