//! Personal records: a pure fold over lifts. See [`Session`](super::Session) for the rule.

use serde::{Deserialize, Serialize};
use spotter_protocol::{Actual, Bests, ExerciseId, Grams, LoadKind, PrKind, Reps, SetId, SetType, Timestamp};

use crate::estimate::{SOUND_REPS_MAX, e1rm};

const REP_MAXES: usize = SOUND_REPS_MAX as usize;

/// What has to be beaten in one movement; zero where there is nothing yet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Bar {
    heaviest: Grams,
    e1rm: Grams,
    /// `rep_max[r - 1]` was moved for at least `r` repetitions.
    rep_max: [Grams; REP_MAXES],
}

/// A set that is eligible for records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Lift {
    at: Timestamp,
    pub(super) set: SetId,
    load: Grams,
    reps: Reps,
    /// The estimated one-repetition maximum.
    pub(super) e1rm: Grams,
}

/// A record held by a set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Record {
    pub(super) set: SetId,
    pub(super) kind: PrKind,
    pub(super) g: Grams,
    pub(super) previous_g: Grams,
}

/// Whether the loads of this kind can be compared and summed: those of which the whole is known.
pub(super) const fn is_whole(load_kind: LoadKind) -> bool {
    match load_kind {
        LoadKind::External | LoadKind::PerHand | LoadKind::Stack => true,
        LoadKind::Bodyweight | LoadKind::Assisted | LoadKind::None => false,
    }
}

impl Lift {
    /// The lift of a performed set, when it is eligible.
    pub(super) fn eligible(
        load_kind: LoadKind,
        set_type: SetType,
        set: SetId,
        at: Timestamp,
        actual: &Actual,
    ) -> Option<Self> {
        let load = actual.load?.grams();
        let reps = actual.reps?;
        let estimate = e1rm(load, reps)?;
        let eligible = is_whole(load_kind) && set_type.counts() && load > Grams(0) && !estimate.rough;
        eligible.then_some(Self { at, set, load, reps, e1rm: estimate.grams })
    }

    /// The place of its repetitions among the rep-maxes.
    fn rep_place(&self) -> usize {
        usize::from(self.reps.get()) - 1
    }
}

impl Bar {
    /// The bar that recorded bests set.
    pub(super) fn of(bests: &Bests) -> Self {
        let mut rep_max = [Grams(0); REP_MAXES];
        for (place, best) in rep_max.iter_mut().zip(&bests.rep_max) {
            *place = *best;
        }
        Self { heaviest: bests.heaviest.unwrap_or_default(), e1rm: bests.e1rm.unwrap_or_default(), rep_max }
    }

    /// The bests as they were recorded.
    pub(super) fn bests(&self, exercise: &ExerciseId) -> Bests {
        let known = |best: Grams| (best > Grams(0)).then_some(best);
        let reps = self.rep_max.iter().rposition(|best| *best > Grams(0)).map_or(0, |last| last + 1);
        Bests {
            exercise: exercise.clone(),
            heaviest: known(self.heaviest),
            e1rm: known(self.e1rm),
            rep_max: self.rep_max[..reps].to_vec(),
        }
    }

    /// Rises to what a set moved. Whoever moved it ten times and more has moved it for at least one, two … ten.
    pub(super) fn rise(&mut self, load: Grams, reps: Option<Reps>, e1rm: Option<Grams>) {
        self.heaviest = self.heaviest.max(load);
        self.e1rm = self.e1rm.max(e1rm.unwrap_or_default());
        let reps = reps.map_or(0, |reps| usize::from(reps.get()).min(REP_MAXES));
        for best in &mut self.rep_max[..reps] {
            *best = (*best).max(load);
        }
    }

    /// The records that `lifts`, in any order, hold against this bar and each other.
    pub(super) fn records(mut self, mut lifts: Vec<Lift>) -> Vec<Record> {
        lifts.sort_unstable_by_key(|lift| (lift.at, lift.set));
        lifts.iter().flat_map(|lift| self.raise(lift)).collect()
    }

    /// Raises the bar by one lift; the records it holds against what was there.
    fn raise(&mut self, lift: &Lift) -> impl Iterator<Item = Record> + use<> {
        let tried = [
            (PrKind::Heaviest, lift.load, self.heaviest),
            (PrKind::RepMax, lift.load, self.rep_max[lift.rep_place()]),
            (PrKind::E1rm, lift.e1rm, self.e1rm),
        ];
        self.rise(lift.load, Some(lift.reps), Some(lift.e1rm));
        let set = lift.set;
        let beaten = tried.into_iter().filter(|(_, g, previous)| *previous > Grams(0) && g > previous);
        beaten.map(move |(kind, g, previous_g)| Record { set, kind, g, previous_g })
    }
}
