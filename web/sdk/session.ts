/**
 * A session's state, folded from its events: the twin of the server's rules. Pure; the view handed in is left
 * as it was, so what a page holds on to never changes under it.
 */

import { begun, isPrescribed, patched, reordered, swapped, withExercise, withSets, withoutSets } from './plan';
import type {
  CueView, ExerciseView, Grams, LoadKind, PrKind, PublishedEvent, SessionEvents, SessionView, SetStatus, SetView,
  Timestamp, Uuid,
} from './types';

/** The order in which a set lists its records. */
const PR_ORDER: PrKind[] = ['heaviest', 'rep_max', 'e1rm'];
/** The most repetitions from which a one-repetition maximum is estimated. */
const E1RM_REPS_MAX = 12;
/** Cues kept of one session. */
const CUES_MAX = 64;
/** A set that reached the server this much later than it was done is marked late, in microseconds. */
const LATE_AFTER_US = 120_000_000;

/** What becomes of the view by one event; each knows only its own body. */
type Fold<Body> = (view: SessionView, body: Body, event: PublishedEvent) => SessionView;

const FOLDS: { [Name in Exclude<keyof SessionEvents, 'started'>]: Fold<SessionEvents[Name]> } = {
  // Without sets it is a place for one that was logged outside the plan: no plan that anybody edits has changed.
  exercise_added: (view, { exercise, bests, place, prescribed = false }, { v }) => ({
    ...view,
    ...(exercise.sets.length > 0 && { plan_v: v }),
    exercises: withExercise(view.exercises, begun(exercise, bests, prescribed), place),
  }),
  sets_added: (view, { instance, sets, prescribed = false }, { v }) => ({
    ...view, plan_v: v, exercises: withSets(view.exercises, instance, sets, prescribed),
  }),
  sets_dropped: (view, { sets, instance }, { v }) => ({
    ...view,
    plan_v: v,
    exercises: withoutSets(view.exercises, sets).filter((held) => held.instance !== instance || held.sets.length > 0),
  }),
  exercise_swapped: (view, { instance, exercise, bests }, { v }) => ({
    ...view, plan_v: v, exercises: swapped(view.exercises, instance, begun(exercise, bests, false)),
  }),
  reordered: (view, { order }, { v }) => ({ ...view, plan_v: v, exercises: reordered(view.exercises, order) }),
  plan_patched: (view, { exercises, withdrawn = [], bests = [] }, { v }) => ({
    ...view, plan_v: v, exercises: patched(view.exercises, exercises, withdrawn, bests),
  }),
  set_added: (view, { set, instance, type }) => ({
    ...view,
    exercises: view.exercises.map((exercise) =>
      exercise.instance === instance
        ? { ...exercise, sets: [...exercise.sets, { set, type, status: 'planned' }] }
        : exercise,
    ),
  }),
  set_completed: (view, { set, actual }, event) =>
    withSet(view, set, (held) => ({ ...logged(held, 'performed', event), actual })),
  set_failed: (view, { set, actual }, event) =>
    withSet(view, set, (held) => ({ ...logged(held, 'failed', event), actual })),
  set_skipped: (view, { set, reason }, event) =>
    withSet(view, set, (held) => ({ ...logged(held, 'skipped', event), ...given({ reason }) })),
  set_amended: (view, { set, actual, reason }) =>
    withSet(view, set, ({ reason: _, ...held }) => ({ ...held, actual, amended: true, ...given({ reason }) })),
  set_voided: (view, { set, reason }) =>
    withSet(view, set, (held) => ({ ...unlogged(held, 'voided'), ...given({ reason }) })),
  noted: (view, { set, text }, { at, by }) => {
    const notes = [...(view.notes ?? []), { ...given({ set }), text, by, at }];
    return { ...view, notes: notes.sort((a, b) => a.at - b.at) };
  },
  rested: (view, { effective, ...rest }) => (effective ? { ...view, rest } : view),
  paused: (view, { effective }) => (effective ? { ...view, phase: 'paused' } : view),
  resumed: (view, { effective }) => (effective ? { ...view, phase: 'live' } : view),
  finished: ({ rest: _, ...view }, __, { at }) => ({ ...view, phase: 'finished', finished_at: Math.max(at, view.started_at) }),
  reopened: ({ finished_at: _, ...view }) => ({ ...view, phase: 'live' }),
  pr: (view, { set, record }) =>
    withSet(view, set, (held) => ({
      ...held,
      prs: PR_ORDER.filter((kind) => kind === record || held.prs?.includes(kind)),
    })),
  pr_withdrawn: (view, { set, record }) =>
    withSet(view, set, ({ prs, ...held }) => {
      const left = prs?.filter((kind) => kind !== record) ?? [];
      return left.length > 0 ? { ...held, prs: left } : held;
    }),
  readiness_noted: (view, readiness, { at }) => (
    // Answers that come late do not replace newer ones.
    (view.readiness?.at ?? at) > at ? view : { ...view, readiness: { ...readiness, at } }
  ),
  pain_noted: (view, pain, { at, by }) => ({
    ...view, pains: [...(view.pains ?? []), { ...pain, by, at }].sort((a, b) => a.at - b.at),
  }),
  cued: (view, cue, { at, by }) => ({ ...view, cues: [...withRoom(view.cues ?? [], at), { ...cue, by, at }] }),
  cue_delivered: (view, { cue }, { at }) => withCue(view, cue, (held) => ({ delivered_at: at, ...held })),
  cue_seen: (view, { cue }, { at }) => withCue(view, cue, (held) => ({ delivered_at: at, seen_at: at, ...held })),
  cue_acted: (view, { cue }, { at }) =>
    withCue(view, cue, (held) => ({ delivered_at: at, seen_at: at, acted_at: at, ...held })),
  abandoned: ({ rest: _, ...view }) => ({ ...view, phase: 'abandoned' }),
};

