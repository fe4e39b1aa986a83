/**
 * Everything that travels, as it reads after decoding: the twin of the protocol crate's types, with the same
 * names. Ids are text in both codecs here; `codec.ts` turns them into bytes for MessagePack.
 * An absent optional field means what its comment says and is never null.
 */

/** A UUID, lowercase with hyphens. */
export type Uuid = string;
/** Whole microseconds since 1970 UTC; exact until the year 2255. */
export type Timestamp = number;
/** Whole milliseconds. */
export type Millis = number;
/** Whole grams. */
export type Grams = number;
/** Place of an event in one entity's journal, from 1; 0 is an entity without events. */
export type Version = number;

/** A map of exactly one name to its body: how commands and events are written. */
export type OneOf<Bodies> = { [Name in keyof Bodies]: { [N in Name]: Bodies[Name] } }[keyof Bodies];
/** A body without fields. */
export type Bare = Record<string, never>;

export type EntityKind = 'session' | 'room';
/** `[kind, owner, id]`; a room's id equals its owner. */
export type Address = readonly [kind: EntityKind, owner: Uuid, id: Uuid];

export type Role = 'athlete' | 'coach' | 'gym_owner' | 'admin';
export type LinkPermission = 'view_sessions' | 'message' | 'log_sets' | 'edit_plans' | 'edit_goals';
/** What a subscriber sees of an entity. */
export type View = 'athlete' | 'coach' | 'tv' | 'operator';

// Quantities

/** A load as it was typed: `typed` thousandths of `unit`, and the same in whole grams. */
export interface Load {
  typed: number;
  unit: 'kg' | 'lb';
  /** Computed by the server; ignored when sent. */
  g: Grams;
}
/** `min` to `max` repetitions; without `max`, as many as possible. */
export interface RepRange {
  min: number;
  max?: number;
}
/** How hard a set was: tenths, in half steps, on the scale it was given on. RIR 2 is RPE 8. */
export interface Effort {
  scale: 'rpe' | 'rir';
  tenths: number;
}
export type SetType =
  | 'warmup' | 'working' | 'dropset' | 'failure' | 'amrap' | 'backoff'
  | 'myo' | 'cluster' | 'partial' | 'forced' | 'iso';
/** What the number on the load means. */
export type LoadKind = 'external' | 'per_hand' | 'bodyweight' | 'assisted' | 'stack' | 'none';

/** What was done in a set. Absent is not recorded. */
export interface Actual {
  load?: Load;
  reps?: number;
  seconds?: number;
  metres?: number;
  effort?: Effort;
  side?: 'left' | 'right';
}

/** What a set asks for. Absent is unprescribed. */
export interface Target {
  type: SetType;
  reps?: RepRange;
  load?: Load;
  /** Effort not to exceed. */
  effort?: Effort;
  seconds?: number;
  metres?: number;
  rest_ms?: Millis;
}

export interface WorkoutRef {
  id: Uuid;
  /** From 1; the content of a revision never changes. */
  revision: number;
}

/** An athlete's bests in one exercise before a session. */
export interface Bests {
  exercise: string;
  heaviest?: Grams;
  e1rm?: Grams;
  /** `rep_max[r - 1]` is the heaviest load for at least `r` repetitions. */
  rep_max?: Grams[];
}

// Commands

/** Where a set belongs that the plan does not have. */
export interface Place {
  instance: Uuid;
  exercise: string;
  name: string;
  load_kind: LoadKind;
  type: SetType;
}

export interface SessionCommands {
  /** Exactly one of `workout` and `title` is given. */
  start: { workout?: WorkoutRef; title?: string };
  complete: { set: Uuid; actual: Actual; place?: Place };
  skip: { set: Uuid; reason?: string };
  fail: { set: Uuid; actual: Actual; place?: Place };
  amend: { set: Uuid; actual: Actual; reason?: string };
  void: { set: Uuid; reason?: string };
  note: { set?: Uuid; text: string };
  rest: { after?: Uuid; start: Timestamp; duration_ms: Millis };
  pause: Bare;
  resume: Bare;
  finish: Bare;
  reopen: Bare;
}
export interface RoomCommands {
  hide: { athlete: Uuid };
  show: { athlete: Uuid };
}
export type Command = OneOf<SessionCommands> | OneOf<RoomCommands>;

