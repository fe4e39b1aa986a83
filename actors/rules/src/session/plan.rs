//! Changes of the plan: judged against the session, and folded into it.
//!
//! What has a log stays where it is: plans are about sets still to be done. A change that comes late finds another
//! session than it was made for, and does what of it can still be done.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use spotter_protocol::{
    Add, Bests, DropSets, ErrorCode, ExerciseAdded, ExerciseId, ExerciseSwapped, InstanceId, Patch,
    PlanPatched, PlannedExercise, PlannedSet, Reorder, Reordered, SessionEvent, SetId, SetsAdded,
    SetsDropped, Slot, Swap, Target, Timestamp, Version,
};

use super::log::{Exercise, Gone, Log, Outcome, Plan, Set};
use super::record::Bar;
use super::{EXERCISES_MAX, SETS_MAX};
use crate::Brief;

type Decision = Result<Vec<SessionEvent>, ErrorCode>;

/// Sets dropped by one command; more are refused as `bad_frame`.
const DROPPED_MAX: usize = 64;

impl Log {
    /// Adds an exercise with its sets, or sets to one that is there.
    pub(super) fn add_planned(&self, add: &Add, by_coach: bool, brief: &Brief) -> Decision {
        let planned = &add.exercise;
        let fresh: HashSet<SetId> = planned.sets.iter().map(|set| set.set).collect();
        if fresh.len() != planned.sets.len() || fresh.iter().any(|set| self.set(*set).is_some()) {
            return Err(ErrorCode::Misplaced);
        }
        if self.sets().count() + fresh.len() > SETS_MAX {
            return Err(ErrorCode::Full);
        }
        let Some(known) = self.instance(planned.instance) else {
            if self.exercises.len() >= EXERCISES_MAX {
                return Err(ErrorCode::Full);
            }
            let bests = self.bests_of(&planned.exercise, brief);
            let added =
                ExerciseAdded { exercise: planned.clone(), place: add.place, prescribed: by_coach, bests };
            return Ok(vec![added.into()]);
        };
        if known.exercise != planned.exercise {
            return Err(ErrorCode::Misplaced);
        }
        if fresh.is_empty() {
            return Err(ErrorCode::NoChange);
        }
        let (instance, sets) = (planned.instance, planned.sets.clone());
        Ok(vec![SetsAdded { instance, sets, prescribed: by_coach }.into()])
    }

    /// Takes out what is not logged of the sets named, or of an exercise.
    pub(super) fn drop_sets(&self, drop: &DropSets, by_coach: bool) -> Decision {
        let (sets, instance) = match (drop.sets.as_slice(), drop.instance) {
            ([], Some(instance)) => {
                let exercise = self.instance(instance).ok_or(ErrorCode::UnknownExercise)?;
                let open: Vec<SetId> =
                    exercise.sets.iter().filter(|set| set.is_open()).map(|set| set.id).collect();
                if open.is_empty() && !exercise.sets.is_empty() {
                    return Err(ErrorCode::AlreadyLogged);
                }
                (open, exercise.sets.is_empty().then_some(instance))
            }
            ([_, ..], None) if drop.sets.len() <= DROPPED_MAX => {
                let mut seen = HashSet::new();
                let known: Vec<&Set> = drop
                    .sets
                    .iter()
                    .filter(|set| seen.insert(**set))
                    .filter_map(|set| self.set(*set).map(|(_, set)| set))
                    .collect();
                let open: Vec<SetId> = known.iter().filter(|set| set.is_open()).map(|set| set.id).collect();
                match (known.is_empty(), open.is_empty()) {
                    (true, _) => return Err(ErrorCode::UnknownSet),
                    (false, true) => return Err(ErrorCode::AlreadyLogged),
                    (false, false) => (open, None),
                }
            }
            _ => return Err(ErrorCode::BadFrame),
        };
        Ok(vec![SetsDropped { sets, instance, withdrawn: by_coach }.into()])
    }

