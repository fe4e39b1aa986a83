import { describe, expect, it } from 'vitest';
import type { ExerciseView, SessionView, SetView } from '../sdk/types';
import { Unreadable } from './numbers';
import { type Draft, changes, draftOf, planOf, rebased, withOneMore } from './plan-draft';

const [A, B, C, D] = ['a1', 'a2', 'b1', 'b2'] as const;

function set(id: string, kilograms: number, status: SetView['status'] = 'planned'): SetView {
  return {
    set: id,
    type: 'working',
    status,
    target: {
      type: 'working', reps: { min: 5, max: 8 }, load: { typed: kilograms * 1000, unit: 'kg', g: kilograms * 1000 },
      effort: { scale: 'rpe', tenths: 85 }, rest_ms: 120_000,
    },
  };
}

function exercise(name: string, sets: SetView[]): ExerciseView {
  return { instance: name, exercise: name, name, load_kind: 'external', sets };
}

function session(...exercises: ExerciseView[]): Pick<SessionView, 'exercises'> {
  return { exercises };
}

const plan = draftOf(session(exercise('squat', [set(A, 100), set(B, 100)]), exercise('row', [set(C, 60), set(D, 60)])));

/** The draft with one field of one set as somebody typed it. */
function typed(draft: Draft, id: string, fields: Partial<Draft[number]['sets'][number]>): Draft {
  return draft.map((each) => ({ ...each, sets: each.sets.map((held) => (held.set === id ? { ...held, ...fields } : held)) }));
}

function without(draft: Draft, id: string): Draft {
  return draft.map((each) => ({ ...each, sets: each.sets.filter((held) => held.set !== id) })).filter(({ sets }) => sets.length > 0);
}

function loads(draft: Draft): string[] {
  return draft.flatMap(({ sets }) => sets.map((held) => `${held.set} ${held.load}`));
}

describe('the remaining plan', () => {
  it('is what is not logged, and goes back as it came', () => {
    const view = session(exercise('squat', [set(A, 100, 'performed'), set(B, 100)]), exercise('row', [set(C, 60, 'skipped')]));
    const draft = draftOf(view);
    expect(loads(draft)).toEqual([`${B} 100`]);
    expect(planOf(draft)).toMatchObject([{ instance: 'squat', sets: [{ set: B, target: { ...set(B, 100).target, load: { typed: 100_000 } } }] }]);
  });

  it('keeps what the form has no fields for', () => {
    const timed: SetView = { set: A, type: 'iso', status: 'planned', target: { type: 'iso', seconds: 30, effort: { scale: 'rir', tenths: 20 } } };
    expect(planOf(draftOf(session(exercise('plank', [timed]))))[0]!.sets[0]!.target).toEqual(timed.target);
  });

  it('names the exercise in which something cannot be meant', () => {
    expect(() => planOf(typed(plan, C, { reps: 'some' }))).toThrow(Unreadable);
    expect(() => planOf(typed(plan, C, { reps: 'some' }))).toThrow(/^row: /);
  });

  it('grows by a set like the last one, under an id of its own', () => {
    const more = withOneMore(plan[0]!, 0).sets;
    expect(more).toHaveLength(3);
    expect({ ...more[2], set: B }).toEqual(more[1]);
    expect(more[2]!.set).not.toBe(B);
  });
});

describe('an edit on top of a plan that changed', () => {
  it('keeps what was edited and takes what was not', () => {
    const mine = typed(plan, A, { load: '95' });
    const theirs = typed(typed(plan, A, { load: '105' }), C, { load: '65' });
    expect(loads(rebased(plan, mine, theirs).draft)).toEqual([`${A} 95`, `${B} 100`, `${C} 65`, `${D} 60`]);
  });

  it('leaves out what is done by now, and says when that had been edited', () => {
    const mine = typed(typed(plan, A, { load: '95' }), B, { load: '95' });
    const { draft, lost } = rebased(plan, mine, without(plan, A));
    expect(loads(draft)).toEqual([`${B} 95`, `${C} 60`, `${D} 60`]);
    expect(lost).toEqual(['squat: 95 kg × 5–8 @8.5']);
  });

  it('keeps what was dropped and what was added, on both sides', () => {
    const added = { ...plan[1]!.sets[0]!, set: 'b3' };
    const theirs = plan.map((each) => (each.instance === 'row' ? { ...each, sets: [...each.sets, added] } : each));
    const mine = [withOneMore(without(plan, B)[0]!, 0), plan[1]!];
    const { draft } = rebased(plan, mine, theirs);
    expect(draft[0]!.sets).toHaveLength(2);
    expect(draft[0]!.sets.map((held) => held.set)).not.toContain(B);
    expect(draft[1]!.sets.map((held) => held.set)).toEqual([C, D, 'b3']);
  });

  it('keeps the order that was chosen, and else takes the new one', () => {
    const turned = [...plan].reverse();
    expect(rebased(plan, turned, plan).draft.map(({ name }) => name)).toEqual(['row', 'squat']);
    expect(rebased(plan, plan, turned).draft.map(({ name }) => name)).toEqual(['row', 'squat']);
  });
});

it('what changed is said in sentences', () => {
  const after = [...typed(without(plan, B), C, { load: '65' })].reverse();
  expect(changes(plan, after)).toEqual([
    'row: 60 kg × 5–8 @8.5 is now 65 kg × 5–8 @8.5', 'squat: one set is done or gone', 'the order is another',
  ]);
  expect(changes(plan, plan)).toEqual([]);
});