// Events

export type PrKind = 'heaviest' | 'rep_max' | 'e1rm';

export interface PlannedExercise {
  instance: Uuid;
  exercise: string;
  name: string;
  load_kind: LoadKind;
  sets: { set: Uuid; target: Target }[];
}

export interface SessionEvents {
  started: { workout?: WorkoutRef; title: string; exercises: PlannedExercise[]; bests: Bests[] };
  exercise_added: { exercise: PlannedExercise; bests?: Bests };
  set_added: { set: Uuid; instance: Uuid; type: SetType };
  set_completed: { set: Uuid; actual: Actual };
  set_failed: { set: Uuid; actual: Actual };
  set_skipped: { set: Uuid; reason?: string };
  set_amended: { set: Uuid; actual: Actual; reason?: string };
  set_voided: { set: Uuid; reason?: string };
  noted: { set?: Uuid; text: string };
  /** `effective` is false when it came after a later change of phase and is only recorded. */
  rested: { after?: Uuid; start: Timestamp; duration_ms: Millis; effective: boolean };
  paused: { effective: boolean };
  resumed: { effective: boolean };
  finished: Bare;
  reopened: Bare;
  pr: { set: Uuid; exercise: string; record: PrKind; g: Grams; previous_g: Grams };
  pr_withdrawn: { set: Uuid; record: PrKind };
}
export interface RoomEvents {
  athlete_hidden: { athlete: Uuid };
  athlete_shown: { athlete: Uuid };
}
/** What a subscriber is shown of an event; `hidden` says that there was one. A newer server may send other names. */
export type Shown = OneOf<SessionEvents> | OneOf<RoomEvents> | { hidden: Bare };

export interface PublishedEvent {
  v: Version;
  /** Its place in time. */
  at: Timestamp;
  received_at: Timestamp;
  by: Uuid;
  ev: Shown;
}

// States

export type Phase = 'planned' | 'live' | 'paused' | 'finished';
/** What became of a set. Never inferred from filled values. */
export type SetStatus = 'planned' | 'performed' | 'skipped' | 'failed' | 'voided';

export interface SetView {
  set: Uuid;
  type: SetType;
  /** Absent outside the plan. */
  target?: Target;
  status: SetStatus;
  /** While it is performed or failed. */
  actual?: Actual;
  at?: Timestamp;
  received_at?: Timestamp;
  by?: Uuid;
  /** Epley; of 11 and 12 repetitions it is rough. */
  e1rm_g?: Grams;
  prs?: PrKind[];
  amended?: boolean;
  /** Why it was skipped, amended or voided, as last said. */
  reason?: string;
}

export interface ExerciseView {
  instance: Uuid;
  exercise: string;
  name: string;
  load_kind: LoadKind;
  bests?: Bests;
  sets: SetView[];
}

export interface RestView {
  after?: Uuid;
  start: Timestamp;
  duration_ms: Millis;
}

export interface NoteView {
  set?: Uuid;
  text: string;
  by: Uuid;
  at: Timestamp;
}

export interface SessionView {
  phase: Phase;
  title: string;
  workout?: WorkoutRef;
  started_at: Timestamp;
  finished_at?: Timestamp;
  rest?: RestView;
  exercises: ExerciseView[];
  notes?: NoteView[];
  /** Sets performed, failed or skipped. */
  done: number;
  /** Sets in all, without voided sets outside the plan. */
  total: number;
  volume_g: Grams;
}

export interface RoomView {
  hidden: Uuid[];
}
export type EntityView = { session: SessionView } | { room: RoomView };

// Tiles

export type Badge = 'failed' | 'overshoot' | 'missed_reps' | 'pr' | 'off_plan' | 'late' | 'stalled';
/** How much a tile needs the coach. */
export type Attention = 'away' | 'working' | 'resting' | 'pr' | 'stalled' | 'overshoot' | 'failed';