    /// Moves the sets never logged to another movement. A load does not carry over.
    pub(super) fn swap(&self, swap: &Swap, brief: &Brief) -> Decision {
        let old = self.instance(swap.instance).ok_or(ErrorCode::UnknownExercise)?;
        if self.instance(swap.with.instance).is_some() || old.exercise == swap.with.exercise {
            return Err(ErrorCode::Misplaced);
        }
        let moving: Vec<&Set> = old.sets.iter().filter(|set| set.is_open()).collect();
        if moving.is_empty() && !old.sets.is_empty() {
            return Err(ErrorCode::AlreadyLogged);
        }
        if moving.len() < old.sets.len() && self.exercises.len() >= EXERCISES_MAX {
            return Err(ErrorCode::Full);
        }
        let exercise = PlannedExercise {
            instance: swap.with.instance,
            exercise: swap.with.exercise.clone(),
            name: swap.with.name.clone(),
            load_kind: swap.with.load_kind,
            group: old.group,
            sets: moving
                .iter()
                .map(|set| PlannedSet { set: set.id, target: Target { load: None, ..set.asked() } })
                .collect(),
        };
        let bests = self.bests_of(&exercise.exercise, brief);
        Ok(vec![ExerciseSwapped { instance: swap.instance, exercise, bests }.into()])
    }

    pub(super) fn reorder(&self, reorder: &Reorder) -> Decision {
        let named: HashSet<InstanceId> = reorder.order.iter().map(|slot| slot.instance).collect();
        if reorder.order.is_empty() || named.len() != reorder.order.len() {
            return Err(ErrorCode::BadFrame);
        }
        // Some may have left the session since this was sent.
        let here = reorder.order.iter().filter(|slot| self.instance(slot.instance).is_some());
        let order: Vec<Slot> = here.copied().collect();
        if order.is_empty() {
            return Err(ErrorCode::UnknownExercise);
        }
        let mut after = self.exercises.clone();
        arrange(&mut after, &order);
        if after == self.exercises {
            return Err(ErrorCode::NoChange);
        }
        Ok(vec![Reordered { order }.into()])
    }

    /// Replaces what remains of the plan.
    pub(super) fn patch(&self, patch: &Patch, brief: &Brief) -> Decision {
        if patch.based_on < self.plan_v {
            return Err(ErrorCode::Outdated);
        }
        let mut instances = HashSet::new();
        let mut named = HashSet::new();
        let mut exercises = Vec::with_capacity(patch.exercises.len());
        let mut bests = BTreeMap::new();
        for wanted in &patch.exercises {
            let known = self.instance(wanted.instance);
            if !instances.insert(wanted.instance)
                || known.is_some_and(|known| known.exercise != wanted.exercise)
            {
                return Err(ErrorCode::Misplaced);
            }
            let mut sets = Vec::with_capacity(wanted.sets.len());
            for set in &wanted.sets {
                let there = self.set(set.set);
                if !named.insert(set.set) || there.is_some_and(|(home, _)| home.instance != wanted.instance) {
                    return Err(ErrorCode::Misplaced);
                }
                if there.is_none_or(|(_, set)| set.is_open()) {
                    sets.push(set.clone());
                }
            }
            if known.is_none()
                && let Some(best) = self.bests_of(&wanted.exercise, brief)
            {
                bests.insert(wanted.exercise.clone(), best);
            }
            let (name, load_kind) =
                known.map_or((&wanted.name, wanted.load_kind), |known| (&known.name, known.load_kind));
            exercises.push(PlannedExercise { name: name.clone(), load_kind, sets, ..wanted.clone() });
        }
        let open = self.sets().filter(|(_, set)| set.is_open());
        let withdrawn: Vec<SetId> = open.map(|(_, set)| set.id).filter(|set| !named.contains(set)).collect();
        let bests = bests.into_values().collect();
        let event: SessionEvent = PlanPatched { exercises, withdrawn, bests }.into();
        let mut after = self.clone();
        after.change_plan(&event, self.started_at, self.plan_v);
        if after.exercises.len() > EXERCISES_MAX || after.sets().count() > SETS_MAX {
            return Err(ErrorCode::Full);
        }
        if after == *self {
            return Err(ErrorCode::NoChange);
        }
        Ok(vec![event])
    }

    /// The bests to record with a movement that joins the session: those of its other instances, or else those
    /// looked up.
    pub(super) fn bests_of(&self, movement: &ExerciseId, brief: &Brief) -> Option<Bests> {
        match self.movement(movement) {
            Some(known) => known.bests.map(|bar| bar.bests(&known.exercise)),
            None => brief.bests.iter().find(|bests| bests.exercise == *movement).cloned(),
        }
    }

