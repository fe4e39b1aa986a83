import { describe, expect, it } from 'vitest';
import { Unreadable, actualOf, formFor, loadOf, repsOf, rpeOf } from './numbers';

const empty = { load: '', unit: 'kg', reps: '', seconds: '', metres: '', rpe: '' } as const;

describe('what an athlete types', () => {
  it('is taken with a comma or a point', () => {
    expect(loadOf('142,5', 'kg')).toEqual({ typed: 142_500, unit: 'kg', g: 0 });
    expect(loadOf(' 225 ', 'lb')).toEqual({ typed: 225_000, unit: 'lb', g: 0 });
  });

  it('leaves out what was not typed', () => {
    expect(actualOf({ ...empty, reps: '5' })).toEqual({ reps: 5 });
  });

  it('is refused when nobody can have done it', () => {
    for (const form of [{ load: '3000' }, { reps: '1.5' }, { reps: '-1' }, { rpe: '11' }, { seconds: 'long' }]) {
      expect(() => actualOf({ ...empty, ...form })).toThrow(Unreadable);
    }
  });

  it('has effort in half steps', () => {
    expect(rpeOf('8.5')).toEqual({ scale: 'rpe', tenths: 85 });
    expect(rpeOf('8.4')).toEqual({ scale: 'rpe', tenths: 85 });
  });
});

it.each([['5', { min: 5, max: 5 }], ['5-8', { min: 5, max: 8 }], ['5 – 8', { min: 5, max: 8 }], ['8+', { min: 8 }], ['', undefined]])(
  'repetitions written as “%s” are understood',
  (text, range) => expect(repsOf(text)).toEqual(range),
);

it.each(['8-5', 'many', '5-', '+'])('repetitions written as “%s” are not', (text) => {
  expect(() => repsOf(text)).toThrow(Unreadable);
});

it('a form begins with what is asked for, else with what was done last', () => {
  const load = { typed: 142_500, unit: 'kg', g: 142_500 } as const;
  expect(formFor({ type: 'working', reps: { min: 5, max: 8 }, load }, undefined)).toMatchObject({ load: '142.5', reps: '8' });
  expect(formFor(undefined, { load, reps: 4 })).toMatchObject({ load: '142.5', reps: '4' });
  expect(formFor({ type: 'working' }, { load, reps: 4 })).toMatchObject({ load: '142.5', reps: '4' });
  expect(formFor({ type: 'iso', seconds: 30 }, { reps: 4 })).toMatchObject({ reps: '', seconds: '30' });
});
