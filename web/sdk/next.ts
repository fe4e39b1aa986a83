/** What an athlete does next. Pure. */

import type { ExerciseView, SessionView, SetView } from './types';

export interface Next {
  exercise: ExerciseView;
  set: SetView;
  /** Its place among that exercise's sets, from 1. */
  k: number;
}

/**
 * The first set that is still to be done. Exercises of one group take turns: the k-th set of each is round k.
 */
export function nextSet({ exercises }: Pick<SessionView, 'exercises'>): Next | undefined {
  const first = exercises.find(hasMore);
  if (first === undefined) return undefined;
  const turn = exercises.filter((exercise) => exercise === first || (first.group !== undefined && exercise.group === first.group));
  const open = turn.filter(hasMore).map(firstOpen);
  return open.reduce((best, next) => (next.k < best.k ? next : best));
}

function hasMore({ sets }: ExerciseView): boolean {
  return sets.some(isOpen);
}

function firstOpen(exercise: ExerciseView): Next {
  const i = exercise.sets.findIndex(isOpen);
  return { exercise, set: exercise.sets[i]!, k: i + 1 };
}

/** A set that was taken back is to be done again, if the plan asked for it. */
export function isOpen({ status, target }: SetView): boolean {
  return status === 'planned' || (status === 'voided' && target !== undefined);
}