/**
 * The view after one more event; `undefined` before the first. Events a view may not see, and those of a
 * newer server, change nothing here: see {@link isKnown}.
 */
export function applyEvent(view: SessionView | undefined, event: PublishedEvent): SessionView | undefined {
  if ('started' in event.ev) return derived(started(event.ev.started, event), 0);
  const [name, body] = Object.entries(event.ev)[0] ?? [];
  if (view === undefined || name === undefined || !Object.hasOwn(FOLDS, name)) return view;
  const fold = FOLDS[name as keyof typeof FOLDS] as Fold<unknown>;
  const next = fold(view, body, event);
  // What an athlete drops stays prescribed; what a coach takes out does not.
  const drop = 'sets_dropped' in event.ev && event.ev.sets_dropped.withdrawn !== true;
  return derived(next, view.adherence.prescribed - work(drop ? next : view).length);
}

/** Whether this build knows the event. If not, the view is outdated and only a newer page can show it. */
export function isKnown(event: PublishedEvent): boolean {
  const name = Object.keys(event.ev)[0] ?? '';
  return Object.hasOwn(FOLDS, name) || name === 'started' || name === 'hidden';
}

/** Epley: load × (1 + reps / 30) in whole grams, halves up; the load itself for one repetition. */
export function epley(load: Grams, reps: number): Grams {
  return reps === 1 ? load : Math.floor((load * (30 + reps) + 15) / 30);
}

/** Whether a set reached the server so long after it was done that it is marked late. */
export function isLate(set: { at?: Timestamp; received_at?: Timestamp }): boolean {
  return set.at !== undefined && set.received_at !== undefined && set.received_at - set.at > LATE_AFTER_US;
}

function started(body: SessionEvents['started'], { at, v }: PublishedEvent): SessionView {
  return {
    phase: 'live',
    title: body.title,
    ...given({ workout: body.workout }),
    started_at: at,
    exercises: body.exercises.map((exercise) =>
      begun(exercise, body.bests.find((bests) => bests.exercise === exercise.exercise), true),
    ),
    done: 0,
    total: 0,
    volume_g: 0,
    adherence: { performed: 0, prescribed: 0 },
    missed_targets: 0,
    plan_v: v,
  };
}

/** Cues with a place for one more: the first that is answered or expired by then makes it. */
function withRoom(cues: CueView[], at: Timestamp): CueView[] {
  if (cues.length < CUES_MAX) return cues;
  const over = cues.findIndex(({ acted_at, expires_at = Infinity }) => acted_at !== undefined || expires_at <= at);
  return cues.filter((_, i) => i !== over);
}

