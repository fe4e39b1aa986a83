import { describe, expect, it } from 'vitest';
import type { Kept } from './outbox';
import { foreseen, pendingSets } from './pending';
import { applyEvent } from './session';
import type { Address, Command, PublishedEvent, SessionView, Shown } from './types';

const ME = '0199c82c-c000-7000-8000-00a1000000a1';
const TO: Address = ['session', ME, '0199c82c-c000-7000-8000-005e0000005e'];
const [FIRST, SECOND, EXTRA, SQUAT, ROW] = ['11', '12', '13', '21', '22'].map((n) => `0199c82c-c000-7000-8000-0000000000${n}`) as [
  string, string, string, string, string,
];
const OFFSET = 2_000_000;

function event(v: number, ev: Shown): PublishedEvent {
  return { v, at: v, received_at: v, by: ME, ev };
}

const begun = applyEvent(undefined, event(1, {
  started: {
    title: 'Lower A',
    exercises: [{
      instance: SQUAT, exercise: 'squat', name: 'Squat', load_kind: 'external',
      sets: [FIRST, SECOND].map((set) => ({ set, target: { type: 'working' } })),
    }],
    bests: [],
  },
}))!;

function waiting(...commands: Command[]): Kept[] {
  return commands.map((command, i) => ({ id: FIRST, to: TO, n: i + 1, at: 1_000_000 * (i + 1), command }));
}

function seen(view: SessionView | undefined, ...commands: Command[]): SessionView | undefined {
  return foreseen(view, waiting(...commands), ME, OFFSET);
}

const done: Command = { complete: { set: FIRST, actual: { reps: 5 } } };

describe('before the server has answered', () => {
  it('a logged set is shown as done, at its own time by the server’s clock', () => {
    const view = seen(begun, done)!;
    expect(view.exercises[0]!.sets[0]).toMatchObject({ status: 'performed', actual: { reps: 5 }, at: 3_000_000, by: ME });
    expect(view.done).toBe(1);
  });

  it('a set outside the plan has its place', () => {
    const place = { instance: ROW, exercise: 'row', name: 'Row', load_kind: 'external', type: 'working' } as const;
    const view = seen(begun, { complete: { set: EXTRA, actual: { reps: 8 }, place } })!;
    expect(view.exercises[1]).toMatchObject({ instance: ROW, sets: [{ set: EXTRA, status: 'performed' }] });
  });

  it('a session begun without signal can be trained in', () => {
    const exercise = { instance: ROW, exercise: 'row', name: 'Row', load_kind: 'external', sets: [{ set: FIRST, target: { type: 'working' } }] } as const;
    const view = seen(undefined, { start: { title: 'Basement' } }, { add: { exercise: { ...exercise, sets: [...exercise.sets] } } }, done)!;
    expect(view).toMatchObject({ title: 'Basement', done: 1, total: 1 });
  });

  it('a rest counts by the server’s clock', () => {
    expect(seen(begun, { rest: { start: 5, duration_ms: 90_000 } })!.rest).toEqual({ start: 5 + OFFSET, duration_ms: 90_000 });
  });

  it('an answered cue is answered', () => {
    const cued = applyEvent(begun, event(2, { cued: { cue: EXTRA, text: 'rack it' } }));
    expect(seen(cued, { cue_acted: { cue: EXTRA } })!.cues![0]!.acted_at).toBe(1_000_000 + OFFSET);
  });
});

it('what has arrived already is as the server says', () => {
  const arrived = applyEvent(begun, event(2, { set_completed: { set: FIRST, actual: { reps: 5 } } }))!;
  expect(seen(arrived, done)).toEqual(arrived);
});

it('the sets that wait are marked', () => {
  expect(pendingSets(waiting(done, { skip: { set: SECOND } }, { finish: {} }))).toEqual(new Set([FIRST, SECOND]));
});
