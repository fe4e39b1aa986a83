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

describe('a plan that changes', () => {
  const ROW = '0199c82c-c000-7000-8000-000000000102';
  const row = { instance: ROW, exercise: 'barbell-row', name: 'Row', load_kind: 'external' } as const;
  const added: Shown = { exercise_added: { exercise: { ...row, sets: [{ set: EXTRA, target: { type: 'working' } }] }, place: 0 } };
  const sets = (view: SessionView): string[][] => view.exercises.map((exercise) => exercise.sets.map(({ set }) => set));

  it('takes an exercise at its place, and knows who asked for it', () => {
    const view = folded(started, added);
    expect(sets(view)).toEqual([[EXTRA], [FIRST, SECOND]]);
    expect(view.exercises[0]!.sets[0]).toMatchObject({ own: true });
    expect([view.plan_v, view.adherence.prescribed, view.total]).toEqual([2, 2, 3]);
  });

  it('is not changed by a set that was logged outside it', () => {
    const place: Shown[] = [{ exercise_added: { exercise: { ...row, sets: [] } } }, { set_added: { set: EXTRA, instance: ROW, type: 'working' } }];
    expect(folded(started, ...place, completed(EXTRA, 60, 8)).plan_v).toBe(1);
  });

  it('loses sets, and with the last of them the exercise', () => {
    expect(sets(folded(started, added, { sets_dropped: { sets: [FIRST] } }))).toEqual([[EXTRA], [SECOND]]);
    expect(sets(folded(started, added, { sets_dropped: { sets: [EXTRA] } }))).toEqual([[FIRST, SECOND]]);
  });

  it('counts against the athlete what they drop, and not what a coach takes out', () => {
    const own = folded(started, completed(FIRST, 100, 5), { sets_dropped: { sets: [SECOND] } }, { noted: { text: 'tired' } });
    expect(own.adherence).toEqual({ performed: 1, prescribed: 2 });
    const coach = folded(started, completed(FIRST, 100, 5), { sets_dropped: { sets: [SECOND], withdrawn: true } });
    expect(coach.adherence).toEqual({ performed: 1, prescribed: 1 });
    const both = folded(started, { sets_dropped: { sets: [FIRST] } }, { sets_dropped: { sets: [SECOND], withdrawn: true } });
    expect(both.adherence).toEqual({ performed: 0, prescribed: 1 });
  });

  it('keeps done sets where they were done when a movement is swapped', () => {
    const swap: Shown = { exercise_swapped: { instance: INSTANCE, exercise: { ...row, sets: [{ set: SECOND, target: { type: 'working' } }] } } };
    const half = folded(started, completed(FIRST, 100, 5), swap);
    expect(sets(half)).toEqual([[FIRST], [SECOND]]);
    expect(half.adherence).toEqual({ performed: 1, prescribed: 2 });
    const all: Shown = { exercise_swapped: { instance: INSTANCE, exercise: { ...row, sets: [FIRST, SECOND].map((set) => ({ set, target: { type: 'working' } })) } } };
    expect(folded(started, all).exercises.map(({ instance }) => instance)).toEqual([ROW]);
  });

  it('has another order and other groups, and the rest behind', () => {
    const view = folded(started, added, { reordered: { order: [{ instance: INSTANCE, group: 1 }] } });
    expect(view.exercises.map(({ instance, group }) => [instance, group])).toEqual([[INSTANCE, 1], [ROW, undefined]]);
    expect(folded(started, added, { reordered: { order: [{ instance: INSTANCE, group: 1 }] } }, { reordered: { order: [{ instance: INSTANCE }] } }).exercises[0]).not.toHaveProperty('group');
  });

  it('is replaced by a coach where nothing is logged', () => {
    const target = { type: 'working', reps: { min: 3, max: 3 } } as const;
    const patch: Shown = { plan_patched: { exercises: [{ ...row, sets: [{ set: EXTRA, target }] }], withdrawn: [SECOND] } };
    const view = folded(started, completed(FIRST, 100, 5), patch);
    expect(sets(view)).toEqual([[EXTRA], [FIRST]]);
    expect(view.exercises[0]!.sets[0]!.target).toEqual(target);
    expect([view.plan_v, view.adherence]).toEqual([3, { performed: 1, prescribed: 2 }]);
  });

  it('shows which targets were missed', () => {
    const asked: Shown = { plan_patched: { exercises: [{ instance: INSTANCE, exercise: 'barbell-back-squat', name: 'Squat', load_kind: 'external', sets: [{ set: FIRST, target: { type: 'working', reps: { min: 5 } } }] }], withdrawn: [SECOND] } };
    expect(folded(started, asked, completed(FIRST, 100, 4)).missed_targets).toBe(1);
    expect(folded(started, asked, completed(FIRST, 100, 5)).missed_targets).toBe(0);
  });
});

describe('what athlete and coach tell each other', () => {
  const cue: Shown = { cued: { cue: EXTRA, text: 'rack it' } };

  it('a cue that was acted on has been seen, and one that was seen delivered', () => {
    expect(folded(started, cue).cues).toEqual([{ cue: EXTRA, text: 'rack it', by: ATHLETE, at: 1_000_000 }]);
    const times = { delivered_at: 2_000_000, seen_at: 2_000_000, acted_at: 3_000_000 };
    expect(folded(started, cue, { cue_seen: { cue: EXTRA } }, { cue_acted: { cue: EXTRA } }).cues).toMatchObject([times]);
  });

  it('an answered cue makes room for a new one', () => {
    const many = Array.from({ length: 64 }, (_, i): Shown => ({ cued: { cue: `cue ${i}`, text: 'x' } }));
    const view = folded(started, ...many, { cue_acted: { cue: 'cue 5' } }, cue);
    expect(view.cues).toHaveLength(64);
    expect(view.cues!.some((held) => held.cue === 'cue 5')).toBe(false);
    expect(view.cues!.at(-1)!.cue).toBe(EXTRA);
  });

  it('pain and readiness have their own time', () => {
    const feeling = { sleep: 4, energy: 3, mood: 5, soreness: 2, stress: 1, score_tenths: 42 };
    const view = folded(started, { readiness_noted: feeling }, { pain_noted: { level: 4, site: 'knee' } });
    expect(view.readiness).toEqual({ ...feeling, at: 1_000_000 });
    expect(view.pains).toEqual([{ level: 4, site: 'knee', by: ATHLETE, at: 2_000_000 }]);
  });

  it('a session that was given up may still be finished', () => {
    expect(folded(started, { abandoned: {} }).phase).toBe('abandoned');
    expect(folded(started, { abandoned: {} }, { finished: {} }).phase).toBe('finished');
  });
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