function withCue(view: SessionView, cue: Uuid, change: (held: CueView) => CueView): SessionView {
  return { ...view, cues: (view.cues ?? []).map((held) => (held.cue === cue ? change(held) : held)) };
}

function withSet(view: SessionView, set: string, change: (held: SetView) => SetView): SessionView {
  const exercises = view.exercises.map((exercise) =>
    exercise.sets.some((held) => held.set === set)
      ? { ...exercise, sets: exercise.sets.map((held) => (held.set === set ? change(held) : held)) }
      : exercise,
  );
  return { ...view, exercises };
}

/** The set as the plan has it. */
function unlogged({ set, type, target, own, prs }: SetView, status: SetStatus): SetView {
  return { set, type, ...given({ target, own }), status, ...given({ prs }) };
}

function logged(held: SetView, status: SetStatus, { at, received_at, by }: PublishedEvent): SetView {
  return { ...unlogged(held, status), at, received_at, by };
}

/**
 * Fills in what follows from the sets: estimates, progress, volume and how the plan was kept. `dropped` are the
 * prescribed sets, warm-ups apart, that the athlete took out.
 */
function derived(view: SessionView, dropped: number): SessionView {
  const exercises = view.exercises.map((exercise) => ({
    ...exercise,
    sets: exercise.sets.map(({ e1rm_g: _, ...set }) => ({ ...set, ...given({ e1rm_g: estimate(exercise, set) }) })),
  }));
  const sets = exercises.flatMap((exercise) => exercise.sets);
  return {
    ...view,
    exercises,
    done: sets.filter(({ status }) => ['performed', 'failed', 'skipped'].includes(status)).length,
    total: sets.filter((set) => set.status !== 'voided' || isPrescribed(set)).length,
    volume_g: exercises.reduce((sum, exercise) => sum + volume(exercise), 0),
    adherence: {
      performed: work(view).filter(({ status }) => status === 'performed').length,
      prescribed: work(view).length + dropped,
    },
    missed_targets: sets.filter((set) => isPrescribed(set) && isMissed(set)).length,
  };
}

/** The prescribed sets, without warm-ups. */
function work({ exercises }: SessionView): SetView[] {
  return exercises.flatMap(({ sets }) => sets).filter((set) => isPrescribed(set) && set.type !== 'warmup');
}

/** Failed, or with fewer repetitions than the least asked for. */
function isMissed({ status, target, actual }: SetView): boolean {
  const short = (actual?.reps ?? Infinity) < (target?.reps?.min ?? 0);
  return status === 'failed' || (status === 'performed' && short);
}

/** Performed sets that are not warm-ups, with 1 to 12 repetitions of an external load. */
function estimate({ load_kind }: ExerciseView, { status, type, actual }: SetView): Grams | undefined {
  const { load, reps } = actual ?? {};
  if (status !== 'performed' || type === 'warmup' || HANDS[load_kind] === 0) return undefined;
  if (load === undefined || load.g === 0 || reps === undefined || reps < 1 || reps > E1RM_REPS_MAX) return undefined;
  return epley(load.g, reps);
}

/** How often the load typed is moved; 0 where it says nothing of what is moved. */
const HANDS: Record<LoadKind, number> = {
  external: 1, per_hand: 2, stack: 1, bodyweight: 0, assisted: 0, none: 0,
};

function volume({ load_kind, sets }: ExerciseView): Grams {
  const counted = sets.filter(({ status, type }) => status === 'performed' && type !== 'warmup');
  const moved = counted.map(({ actual }) => (actual?.reps ?? 0) * (actual?.load?.g ?? 0));
  return HANDS[load_kind] * moved.reduce((sum, grams) => sum + grams, 0);
}

/** Leaves out the fields that are undefined, as the wire does. */
function given<Fields extends object>(fields: Fields): { [F in keyof Fields]?: Exclude<Fields[F], undefined> } {
  const present = Object.entries(fields).filter(([, value]) => value !== undefined);
  return Object.fromEntries(present) as { [F in keyof Fields]?: Exclude<Fields[F], undefined> };
}