export interface LastSet {
  exercise: string;
  /** Its place among that exercise's sets, from 1. */
  k: number;
  n: number;
  type: SetType;
  load_kind: LoadKind;
  status: SetStatus;
  target?: Target;
  actual: Actual;
  at: Timestamp;
}

/** A session at a glance, at version `v`. */
export interface Glance {
  session: Uuid;
  v: Version;
  title: string;
  phase: Phase;
  started_at: Timestamp;
  active_at: Timestamp;
  done: number;
  total: number;
  last?: LastSet;
  rest?: { start: Timestamp; duration_ms: Millis };
  badges?: Badge[];
}

export interface Tile {
  athlete: Uuid;
  /** Absent when the server has never seen them. */
  presence?: { here: boolean; since: Timestamp };
  attention: Attention;
  since: Timestamp;
  /** Absent without a live session. */
  glance?: Glance;
}

// Frames

export interface Limits {
  frame_bytes: number;
  commands_per_s: number;
  commands_burst: number;
  in_flight: number;
  subscriptions: number;
  /** A client sends something at least this often, and may expect the same of the server. */
  heartbeat_ms: Millis;
}

/** Why something was refused. */
export interface Fault {
  code: string;
  text: string;
  kind: 'temporary' | 'permanent';
  retry_after_ms?: Millis;
  /** With `out_of_order`: the highest number accepted. */
  highest?: number;
  head?: Version;
}

export interface Hello {
  token: string;
  client: Uuid;
  clock: Timestamp;
  features?: string[];
  /** The incarnation the client's versions are from. */
  incarnation?: Uuid;
}
export interface CommandFrame {
  req: number;
  /** The same in every repeat. */
  id: Uuid;
  client: Uuid;
  /** Counts from 1 by client and entity. */
  n: number;
  /** The `n` it must follow; absent for none. */
  after?: number;
  at: Timestamp;
  to: Address;
  do: Command;
}
export interface Subscribe {
  req: number;
  to: Address;
  since?: Version;
  view?: View;
}
export interface Signal {
  to: Address;
  key: string;
  value: number;
}
export interface Welcome {
  user: Uuid;
  gym: Uuid;
  role: Role;
  /** Versions of another incarnation mean nothing here. */
  incarnation: Uuid;
  clock: Timestamp;
  limits: Limits;
  sessions: { session: Uuid; v: Version }[];
}
/** `v` on success, `error` otherwise. */
export interface Reply {
  req?: number;
  v?: Version;
  repeat?: boolean;
  error?: Fault;
}
export interface SnapshotFrame {
  to: Address;
  v: Version;
  view: View;
  state: EntityView;
}
export interface EventsFrame {
  to: Address;
  events: PublishedEvent[];
}
export interface TilesFrame {
  to: Address;
  activation: Uuid;
  /** Grows within an activation. */
  tick: number;
  /** True when the tiles are all there are. */
  full: boolean;
  tiles: Tile[];
  gone?: Uuid[];
}

export interface ClientFrames {
  hello: Hello;
  command: CommandFrame;
  subscribe: Subscribe;
  unsubscribe: { req: number; to: Address };
  signal: Signal;
  ack: { seen: [Address, Version][] };
  token: { req: number; token: string };
  ping: { clock: Timestamp };
}
export interface ServerFrames {
  welcome: Welcome;
  reply: Reply;
  snapshot: SnapshotFrame;
  events: EventsFrame;
  tiles: TilesFrame;
  signal: Signal;
  go_away: { delay_ms: Millis; reason: string };
  pong: { clock: Timestamp };
}

/** A frame out of its envelope: `kind` says what `body` is. */
export type FrameOf<Frames> = { [Kind in keyof Frames]: { kind: Kind; body: Frames[Kind] } }[keyof Frames];
export type ClientFrame = FrameOf<ClientFrames>;
export type ServerFrame = FrameOf<ServerFrames>;
