import { expect, it } from 'vitest';
import { nextSet } from './next';
import type { ExerciseView, SetStatus } from './types';

function exercise(name: string, statuses: SetStatus[], group?: number): ExerciseView {
  const sets = statuses.map((status, i) => ({ set: `${name}${i + 1}`, type: 'working' as const, target: { type: 'working' as const }, status }));
  return { instance: name, exercise: name, name, load_kind: 'external', ...(group !== undefined && { group }), sets };
}

const next = (...exercises: ExerciseView[]): string | undefined => nextSet({ exercises })?.set.set;

it('the next set is the first one not done', () => {
  expect(next(exercise('a', ['performed', 'skipped']), exercise('b', ['failed', 'planned', 'planned']))).toBe('b2');
  expect(next(exercise('a', ['performed']))).toBeUndefined();
});

it('exercises of one group take turns', () => {
  expect(next(exercise('a', ['performed', 'planned'], 1), exercise('b', ['planned', 'planned'], 1))).toBe('b1');
  expect(next(exercise('a', ['performed', 'planned'], 1), exercise('b', ['performed', 'planned'], 1))).toBe('a2');
  expect(next(exercise('a', ['performed', 'planned'], 1), exercise('b', ['planned'], 2))).toBe('a2');
});

it('a set of the plan that was taken back is to be done again', () => {
  expect(next(exercise('a', ['voided', 'planned']))).toBe('a1');
});
