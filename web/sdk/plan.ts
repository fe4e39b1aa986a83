/** What changes of the plan make of a session's exercises. Pure; a part of `session.ts`. */

import type { Bests, ExerciseView, PlannedExercise, PlannedSet, SetView, Uuid } from './types';

/** An exercise as it joins a session; `prescribed` says whether a coach asks for its sets. */
export function begun({ sets, ...exercise }: PlannedExercise, bests: Bests | undefined, prescribed: boolean): ExerciseView {
  return { ...exercise, ...(bests && { bests }), sets: sets.map((set) => planned(set, prescribed)) };
}

/** `at` is an index in the order; last by default. */
export function withExercise(exercises: ExerciseView[], added: ExerciseView, at = exercises.length): ExerciseView[] {
  return exercises.toSpliced(at, 0, added);
}

export function withSets(exercises: ExerciseView[], instance: Uuid, sets: PlannedSet[], prescribed: boolean): ExerciseView[] {
  const added = sets.map((set) => planned(set, prescribed));
  return exercises.map((exercise) =>
    exercise.instance === instance ? { ...exercise, sets: [...exercise.sets, ...added] } : exercise,
  );
}

/** An exercise that loses its last set by it leaves the session. */
export function withoutSets(exercises: ExerciseView[], gone: readonly Uuid[]): ExerciseView[] {
  return exercises
    .map((exercise) => ({ ...exercise, sets: exercise.sets.filter(({ set }) => !gone.includes(set)) }))
    .filter((exercise, i) => exercise.sets.length > 0 || exercises[i]!.sets.length === 0);
}

/** The sets that move stand behind, in the new exercise; the old one stays while it has any left. */
export function swapped(exercises: ExerciseView[], instance: Uuid, by: ExerciseView): ExerciseView[] {
  const moved = new Set(by.sets.map(({ set }) => set));
  return exercises.flatMap((exercise) => {
    if (exercise.instance !== instance) return [exercise];
    const left = exercise.sets.filter(({ set }) => !moved.has(set));
    // Who asked for a set does not change with the movement.
    const sets = by.sets.map(({ own: _, ...set }) => {
      const was = exercise.sets.find((held) => held.set === set.set);
      return was !== undefined && isPrescribed(was) ? set : { ...set, own: true };
    });
    const next = { ...by, sets };
    return left.length > 0 ? [{ ...exercise, sets: left }, next] : [next];
  });
}

/** Those named come first, in this order and these groups; the others keep theirs behind them. */
export function reordered(exercises: ExerciseView[], order: readonly { instance: Uuid; group?: number }[]): ExerciseView[] {
  const named = order.flatMap(({ instance, group }) => {
    const held = exercises.find((exercise) => exercise.instance === instance);
    if (held === undefined) return [];
    const { group: _, ...exercise } = held;
    return [{ ...exercise, ...(group !== undefined && { group }) }];
  });
  const names = new Set(order.map(({ instance }) => instance));
  return [...named, ...exercises.filter(({ instance }) => !names.has(instance))];
}

/** What remains of the plan is this: each exercise with the sets it has and then these, in their order. */
export function patched(exercises: ExerciseView[], plan: PlannedExercise[], withdrawn: Uuid[], bests: Bests[]): ExerciseView[] {
  const joined = plan.reduce((held, wanted) => {
    const known = held.find(({ instance }) => instance === wanted.instance);
    if (known === undefined) {
      const twin = held.find(({ exercise }) => exercise === wanted.exercise);
      const best = twin === undefined ? bests.find(({ exercise }) => exercise === wanted.exercise) : twin.bests;
      return [...held, begun(wanted, best, true)];
    }
    const again = new Set(wanted.sets.map(({ set }) => set));
    const sets = [...known.sets.filter(({ set }) => !again.has(set)), ...wanted.sets.map((set) => planned(set, true))];
    return held.map((exercise) => (exercise === known ? { ...exercise, sets } : exercise));
  }, exercises);
  return reordered(withoutSets(joined, withdrawn), plan);
}

/** A coach asks for it. */
export function isPrescribed({ target, own }: SetView): boolean {
  return target !== undefined && own !== true;
}

function planned({ set, target }: PlannedSet, prescribed: boolean): SetView {
  return { set, type: target.type, target, ...(!prescribed && { own: true }), status: 'planned' };
}
