import { describe, expect, it } from 'vitest';
import type { Actual, Load, SetStatus, Target } from '../sdk/types';
import {
  actual, age, commandWord, countdown, cueState, kilograms, load, momentOf, place, refusalText, reps, signalText, target,
  timeOfDay, verdict,
} from './words';

const kg = (n: number): Load => ({ typed: n * 1000, unit: 'kg', g: n * 1000 });
const pounds: Load = { typed: 225_000, unit: 'lb', g: 102_058 };
const five: Target = { type: 'working', reps: { min: 5, max: 5 }, load: kg(140), effort: { scale: 'rpe', tenths: 80 } };

describe('what was lifted', () => {
  it('is shown as it was typed', () => {
    expect(load(pounds, 'external')).toBe('225 lb');
    expect(load(kg(102.5), 'external')).toBe('102.5 kg');
  });

  it('says what the number means', () => {
    expect(load(kg(30), 'per_hand')).toBe('30 kg each');
    expect(load(kg(20), 'bodyweight')).toBe('+20 kg');
    expect(load(kg(15), 'assisted')).toBe('−15 kg');
  });

  it('comes with its effort on its own scale', () => {
    expect(actual({ load: kg(140), reps: 4, effort: { scale: 'rpe', tenths: 95 } }, 'external')).toBe('140 kg × 4 @9.5');
    expect(actual({ load: pounds, reps: 8, effort: { scale: 'rir', tenths: 20 }, side: 'left' }, 'external')).toBe(
      '225 lb × 8 RIR 2 left',
    );
    expect(actual({ metres: 40, seconds: 31 }, 'none')).toBe('40 m in 31 s');
  });
});

it('a target shows ranges and as many as possible', () => {
  expect(target(five, 'external')).toBe('140 kg × 5 @8');
  expect(reps({ min: 5, max: 8 })).toBe('5–8');
  expect(target({ type: 'amrap', reps: { min: 8 } }, 'external')).toBe('8+');
  expect(target({ type: 'working' }, 'external')).toBe('');
});

describe('the word for a set', () => {
  const word = (done: Actual, asked: Target | undefined = five, status: SetStatus = 'performed'): string =>
    verdict({ status, actual: done, ...(asked && { target: asked }) }).word;

  it('compares it with what was asked for', () => {
    expect(word({ load: kg(140), reps: 5, effort: { scale: 'rpe', tenths: 90 } })).toBe('on target');
    expect(word({ load: kg(140), reps: 3 })).toBe('2 short');
    expect(word({ load: kg(140), reps: 5, effort: { scale: 'rpe', tenths: 95 } })).toBe('+1.5 RPE');
    expect(word({ load: kg(140), reps: 5, effort: { scale: 'rir', tenths: 0 } })).toBe('+2 RPE');
    expect(word({ load: kg(135), reps: 5 })).toBe('lighter');
    expect(word({ load: kg(140), reps: 6 })).toBe('above target');
  });

  it('says what became of it before anything else', () => {
    expect(word({ reps: 5 }, five, 'failed')).toBe('failed');
    expect(word({}, five, 'skipped')).toBe('skipped');
    expect(verdict({ status: 'performed', actual: { reps: 5 } }).word).toBe('done');
    expect(word({ reps: 5 }, { type: 'working' })).toBe('done');
  });
});

it('the place of a set names its kind where that matters', () => {
  expect(place({ k: 2, n: 5, type: 'working' })).toBe('set 2/5');
  expect(place({ k: 1, n: 5, type: 'warmup' })).toBe('set 1/5 · warm-up');
});

it.each([[-1, '0 s'], [12e6, '12 s'], [240e6, '4 min'], [7_300e6, '2 h'], [200_000e6, '2 d']])('%i µs is %s', (micros, text) => {
  expect(age(micros)).toBe(text);
});

it.each([[92e6, '1:32'], [0, '0:00'], [-20e6, '+0:20'], [400_000, '0:01'], [-400_000, '0:00']])(
  'a rest with %i µs left shows %s',
  (left, text) => expect(countdown(left)).toBe(text),
);

it('volume is in whole kilograms', () => expect(kilograms(4_480_400)).toBe('4,480 kg'));

describe('what came back from the server', () => {
  it('is said with what to do about it', () => {
    expect(refusalText({ code: 'queue_full', kind: 'permanent', text: '' })).toMatch(/connect/);
    expect(refusalText({ code: 'new_code', kind: 'permanent', text: 'too odd' })).toBe('the server refused it (too odd)');
  });

  it('names a command that somebody gave a while ago', () => {
    expect(commandWord({ skip: { set: 'x' } })).toBe('A skipped set');
    expect(commandWord({ pin: { athlete: 'x' } })).toBe('pin');
  });

  it('shows live values in their units', () => {
    expect(signalText('heart_rate', 142)).toBe('142 bpm');
    expect(signalText('velocity', 420)).toBe('0.42 m/s');
    expect(signalText('later', 1)).toBe('');
  });

  it('shows a date only where it is another day', () => {
    const noon = Date.UTC(2026, 4, 5, 12) * 1000;
    expect(momentOf(noon, noon + 60e6)).toBe(timeOfDay(noon));
    expect(momentOf(noon, noon + 5 * 86_400e6)).toContain(timeOfDay(noon));
    expect(momentOf(noon, noon + 5 * 86_400e6)).not.toBe(timeOfDay(noon));
  });
});

it.each([
  [{}, 'sent'], [{ delivered_at: 1 }, 'delivered'], [{ delivered_at: 1, seen_at: 2 }, 'seen'], [{ acted_at: 3 }, 'acted'],
] as const)('a cue with %o is %s', (times, state) => {
  expect(cueState({ cue: '', text: '', by: '', at: 0, ...times })).toBe(state);
});
