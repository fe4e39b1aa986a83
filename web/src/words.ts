/** Numbers as a coach reads them. Pure; loads are shown as they were typed. */

import type {
  Actual, Attention, Badge, Command, CueState, CueView, Effort, Fault, Grams, LastSet, Load, LoadKind, Notice, RepRange,
  SetStatus, SetType, Target, Timestamp,
} from '../sdk/types';

export type Tone = 'bad' | 'warn' | 'notice' | 'good' | 'calm';

/** A word with the tone of its colour; the word alone says it all. */
export interface Verdict {
  word: string;
  tone: Tone;
}

export const ATTENTION_WORDS: Record<Attention, string> = {
  pain: 'Pain',
  failed: 'Failed set',
  overshoot: 'Overshoot',
  stalled: 'Stalled',
  pr: 'Record',
  resting: 'Resting',
  working: 'Working',
  away: 'Not training',
};

export const BADGES: Record<Badge, Verdict> = {
  pain: { word: 'pain', tone: 'bad' },
  failed: { word: 'failed', tone: 'bad' },
  overshoot: { word: 'overshoot', tone: 'warn' },
  missed_reps: { word: 'missed reps', tone: 'warn' },
  pr: { word: 'PR', tone: 'good' },
  off_plan: { word: 'off plan', tone: 'notice' },
  late: { word: 'late', tone: 'notice' },
  stalled: { word: 'stalled', tone: 'notice' },
};

export const SET_TYPES: Record<SetType, string> = {
  warmup: 'warm-up', working: '', dropset: 'drop set', failure: 'to failure', amrap: 'AMRAP', backoff: 'back-off',
  myo: 'myo-reps', cluster: 'cluster', partial: 'partials', forced: 'forced', iso: 'isometric',
};

export const PR_WORDS = { heaviest: 'heaviest load', rep_max: 'rep max', e1rm: 'e1RM' } as const;

/** An overshoot begins here, in tenths of RPE. */
const OVERSHOOT_TENTHS = 15;

/** `140 kg`, `225 lb`, `+20 kg` on the body, `30 kg each` hand. */
export function load({ typed, unit }: Load, kind: LoadKind): string {
  const plain = `${trimmed(typed / 1000)} ${unit}`;
  if (kind === 'bodyweight') return `+${plain}`;
  if (kind === 'assisted') return `−${plain}`;
  return kind === 'per_hand' ? `${plain} each` : plain;
}

/** `140 kg × 4 @9.5`, `31 s`, `40 m`. */
export function actual(done: Actual, kind: LoadKind): string {
  const work = [
    done.load && load(done.load, kind),
    done.reps === undefined ? undefined : String(done.reps),
    length(done.metres, done.seconds),
  ];
  const side = done.side && (done.side === 'left' ? 'left' : 'right');
  return [times(work), done.effort && effort(done.effort), side].filter(Boolean).join(' ');
}

/** `140 kg × 5 @8`, `100 kg × 8+`, `3 × 5–8`. Empty when nothing is prescribed. */
export function target(asked: Target, kind: LoadKind): string {
  const work = [asked.load && load(asked.load, kind), asked.reps && reps(asked.reps), length(asked.metres, asked.seconds)];
  return [times(work), asked.effort && effort(asked.effort)].filter(Boolean).join(' ');
}

/** `@9.5` for RPE, `RIR 2` for repetitions in reserve. */
export function effort({ scale, tenths }: Effort): string {
  return scale === 'rpe' ? `@${trimmed(tenths / 10)}` : `RIR ${trimmed(tenths / 10)}`;
}

/** `5`, `5–8`, or `8+` for as many as possible. */
export function reps({ min, max }: RepRange): string {
  if (max === undefined) return `${min}+`;
  return min === max ? String(min) : `${min}–${max}`;
}

/** What became of a set beside what was asked for. */
export function verdict(set: { status: SetStatus; target?: Target; actual?: Actual }): Verdict {
  if (set.status === 'planned') return { word: 'to do', tone: 'calm' };
  if (set.status === 'skipped') return { word: 'skipped', tone: 'calm' };
  if (set.status === 'voided') return { word: 'taken back', tone: 'calm' };
  if (set.status === 'failed') return { word: 'failed', tone: 'bad' };
  const { target: asked, actual: done } = set;
  if (asked === undefined || done === undefined || !asksForMore(asked)) return { word: 'done', tone: 'calm' };

  const short = (asked.reps?.min ?? 0) - (done.reps ?? asked.reps?.min ?? 0);
  if (short > 0) return { word: `${short} short`, tone: 'warn' };
  const over = asked.effort && done.effort ? rpe(done.effort) - rpe(asked.effort) : 0;
  if (over >= OVERSHOOT_TENTHS) return { word: `+${trimmed(over / 10)} RPE`, tone: 'warn' };
  if (asked.load && done.load && done.load.g < asked.load.g) return { word: 'lighter', tone: 'notice' };
  const more = (asked.load && done.load && done.load.g > asked.load.g) || (done.reps ?? 0) > (asked.reps?.max ?? Infinity);
  return more ? { word: 'above target', tone: 'good' } : { word: 'on target', tone: 'good' };
}

/** Whether there is anything to compare a set with. */
function asksForMore({ reps: range, load: weight, effort: limit, seconds, metres }: Target): boolean {
  return [range, weight, limit, seconds, metres].some((asked) => asked !== undefined);
}

/** `set 2 of 5`, with its kind where that matters. */
export function place({ k, n, type }: Pick<LastSet, 'k' | 'n' | 'type'>): string {
  const kind = SET_TYPES[type];
  return kind === '' ? `set ${k}/${n}` : `set ${k}/${n} · ${kind}`;
}

