/** Numbers as people type them, and the quantities they mean. Pure. */

import type { Actual, Effort, Load, RepRange, Target } from '../sdk/types';

/** What a form holds of a set: text as it was typed; empty is not recorded. */
export interface SetForm {
  load: string;
  unit: Load['unit'];
  reps: string;
  seconds: string;
  metres: string;
  rpe: string;
}

/** A number with a comma or a point; `undefined` for none. Throws {@link Unreadable} for anything else. */
export function numberOf(text: string, what: string, largest: number): number | undefined {
  const plain = text.trim().replace(',', '.');
  if (plain === '') return undefined;
  const value = Number(plain);
  if (!Number.isFinite(value) || value < 0) throw new Unreadable(`${what} is not a number`);
  if (value > largest) throw new Unreadable(`${what} is too much: at most ${largest}`);
  return value;
}

/** What was typed cannot be meant. */
export class Unreadable extends Error {
  override name = 'Unreadable';
}

const LOAD_LARGEST = { kg: 2_500, lb: 5_511 };
const REPS_LARGEST = 1_000;
const SECONDS_LARGEST = 86_400;
const METRES_LARGEST = 100_000;

export function loadOf(text: string, unit: Load['unit']): Load | undefined {
  const value = numberOf(text, 'the load', LOAD_LARGEST[unit]);
  // The server computes the grams.
  return value === undefined ? undefined : { typed: Math.round(value * 1000), unit, g: 0 };
}

/** What a form says was done. Throws {@link Unreadable}. */
export function actualOf(form: SetForm): Actual {
  const load = loadOf(form.load, form.unit);
  const reps = whole(form.reps, 'repetitions', REPS_LARGEST);
  const seconds = whole(form.seconds, 'the time', SECONDS_LARGEST);
  const metres = whole(form.metres, 'the distance', METRES_LARGEST);
  const effort = rpeOf(form.rpe);
  return {
    ...(load && { load }),
    ...(reps !== undefined && { reps }),
    ...(seconds !== undefined && { seconds }),
    ...(metres !== undefined && { metres }),
    ...(effort && { effort }),
  };
}

/** `5`, `5-8` or `8+`. Throws {@link Unreadable}. */
export function repsOf(text: string): RepRange | undefined {
  const plain = text.trim();
  if (plain === '') return undefined;
  const [, min = '', rest = ''] = /^(\d{1,4})\s*(\+|[-–]\s*\d{1,4})?$/.exec(plain) ?? [];
  if (min === '') throw new Unreadable('write repetitions as 5, 5-8 or 8+');
  const low = Number(min);
  if (rest === '+') return { min: low };
  const high = rest === '' ? low : Number(rest.replace(/[-–\s]/g, ''));
  if (high < low || high > REPS_LARGEST) throw new Unreadable('write the smaller number of repetitions first');
  return { min: low, max: high };
}

/** RPE from 1 to 10 in half steps. */
export function rpeOf(text: string): Effort | undefined {
  const value = numberOf(text, 'RPE', 10);
  if (value === undefined) return undefined;
  if (value < 1) throw new Unreadable('RPE is at least 1');
  return { scale: 'rpe', tenths: Math.round(value * 2) * 5 };
}

/** What a form begins with: what is asked for, else what was done last in this exercise. */
export function formFor(asked: Target | undefined, last: Actual | undefined): SetForm {
  const load = asked?.load ?? last?.load;
  const measured = asked?.seconds !== undefined || asked?.metres !== undefined;
  return {
    load: load === undefined ? '' : shown(load.typed / 1000),
    unit: load?.unit ?? 'kg',
    reps: shown(asked?.reps?.max ?? asked?.reps?.min ?? (measured ? undefined : last?.reps)),
    seconds: shown(asked?.seconds),
    metres: shown(asked?.metres),
    rpe: '',
  };
}

function whole(text: string, what: string, largest: number): number | undefined {
  const value = numberOf(text, what, largest);
  if (value !== undefined && !Number.isInteger(value)) throw new Unreadable(`${what}: whole numbers only`);
  return value;
}

function shown(value: number | undefined): string {
  return value === undefined ? '' : String(Number(value.toFixed(3)));
}
