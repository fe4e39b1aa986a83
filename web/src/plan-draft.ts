/**
 * The remaining plan of a session while a coach edits it: text as it is typed, set by set. Pure but for the ids
 * of what is new.
 */

import type {
  Effort, ExerciseView, Load, Movement, PlannedExercise, PlannedSet, SessionView, SetType, SetView, Target, Timestamp,
  Uuid,
} from '../sdk/types';
import { newUuid } from '../sdk/uuid';
import { Unreadable, loadOf, numberOf, repsOf, rpeOf } from './numbers';
import { effort, reps, target } from './words';

export interface DraftSet {
  set: Uuid;
  type: SetType;
  load: string;
  unit: Load['unit'];
  reps: string;
  rpe: string;
  /** Rest behind it, in seconds. */
  rest: string;
  /** What this form has no fields for. */
  kept: Pick<Target, 'effort' | 'seconds' | 'metres'>;
}
export interface DraftExercise extends Movement {
  group?: number;
  sets: DraftSet[];
}
export type Draft = DraftExercise[];

const REST_SECONDS_LARGEST = 3_600;

/** What is still to be done. */
export function draftOf({ exercises }: Pick<SessionView, 'exercises'>): Draft {
  return exercises.map(exerciseDraft).filter(({ sets }) => sets.length > 0);
}

/** The plan to send. Throws {@link Unreadable}, naming the exercise. */
export function planOf(draft: Draft): PlannedExercise[] {
  return draft.filter(({ sets }) => sets.length > 0).map(({ sets, ...exercise }) => ({
    ...exercise,
    sets: sets.map((set) => ({ set: set.set, target: targetOf(set, exercise.name) })),
  }));
}

/** One more set like the last one. */
export function withOneMore(exercise: DraftExercise, now: Timestamp): DraftExercise {
  const last = exercise.sets.at(-1);
  const next: DraftSet = last === undefined
    ? { set: newUuid(now), type: 'working', load: '', unit: 'kg', reps: '', rpe: '', rest: '', kept: {} }
    : { ...last, set: newUuid(now) };
  return { ...exercise, sets: [...exercise.sets, next] };
}

/**
 * What somebody was editing, on top of a plan that has changed in the meantime: what they changed stays as they
 * have it, everything else is as it is now. Sets that are done or gone by now leave the draft, even if they were
 * edited; `lost` names those.
 */
export function rebased(base: Draft, mine: Draft, theirs: Draft): { draft: Draft; lost: string[] } {
  const then = setsOf(base);
  const now = setsOf(theirs);
  const here = setsOf(mine);
  const lost: string[] = [];
  const merge = (exercise: DraftExercise): DraftExercise => {
    const current = theirs.find(({ instance }) => instance === exercise.instance);
    const own = exercise.sets.flatMap((set) => {
      const before = then.get(set.set);
      const after = now.get(set.set);
      if (before === undefined) return [set];
      const edited = !same(before, set);
      if (after === undefined && edited) lost.push(`${exercise.name}: ${said(set)}`);
      if (after === undefined) return [];
      return [edited ? set : after];
    });
    const added = current?.sets.filter(({ set }) => !then.has(set) && !here.has(set)) ?? [];
    return { ...exercise, ...(current?.group !== undefined && { group: current.group }), sets: [...own, ...added] };
  };
  const known = new Set(mine.map(({ instance }) => instance));
  const dropped = new Set(base.map(({ instance }) => instance).filter((instance) => !known.has(instance)));
  const fresh = theirs.filter(({ instance }) => !known.has(instance) && !dropped.has(instance));
  const moved = order(base, mine) !== order(mine, base);
  const kept = moved ? mine : [...mine].sort((a, b) => placeIn(theirs, a) - placeIn(theirs, b));
  return { draft: [...kept.map(merge), ...fresh].filter(({ sets }) => sets.length > 0), lost };
}

/** What is different between two plans, in sentences. */
export function changes(before: Draft, after: Draft): string[] {
  const then = setsOf(before);
  const now = setsOf(after);
  const lines: string[] = [];
  for (const exercise of after) {
    const old = before.find(({ instance }) => instance === exercise.instance);
    if (old === undefined) lines.push(`${exercise.name} was added`);
    for (const set of exercise.sets) {
      const held = then.get(set.set);
      if (held === undefined) {
        if (old !== undefined) lines.push(`${exercise.name}: ${said(set)} was added`);
      } else if (!same(held, set)) lines.push(`${exercise.name}: ${said(held)} is now ${said(set)}`);
    }
  }
  for (const exercise of before) {
    const gone = exercise.sets.filter(({ set }) => !now.has(set)).length;
    if (gone > 0) lines.push(`${exercise.name}: ${gone === 1 ? 'one set is' : `${gone} sets are`} done or gone`);
  }
  if (order(before, after) !== order(after, before)) lines.push('the order is another');
  return lines;
}

function exerciseDraft({ sets, instance, exercise, name, load_kind, group }: ExerciseView): DraftExercise {
  return {
    instance, exercise, name, load_kind, ...(group !== undefined && { group }), sets: sets.filter(({ status }) => status === 'planned').map(setDraft),
  };
}

function setDraft({ set, type, target: asked }: SetView): DraftSet {
  const rpe = asked?.effort?.scale === 'rpe' ? asked.effort : undefined;
  return {
    set,
    type,
    load: asked?.load === undefined ? '' : String(asked.load.typed / 1000),
    unit: asked?.load?.unit ?? 'kg',
    reps: asked?.reps === undefined ? '' : reps(asked.reps).replace('–', '-'),
    rpe: rpe === undefined ? '' : effort(rpe).slice(1),
    rest: asked?.rest_ms === undefined ? '' : String(Math.round(asked.rest_ms / 1000)),
    kept: keptOf(asked, rpe),
  };
}

function keptOf(asked: Target | undefined, rpe: Effort | undefined): DraftSet['kept'] {
  return {
    ...(asked?.effort && rpe === undefined && { effort: asked.effort }),
    ...(asked?.seconds !== undefined && { seconds: asked.seconds }),
    ...(asked?.metres !== undefined && { metres: asked.metres }),
  };
}

function targetOf(set: DraftSet, name: string): PlannedSet['target'] {
  try {
    const load = loadOf(set.load, set.unit);
    const range = repsOf(set.reps);
    const rpe = rpeOf(set.rpe);
    const rest = numberOf(set.rest, 'the rest', REST_SECONDS_LARGEST);
    return {
      type: set.type,
      ...set.kept,
      ...(range && { reps: range }),
      ...(load && { load }),
      ...(rpe && { effort: rpe }),
      ...(rest !== undefined && { rest_ms: Math.round(rest * 1000) }),
    };
  } catch (error) {
    throw error instanceof Unreadable ? new Unreadable(`${name}: ${error.message}`) : error;
  }
}

function said(set: DraftSet): string {
  try {
    return target(targetOf(set, ''), 'external') || 'a set';
  } catch {
    return 'a set';
  }
}

function setsOf(draft: Draft): Map<Uuid, DraftSet> {
  return new Map(draft.flatMap(({ sets }) => sets.map((set) => [set.set, set] as const)));
}

function same(a: DraftSet, b: DraftSet): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}

/** The order of those exercises that both have. */
function order(draft: Draft, other: Draft): string {
  const both = new Set(other.map(({ instance }) => instance));
  return draft.map(({ instance }) => instance).filter((instance) => both.has(instance)).join();
}

function placeIn(draft: Draft, { instance }: DraftExercise): number {
  const place = draft.findIndex((exercise) => exercise.instance === instance);
  return place === -1 ? draft.length : place;
}