/** `4,480 kg`, of whole grams. */
export function kilograms(grams: Grams): string {
  return `${Math.round(grams / 1000).toLocaleString('en')} kg`;
}

/** `158.7 kg`, of whole grams. */
export function estimate(grams: Grams): string {
  return `${(grams / 1000).toFixed(1)} kg`;
}

/** A length of time in microseconds, coarsely: `12 s`, `4 min`, `2 h`, `3 d`. */
export function age(micros: number): string {
  const seconds = Math.max(0, Math.floor(micros / 1_000_000));
  if (seconds < 60) return `${seconds} s`;
  if (seconds < 3_600) return `${Math.floor(seconds / 60)} min`;
  return seconds < 86_400 ? `${Math.floor(seconds / 3_600)} h` : `${Math.floor(seconds / 86_400)} d`;
}

/** What is left in microseconds as a clock: `1:32`; `+0:20` once it is over. */
export function countdown(left: number): string {
  const seconds = Math.abs(Math.ceil(left / 1_000_000));
  const clock = `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, '0')}`;
  return left < 0 && seconds > 0 ? `+${clock}` : clock;
}

/** The hour and minute where the page is read. */
export function timeOfDay(at: Timestamp): string {
  return new Date(at / 1000).toLocaleTimeString(undefined, { hour: '2-digit', minute: '2-digit', hourCycle: 'h23' });
}

/** What a command was, to somebody who gave it a while ago. */
export function commandWord(command: Command): string {
  const name = Object.keys(command)[0] ?? '';
  return COMMANDS[name] ?? name.replaceAll('_', ' ');
}

const COMMANDS: Record<string, string> = {
  complete: 'A logged set', fail: 'A failed set', skip: 'A skipped set', amend: 'A correction', void: 'A set taken back',
  note: 'A remark', start: 'The start of a session', finish: 'The end of a session', pain: 'A report of pain',
  cue: 'A cue', cue_seen: 'An answer to a cue', cue_acted: 'An answer to a cue', message: 'A message',
  patch: 'A change of plan', add: 'An added exercise', drop: 'A dropped set', readiness: 'How you feel',
};

/** Why something was refused and what to do about it. */
export function refusalText({ code, text }: Fault): string {
  return REFUSALS[code] ?? `the server refused it (${text})`;
}

const REFUSALS: Record<string, string> = {
  already_logged: 'this set is logged already; take that back first to log it anew',
  already_started: 'this session has begun already',
  closed: 'sessions are closed thirty days after their start',
  empty: 'enter repetitions, seconds or metres',
  full: 'there is no room for more here',
  no_change: 'it is so already',
  not_found: 'it is gone, or you may not do this',
  not_kept: 'this device has no room to keep it; free some space and try again',
  not_logged: 'nothing is logged for this set',
  not_on_roster: 'this athlete is not on your roster any more',
  not_running: 'this session is over; reopen it first',
  outdated: 'the plan changed in the meantime',
  queue_full: 'too much waits to be sent; connect to the gym’s network first',
  unknown_set: 'this set has left the plan',
  wrong_phase: 'the session is at another point by now',
};

/** How far a cue has got. */
export function cueState({ delivered_at, seen_at, acted_at }: CueView): CueState {
  if (acted_at !== undefined) return 'acted';
  if (seen_at !== undefined) return 'seen';
  return delivered_at === undefined ? 'sent' : 'delivered';
}

export const CUE_WORDS: Record<CueState, Verdict> = {
  sent: { word: 'sent', tone: 'calm' },
  delivered: { word: 'delivered', tone: 'calm' },
  seen: { word: 'seen', tone: 'notice' },
  acted: { word: 'acted', tone: 'good' },
};

/** What a notification says of the person or the session it names. */
export function noticeText({ kind }: Notice, name: string): string {
  const words: Record<Notice['kind'], string> = {
    linked: `You and ${name} are linked.`,
    unlinked: `You and ${name} are not linked any more.`,
    abandoned: 'A session was given up after twelve hours without a word. Finish it to put that right.',
  };
  return words[kind] ?? 'Something happened that only a newer page can show. Reload it.';
}

/** The time of day, with the date when that is another day than `now`. */
export function momentOf(at: Timestamp, now: Timestamp): string {
  const day = (micros: Timestamp): string => new Date(micros / 1000).toLocaleDateString(undefined, { day: 'numeric', month: 'short' });
  return day(at) === day(now) ? timeOfDay(at) : `${day(at)} ${timeOfDay(at)}`;
}

/** A live value as it is read: `142 bpm`, `0.42 m/s`. Empty for one this build does not know. */
export function signalText(key: string, value: number): string {
  if (key === 'heart_rate') return `${value} bpm`;
  return key === 'velocity' ? `${(value / 1000).toFixed(2)} m/s` : '';
}

function rpe({ scale, tenths }: Effort): number {
  return scale === 'rpe' ? tenths : 100 - tenths;
}

function length(metres: number | undefined, seconds: number | undefined): string | undefined {
  const parts = [metres === undefined ? '' : `${metres} m`, seconds === undefined ? '' : `${seconds} s`];
  return parts.filter(Boolean).join(' in ') || undefined;
}

function times(parts: (string | undefined)[]): string {
  return parts.filter(Boolean).join(' × ');
}

/** Up to three digits behind the point, without the zeros. */
function trimmed(value: number): string {
  return String(Number(value.toFixed(3)));
}
