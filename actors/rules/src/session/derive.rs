//! What follows from a session's sets: counts, volume and records. Pure functions of the sets and the bests
//! recorded before; corrections need no other path.

use std::collections::BTreeMap;

use spotter_protocol::{Bests, ExerciseId, Grams, LoadKind, PrKind, SetId, SetStatus};

use super::{Exercise, Log, Running, Set};
use crate::e1rm;

/// Most repetitions a record counts for.
const RECORD_REPS_MAX: usize = 10;

/// A set that may hold records.
pub(super) struct Lift {
    pub(super) set: SetId,
    pub(super) load: Grams,
    pub(super) reps: u16,
}

impl Exercise {
    /// The load a set moved, where it is a load of its own: not the body's, nor help from a machine.
    fn load_moved(&self, log: &Log) -> Option<Grams> {
        match self.load_kind {
            LoadKind::External | LoadKind::PerHand | LoadKind::Stack => {
                log.actual.load.map(|load| load.grams())
            }
            LoadKind::Bodyweight | LoadKind::Assisted | LoadKind::None => None,
        }
    }

    /// The set as a lift: performed, not a warm-up, loaded, 1 to 10 repetitions.
    pub(super) fn lift(&self, set: &Set) -> Option<Lift> {
        let log = set.performed().filter(|_| set.set_type.counts())?;
        let load = self.load_moved(log).filter(|load| load.0 > 0)?;
        let reps = log.actual.reps?.get();
        (1..=RECORD_REPS_MAX).contains(&usize::from(reps)).then_some(Lift { set: set.id, load, reps })
    }

    /// The estimated maximum shown for a set: performed, not a warm-up, loaded, 1 to 12 repetitions.
    pub(super) fn estimate(&self, set: &Set) -> Option<Grams> {
        let log = set.performed().filter(|_| set.set_type.counts())?;
        let estimate = e1rm(self.load_moved(log)?, log.actual.reps?.get())?;
        Some(estimate.grams)
    }

    fn volume(&self, set: &Set) -> u64 {
        let Some(log) = set.performed().filter(|_| set.set_type.counts()) else { return 0 };
        let (Some(load), Some(reps)) = (self.load_moved(log), log.actual.reps) else { return 0 };
        let hands = if self.load_kind == LoadKind::PerHand { 2 } else { 1 };
        u64::from(load.0) * u64::from(reps.get()) * hands
    }
}

impl Running {
    /// Repetitions times external load over performed sets that are not warm-ups, in grams; twice for
    /// loads in each hand.
    pub(super) fn volume(&self) -> u64 {
        self.sets().map(|(exercise, set)| exercise.volume(set)).sum()
    }

    /// Sets performed, failed or skipped, and sets in all; a voided set outside the plan is in neither.
    pub(super) fn progress(&self) -> (u16, u16) {
        let done = self.sets().filter(|(_, set)| set.log.is_some()).count();
        let all =
            self.sets().filter(|(_, set)| set.status != SetStatus::Voided || set.target.is_some()).count();
        (u16::try_from(done).unwrap_or(u16::MAX), u16::try_from(all).unwrap_or(u16::MAX))
    }

    /// The records of the session: its lifts in order of time (ties by set), each against the bests before
    /// the session and what was lifted before it in the session.
    pub(super) fn records(&self) -> BTreeMap<(SetId, PrKind), Grams> {
        self.records_with_previous().into_iter().map(|(key, (value, _))| (key, value)).collect()
    }

    /// [`Running::records`] with the value that each beat.
    pub(super) fn records_with_previous(&self) -> BTreeMap<(SetId, PrKind), (Grams, Grams)> {
        let mut bars: BTreeMap<&ExerciseId, Bar> = BTreeMap::new();
        let mut lifts = Vec::new();
        for exercise in &self.exercises {
            bars.entry(&exercise.exercise).or_default().raise_to(exercise.bests.as_deref());
            let timed =
                exercise.sets.iter().filter_map(|set| Some((set.log.as_ref()?.at, exercise.lift(set)?)));
            lifts.extend(timed.map(|(at, lift)| (at, lift.set, &exercise.exercise, lift)));
        }
        lifts.sort_unstable_by_key(|(at, set, ..)| (*at, *set));
        let mut records = BTreeMap::new();
        for (_, set, exercise, lift) in lifts {
            for (kind, value, previous) in bars.entry(exercise).or_default().clear(&lift) {
                records.insert((set, kind), (value, previous));
            }
        }
        records
    }
}

/// The bar that a lift must clear.
#[derive(Default)]
struct Bar {
    heaviest: Grams,
    e1rm: Grams,
    /// At `r - 1` the heaviest load for at least `r` repetitions.
    rep_max: [Grams; RECORD_REPS_MAX],
}

impl Bar {
    fn raise_to(&mut self, bests: Option<&Bests>) {
        let Some(bests) = bests else { return };
        self.heaviest = self.heaviest.max(bests.heaviest.unwrap_or_default());
        self.e1rm = self.e1rm.max(bests.e1rm.unwrap_or_default());
        for (bar, best) in self.rep_max.iter_mut().zip(&bests.rep_max) {
            *bar = (*bar).max(*best);
        }
    }

    /// The records that `lift` makes, each with the value it beats; raises the bar to it. A first value is
    /// a baseline and a tie is no record.
    fn clear(&mut self, lift: &Lift) -> Vec<(PrKind, Grams, Grams)> {
        let estimate = e1rm(lift.load, lift.reps).map_or(Grams(0), |estimate| estimate.grams);
        let reps = usize::from(lift.reps);
        let bars = [
            (PrKind::Heaviest, lift.load, self.heaviest),
            (PrKind::RepMax, lift.load, self.rep_max[reps - 1]),
            (PrKind::E1rm, estimate, self.e1rm),
        ];
        self.heaviest = self.heaviest.max(lift.load);
        self.e1rm = self.e1rm.max(estimate);
        for bar in &mut self.rep_max[..reps] {
            *bar = (*bar).max(lift.load);
        }
        bars.into_iter().filter(|(_, value, previous)| previous.0 > 0 && value > previous).collect()
    }
}