    /// Folds in a change of the plan at its version; other events change nothing here.
    #[expect(clippy::wildcard_enum_match_arm, reason = "the fold of all events names each once")]
    pub(super) fn change_plan(&mut self, event: &SessionEvent, at: Timestamp, version: Version) {
        match event {
            SessionEvent::ExerciseAdded(added) => {
                let bests = added.bests.as_ref().map(Bar::of);
                let exercise = exercise(&added.exercise, bests, added.prescribed);
                let place = added.place.map_or(self.exercises.len(), usize::from).min(self.exercises.len());
                self.exercises.reserve_exact(1);
                self.exercises.insert(place, Arc::new(exercise));
                self.forget_gone(&added.exercise.sets);
                if added.exercise.sets.is_empty() {
                    // A place for a set that was logged outside the plan: no plan anybody edits has changed.
                    return;
                }
            }
            SessionEvent::SetsAdded(added) => {
                if let Some(exercise) = self.instance_mut(added.instance) {
                    exercise.sets.reserve_exact(added.sets.len());
                    exercise.sets.extend(added.sets.iter().map(|set| planned(set, added.prescribed)));
                }
                self.forget_gone(&added.sets);
            }
            SessionEvent::SetsDropped(dropped) => {
                if !dropped.withdrawn {
                    let counted =
                        |id: &&SetId| self.set(**id).is_some_and(|(_, set)| set.is_prescribed_work());
                    self.dropped += super::derive::number(dropped.sets.iter().filter(counted).count());
                }
                self.remove(&dropped.sets, at);
                self.exercises.retain(|one| dropped.instance != Some(one.instance) || !one.sets.is_empty());
            }
            SessionEvent::ExerciseSwapped(swapped) => self.exchange(swapped, at),
            SessionEvent::Reordered(reordered) => arrange(&mut self.exercises, &reordered.order),
            SessionEvent::PlanPatched(patched) => self.apply_patch(patched, at),
            _ => return,
        }
        self.plan_v = version;
    }

    fn exchange(&mut self, swapped: &ExerciseSwapped, at: Timestamp) {
        let Some(place) = self.exercises.iter().position(|one| one.instance == swapped.instance) else {
            return;
        };
        let mut fresh = exercise(&swapped.exercise, swapped.bests.as_ref().map(Bar::of), false);
        let moving: Vec<SetId> = fresh.sets.iter().map(|set| set.id).collect();
        self.note_gone(&moving, at, true);
        let old = Arc::make_mut(&mut self.exercises[place]);
        for set in &mut fresh.sets {
            // Who asked for a set does not change with the movement.
            let was = old.sets.iter().find(|was| was.id == set.id).map(|was| &was.plan);
            if let (Some(Plan::Prescribed(_)), Plan::Own(target)) = (was, &set.plan) {
                set.plan = Plan::Prescribed(target.clone());
            }
        }
        old.sets.retain(|set| !fresh.sets.iter().any(|moved| moved.id == set.id));
        match old.sets.is_empty() {
            true => self.exercises[place] = Arc::new(fresh),
            false => self.exercises.insert(place + 1, Arc::new(fresh)),
        }
    }

    fn apply_patch(&mut self, patched: &PlanPatched, at: Timestamp) {
        patched.exercises.iter().for_each(|exercise| self.forget_gone(&exercise.sets));
        for wanted in &patched.exercises {
            if let Some(known) = self.instance_mut(wanted.instance) {
                known.group = wanted.group;
                known.sets.retain(|set| !wanted.sets.iter().any(|again| again.set == set.id));
                known.sets.extend(wanted.sets.iter().map(|set| planned(set, true)));
            } else {
                let recorded =
                    patched.bests.iter().find(|bests| bests.exercise == wanted.exercise).map(Bar::of);
                let bests = self.movement(&wanted.exercise).map_or(recorded, |known| known.bests);
                self.exercises.push(Arc::new(exercise(wanted, bests, true)));
            }
        }
        self.remove(&patched.withdrawn, at);
        let order: Vec<Slot> =
            patched.exercises.iter().map(|one| Slot { instance: one.instance, group: one.group }).collect();
        arrange(&mut self.exercises, &order);
    }

    /// Remembers where sets were that leave their exercise at `at`; the oldest are forgotten first.
    fn note_gone(&mut self, sets: &[SetId], at: Timestamp, swapped: bool) {
        let leaving = sets.iter().filter_map(|id| self.set(*id)).map(|(exercise, set)| Gone {
            home: PlannedExercise {
                instance: exercise.instance,
                exercise: exercise.exercise.clone(),
                name: exercise.name.clone(),
                load_kind: exercise.load_kind,
                group: exercise.group,
                sets: vec![PlannedSet { set: set.id, target: set.asked() }],
            },
            bests: exercise.bests,
            at,
            swapped: swapped && set.is_prescribed(),
        });
        let leaving: Vec<Gone> = leaving.collect();
        self.gone.retain(|gone| !sets.iter().any(|set| gone.is_of(*set)));
        self.gone.extend(leaving);
        let excess = self.gone.len().saturating_sub(SETS_MAX);
        self.gone.drain(..excess);
    }

