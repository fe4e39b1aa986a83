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

export type EntityKind = 'session' | 'room' | 'inbox';
/** `[kind, owner, id]`; the id of a room and of an inbox equals its owner. */
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

/** A movement, and the place it has in a session. */
export interface Movement {
  instance: Uuid;
  exercise: string;
  name: string;
  load_kind: LoadKind;
}

/** How somebody feels before a session, each from 1 to 5; 5 is much of it. */
export interface Readiness {
  sleep: number;
  energy: number;
  mood: number;
  soreness: number;
  stress: number;
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
  /** `place` is an index in the order; last by default. Sets are appended to an instance that is there. */
  add: { exercise: PlannedExercise; place?: number };
  /** Exactly one of `sets` and `instance` is given. */
  drop: { sets?: Uuid[]; instance?: Uuid };
  swap: { instance: Uuid; with: Movement };
  /** Those named come first, in this order; one named without `group` leaves its group. */
  reorder: { order: { instance: Uuid; group?: number }[] };
  readiness: Readiness;
  /** 0 to 10; 0 says that it is gone. */
  pain: { level: number; site: string; set?: Uuid; text?: string };
  cue: { cue: Uuid; text: string; group?: Uuid; set?: Uuid; expires_ms?: Millis };
  cue_seen: { cue: Uuid };
  cue_acted: { cue: Uuid };
  /** The whole remaining plan; sets without a log that it leaves out are withdrawn. */
  patch: { based_on: Version; exercises: PlannedExercise[] };
}
export interface RoomCommands {
  hide: { athlete: Uuid };
  show: { athlete: Uuid };
  pin: { athlete: Uuid };
  unpin: { athlete: Uuid };
  /** Not to be shown again for what happened up to version `v` of the session. */
  dismiss: { athlete: Uuid; session: Uuid; badge: Badge; v: Version };
}
export interface InboxCommands {
  message: { to: Uuid; id: Uuid; text: string; about?: Address };
  /** Everything with this person up to a version of the inbox. */
  read: { with: Uuid; through: Version };
  read_notifications: { through: Version };
}
export type Command = OneOf<SessionCommands> | OneOf<RoomCommands> | OneOf<InboxCommands>;

// Events

export type PrKind = 'heaviest' | 'rep_max' | 'e1rm';

export interface PlannedSet {
  set: Uuid;
  target: Target;
}
export interface PlannedExercise extends Movement {
  /** Exercises of one group are done in rounds: the k-th set of each is round k. */
  group?: number;
  sets: PlannedSet[];
}

export interface SessionEvents {
  started: { workout?: WorkoutRef; title: string; exercises: PlannedExercise[]; bests: Bests[] };
  /** `prescribed`: a coach asks for its sets. */
  exercise_added: { exercise: PlannedExercise; bests?: Bests; place?: number; prescribed?: boolean };
  sets_added: { instance: Uuid; sets: PlannedSet[]; prescribed?: boolean };
  /** `instance` had no sets. `withdrawn`: a coach took them out, and they are no longer prescribed. */
  sets_dropped: { sets: Uuid[]; instance?: Uuid; withdrawn?: boolean };
  /** `exercise` has the sets that moved to it. */
  exercise_swapped: { instance: Uuid; exercise: PlannedExercise; bests?: Bests };
  reordered: { order: { instance: Uuid; group?: number }[] };
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
  readiness_noted: Readiness & { score_tenths: number };
  pain_noted: { level: number; site: string; set?: Uuid; text?: string };
  cued: { cue: Uuid; text: string; group?: Uuid; set?: Uuid; expires_at?: Timestamp };
  cue_delivered: { cue: Uuid };
  cue_seen: { cue: Uuid };
  cue_acted: { cue: Uuid };
  /** `exercises` is the remaining plan; `withdrawn` are the sets it took out. */
  plan_patched: { exercises: PlannedExercise[]; withdrawn?: Uuid[]; bests?: Bests[] };
  abandoned: Bare;
}
export interface RoomEvents {
  athlete_hidden: { athlete: Uuid };
  athlete_shown: { athlete: Uuid };
  athlete_pinned: { athlete: Uuid };
  athlete_unpinned: { athlete: Uuid };
  badge_dismissed: Dismissed;
}
/** Something a user should know of; a newer server may name other kinds. */
export interface Notice {
  kind: 'linked' | 'unlinked' | 'abandoned';
  with?: Uuid;
  session?: Uuid;
}
export interface InboxEvents {
  message_sent: { to: Uuid; id: Uuid; text: string; about?: Address };
  message_received: { from: Uuid; id: Uuid; text: string; about?: Address; sent_at: Timestamp; sent_v: Version };
  messages_delivered: { through: Version };
  messages_read: { with: Uuid; through: Version };
  /** `through` is a version of this inbox: every message of mine up to it. */
  receipt_received: { with: Uuid; kind: 'delivered' | 'read'; through: Version };
  notified: { notice: Notice };
  notifications_read: { through: Version };
}
/** What a subscriber is shown of an event; `hidden` says that there was one. A newer server may send other names. */
export type Shown = OneOf<SessionEvents> | OneOf<RoomEvents> | OneOf<InboxEvents> | { hidden: Bare };

