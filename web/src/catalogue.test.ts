import { expect, it } from 'vitest';
import { isTimed, movementOf } from './catalogue';

const entries = [
  { id: 'barbell-squat', name: 'Barbell Squat', measurementType: 'weight_reps', loading: 'fixed' },
  { id: 'plank', name: 'Plank', measurementType: 'time', loading: 'none' },
  { id: 'leg-press', name: 'Leg Press', measurementType: 'weight_reps', loading: 'stack' },
];

it('a movement is found by its name, however it is typed', () => {
  expect(movementOf(entries, ' barbell squat ', 0)).toMatchObject({ exercise: 'barbell-squat', name: 'Barbell Squat', load_kind: 'external' });
  expect(movementOf(entries, 'Leg Press', 0)?.load_kind).toBe('stack');
  expect(movementOf(entries, 'Plank', 0)?.load_kind).toBe('none');
});

it('one that nobody has listed gets a name the wire takes', () => {
  expect(movementOf(entries, 'Zercher – Übung!', 0)).toMatchObject({ exercise: 'zercher-u-bung', name: 'Zercher – Übung!' });
  expect(movementOf(entries, ' … ', 0)).toBeUndefined();
  expect(movementOf(entries, 'x'.repeat(63) + ' y', 0)!.exercise).toMatch(/^[a-z0-9-]{1,64}$/);
});

it('a set of it is measured in time or not', () => {
  expect(isTimed(entries, movementOf(entries, 'Plank', 0)!)).toBe(true);
  expect(isTimed(entries, movementOf(entries, 'Zercher', 0)!)).toBe(false);
});
