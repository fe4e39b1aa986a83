/** What changes of the plan make of a session's exercises. Pure; a part of `session.ts`. */

import type { Bests, ExerciseView, PlannedExercise, PlannedSet, SetView, Uuid } from './types';

/** An exercise as the plan has it. */
export function begun({ sets, ...exercise }: PlannedExercise, bests: Bests | undefined): ExerciseView {
  return { ...exercise, ...(bests && { bests }), sets: sets.map(planned) };
}

/** `at` is an index in the order; last by default. */
export function withExercise(exercises: ExerciseView[], added: ExerciseView, at = exercises.length): ExerciseView[] {
  return exercises.toSpliced(at, 0, added);
}

export function withSets(exercises: ExerciseView[], instance: Uuid, sets: PlannedSet[]): ExerciseView[] {
  return exercises.map((exercise) =>
    exercise.instance === instance ? { ...exercise, sets: [...exercise.sets, ...sets.map(planned)] } : exercise,
  );
}

/** An exercise that is left without sets leaves the session. */
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
    return left.length > 0 ? [{ ...exercise, sets: left }, by] : [by];
  });
}

/** Those named come first, in this order. */
export function reordered(exercises: ExerciseView[], order: { instance: Uuid; group?: number }[]): ExerciseView[] {
  const named = order.flatMap(({ instance, group }) => {
    const held = exercises.find((exercise) => exercise.instance === instance);
    if (held === undefined) return [];
    const { group: _, ...exercise } = held;
    return [{ ...exercise, ...(group !== undefined && { group }) }];
  });
  const names = new Set(order.map(({ instance }) => instance));
  return [...named, ...exercises.filter(({ instance }) => !names.has(instance))];
}

/** What was logged stays; the rest is the new plan, in its order. */
export function patched(exercises: ExerciseView[], plan: PlannedExercise[], withdrawn: Uuid[], bests: Bests[]): ExerciseView[] {
  const left = withoutSets(exercises, withdrawn);
  const next = plan.map((exercise): ExerciseView => {
    const held = left.find(({ instance }) => instance === exercise.instance);
    const fresh = begun(exercise, held?.bests ?? bests.find((best) => best.exercise === exercise.exercise));
    const done = held?.sets.filter(isLogged) ?? [];
    return { ...fresh, sets: [...done, ...fresh.sets.filter(({ set }) => !done.some((one) => one.set === set))] };
  });
  const named = new Set(plan.map(({ instance }) => instance));
  return [...left.filter(({ instance }) => !named.has(instance)), ...next];
}

export function isLogged({ status }: SetView): boolean {
  return status !== 'planned';
}

function planned({ set, target }: PlannedSet): SetView {
  return { set, type: target.type, target, status: 'planned' };
}