export interface PublishedEvent {
  v: Version;
  /** Its place in time. */
  at: Timestamp;
  received_at: Timestamp;
  by: Uuid;
  ev: Shown;
}

// States

export type Phase = 'planned' | 'live' | 'paused' | 'finished' | 'abandoned';
/** What became of a set. Never inferred from filled values. */
export type SetStatus = 'planned' | 'performed' | 'skipped' | 'failed' | 'voided';

export interface SetView {
  set: Uuid;
  type: SetType;
  /** Absent outside the plan. */
  target?: Target;
  /** The athlete planned it: nobody prescribed it. */
  own?: boolean;
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
  /** Exercises of one group are done in rounds. */
  group?: number;
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

export interface PainView {
  level: number;
  site: string;
  set?: Uuid;
  text?: string;
  by: Uuid;
  at: Timestamp;
}

/** How far a cue has got. */
export type CueState = 'sent' | 'delivered' | 'seen' | 'acted';

export interface CueView {
  cue: Uuid;
  text: string;
  by: Uuid;
  at: Timestamp;
  /** The same for one cue to many sessions. */
  group?: Uuid;
  set?: Uuid;
  expires_at?: Timestamp;
  delivered_at?: Timestamp;
  seen_at?: Timestamp;
  acted_at?: Timestamp;
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
  readiness?: Readiness & { score_tenths: number; at: Timestamp };
  pains?: PainView[];
  cues?: CueView[];
  /** Of the prescribed sets without warm-ups; those that the athlete dropped stay prescribed. */
  adherence: { performed: number; prescribed: number };
  /** Prescribed sets that failed, or fell short of the least repetitions. */
  missed_targets: number;
  /** The version of the last change of the plan: the least that a patch may be based on. */
  plan_v: Version;
}

export interface MessageView {
  /** Its version in this inbox. */
  v: Version;
  id: Uuid;
  /** Absent when somebody else sent it. */
  mine?: boolean;
  text: string;
  about?: Address;
  /** When it was sent. */
  at: Timestamp;
}
export interface ConversationView {
  with: Uuid;
  /** The newest, oldest first. */
  messages: MessageView[];
  /** Messages received and not read. */
  unread: number;
  /** The version up to which the owner has read. */
  read: Version;
  /** The version up to which the owner's messages reached the other side. */
  delivered_there: Version;
  read_there: Version;
}
export interface NotificationView {
  v: Version;
  notice: Notice;
  at: Timestamp;
}
export interface InboxView {
  /** The one with the newest message first. */
  conversations: ConversationView[];
  /** Newest first. */
  notifications?: NotificationView[];
  notifications_read: Version;
}

export interface Dismissed {
  athlete: Uuid;
  session: Uuid;
  badge: Badge;
  v: Version;
}
export interface RoomView {
  hidden: Uuid[];
  pinned?: Uuid[];
  dismissed?: Dismissed[];
}
export type EntityView = { session: SessionView } | { room: RoomView } | { inbox: InboxView };

// Tiles

export type Badge = 'failed' | 'overshoot' | 'missed_reps' | 'pr' | 'off_plan' | 'late' | 'stalled' | 'pain';
/** How much a tile needs the coach. */
export type Attention = 'away' | 'working' | 'resting' | 'pr' | 'stalled' | 'overshoot' | 'failed' | 'pain';

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
  /** The session's version that logged it. */
  v?: Version;
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
  /** The newest, while it lasts. */
  pain?: { level: number; site: string; at: Timestamp };
  /** The newest. */
  cue?: { cue: Uuid; group?: Uuid; state: CueState; at: Timestamp; expires_at?: Timestamp };
}

export interface Tile {
  athlete: Uuid;
  /** Absent when the server has never seen them. */
  presence?: { here: boolean; since: Timestamp };
  attention: Attention;
  since: Timestamp;
  /** Absent without a live session. */
  glance?: Glance;
  pinned?: boolean;
  /** It may not be current: the athlete's device is away while the session runs. */
  stale?: boolean;
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
export interface ShownSignal extends Signal {
  by: Uuid;
  at: Timestamp;
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
  signal: ShownSignal;
  /** You may not see it any more; nothing follows. */
  revoked: { to: Address };
  go_away: { delay_ms: Millis; reason: string };
  pong: { clock: Timestamp };
}

/** A frame out of its envelope: `kind` says what `body` is. */
export type FrameOf<Frames> = { [Kind in keyof Frames]: { kind: Kind; body: Frames[Kind] } }[keyof Frames];
export type ClientFrame = FrameOf<ClientFrames>;
export type ServerFrame = FrameOf<ServerFrames>;
