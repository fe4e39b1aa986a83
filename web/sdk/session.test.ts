import { describe, expect, it } from 'vitest';
import { goldenJson, goldenNames } from './golden';
import { applyEvent, epley, isKnown, isLate } from './session';
import type { EventsFrame, PublishedEvent, SessionView, Shown, SnapshotFrame } from './types';

interface History {
  events: EventsFrame[];
  snapshot: SnapshotFrame;
}

const ATHLETE = '0199c82c-c000-7000-8000-00a1000000a1';
const INSTANCE = '0199c82c-c000-7000-8000-000000000101';
const [FIRST, SECOND, EXTRA] = ['11', '12', '13'].map((n) => `0199c82c-c000-7000-8000-0000000000${n}`) as [string, string, string];

/** The view after these events, a second apart. */
function folded(...events: Shown[]): SessionView {
  const published = events.map((ev, i): PublishedEvent => ({
    v: i + 1, at: i * 1_000_000, received_at: i * 1_000_000 + 1, by: ATHLETE, ev,
  }));
  return published.reduce<SessionView | undefined>(applyEvent, undefined)!;
}

const started: Shown = {
  started: {
    title: 'Lower A',
    exercises: [
      {
        instance: INSTANCE, exercise: 'barbell-back-squat', name: 'Squat', load_kind: 'external',
        sets: [FIRST, SECOND].map((set) => ({ set, target: { type: 'working' } })),
      },
    ],
    bests: [],
  },
};

function completed(set: string, kilograms: number, reps: number): Shown {
  return { set_completed: { set, actual: { load: { typed: kilograms * 1000, unit: 'kg', g: kilograms * 1000 }, reps } } };
}

describe.each(goldenNames('', '_history.json'))('the history %s', (name) => {
  const { events, snapshot } = goldenJson<History>(`${name}_history.json`);
  const published = events.flatMap((frame) => frame.events);

  it('folds to its snapshot', () => {
    const view = published.reduce<SessionView | undefined>(applyEvent, undefined);
    expect({ session: view }).toEqual(snapshot.state);
  });

  it('leaves each earlier view as it was', () => {
    let view: SessionView | undefined;
    for (const event of published) {
      const before = structuredClone(view);
      const next = applyEvent(view, event);
      expect(view).toEqual(before);
      view = next;
    }
  });

  it('is of events this build knows', () => expect(published.every(isKnown)).toBe(true));
});

describe('a session', () => {
  it('counts a voided set of the plan as to be done, and one outside it not at all', () => {
    const added: Shown = { set_added: { set: EXTRA, instance: INSTANCE, type: 'working' } };
    const both = folded(started, completed(FIRST, 100, 5), added, completed(EXTRA, 100, 5));
    expect([both.done, both.total, both.volume_g]).toEqual([2, 3, 1_000_000]);

    const voids: Shown[] = [{ set_voided: { set: FIRST } }, { set_voided: { set: EXTRA } }];
    const none = folded(started, completed(FIRST, 100, 5), added, completed(EXTRA, 100, 5), ...voids);
    expect([none.done, none.total, none.volume_g]).toEqual([0, 2, 0]);
  });

  it('counts a skipped set as done, without volume', () => {
    const view = folded(started, { set_skipped: { set: FIRST, reason: 'knee' } });
    expect([view.done, view.total, view.volume_g]).toEqual([1, 2, 0]);
    expect(view.exercises[0]!.sets[0]).toMatchObject({ status: 'skipped', reason: 'knee' });
  });

  it('keeps what a view may not see, and what a newer server says, out of its state', () => {
    const later = { later: { x: 1 } } as unknown as Shown;
    expect(folded(started, { hidden: {} }, later)).toEqual(folded(started));
    expect(isKnown({ v: 1, at: 0, received_at: 0, by: ATHLETE, ev: later })).toBe(false);
    expect(applyEvent(undefined, { v: 1, at: 0, received_at: 0, by: ATHLETE, ev: later })).toBeUndefined();
  });

  it('does not take inherited names for events', () => {
    const odd = { constructor: {} } as unknown as Shown;
    expect(folded(started, odd)).toEqual(folded(started));
  });
});

it.each([
  [100_000, 1, 100_000],
  [100_000, 5, 116_667],
  [100_000, 10, 133_333],
  [140_000, 4, 158_667],
  [5, 3, 6],
])('%i g for %i repetitions estimate a maximum of %i g', (load, reps, estimate) => {
  expect(epley(load, reps)).toBe(estimate);
});

it('a set is late when it arrives more than two minutes after it was done', () => {
  expect(isLate({ at: 0, received_at: 120_000_000 })).toBe(false);
  expect(isLate({ at: 0, received_at: 120_000_001 })).toBe(true);
});