    /// Brings back a set that was done before it left the plan, or that has left it altogether, to where it was: a
    /// phone without signal could not know. Nothing, when the set is where it was done.
    pub(super) fn bring_back(&self, set: SetId, done_at: Timestamp) -> Vec<SessionEvent> {
        let Some(gone) = self.gone.iter().rev().find(|gone| gone.is_of(set)) else { return Vec::new() };
        let mut events: Vec<SessionEvent> = Vec::new();
        if let Some((_, there)) = self.set(set) {
            if done_at >= gone.at || !there.is_open() {
                return Vec::new();
            }
            events.push(SetsDropped { sets: vec![set], instance: None, withdrawn: true }.into());
        }
        let home = gone.home.clone();
        events.push(match self.instance(home.instance) {
            Some(_) => {
                SetsAdded { instance: home.instance, sets: home.sets, prescribed: gone.swapped }.into()
            }
            None => {
                let bests = match self.movement(&home.exercise) {
                    Some(known) => known.bests,
                    None => gone.bests,
                };
                let bests = bests.map(|bar| bar.bests(&home.exercise));
                ExerciseAdded { exercise: home, place: None, prescribed: gone.swapped, bests }.into()
            }
        });
        events
    }

    fn forget_gone(&mut self, back: &[PlannedSet]) {
        self.gone.retain(|gone| !back.iter().any(|set| gone.is_of(set.set)));
    }

    /// Whether a set is in the session, or was.
    pub(super) fn remembers(&self, set: SetId) -> bool {
        self.set(set).is_some() || self.gone.iter().any(|gone| gone.is_of(set))
    }

    /// Takes sets out, and exercises that lose their last set by it.
    fn remove(&mut self, sets: &[SetId], at: Timestamp) {
        self.note_gone(sets, at, false);
        let gone: HashSet<SetId> = sets.iter().copied().collect();
        self.exercises.retain_mut(|exercise| {
            if !exercise.sets.iter().any(|set| gone.contains(&set.id)) {
                return true;
            }
            let exercise = Arc::make_mut(exercise);
            exercise.sets.retain(|set| !gone.contains(&set.id));
            !exercise.sets.is_empty()
        });
    }
}

impl Gone {
    fn is_of(&self, set: SetId) -> bool {
        self.home.sets.iter().any(|gone| gone.set == set)
    }
}

impl Set {
    /// What it asks for, as a target.
    fn asked(&self) -> Target {
        self.target().cloned().unwrap_or_else(|| Target { set_type: self.set_type(), ..Target::default() })
    }

    /// Never logged.
    pub(super) const fn is_open(&self) -> bool {
        matches!(self.outcome, Outcome::Planned)
    }
}

/// Puts the exercises named first, in that order and those groups; the others keep theirs behind them.
fn arrange(exercises: &mut [Arc<Exercise>], order: &[Slot]) {
    for exercise in exercises.iter_mut() {
        if let Some(slot) = order.iter().find(|slot| slot.instance == exercise.instance)
            && exercise.group != slot.group
        {
            Arc::make_mut(exercise).group = slot.group;
        }
    }
    exercises.sort_by_key(|exercise| {
        order.iter().position(|slot| slot.instance == exercise.instance).unwrap_or(order.len())
    });
}

/// An exercise as it joins a session.
pub(super) fn exercise(joining: &PlannedExercise, bests: Option<Bar>, prescribed: bool) -> Exercise {
    Exercise {
        instance: joining.instance,
        exercise: joining.exercise.clone(),
        name: joining.name.clone(),
        load_kind: joining.load_kind,
        group: joining.group,
        bests,
        sets: joining.sets.iter().map(|set| planned(set, prescribed)).collect(),
    }
}

fn planned(set: &PlannedSet, prescribed: bool) -> Set {
    let target = set.target.clone();
    let plan = if prescribed { Plan::Prescribed(target) } else { Plan::Own(target) };
    Set { id: set.set, plan, outcome: Outcome::Planned, reason: None }
}
