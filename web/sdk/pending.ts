/**
 * What a session will be once the commands that wait have arrived: a set logged without signal is shown at once,
 * as waiting. Pure; what the server says replaces it.
 */

import type { Kept } from './outbox';
import { applyEvent } from './session';
import type { Command, Place, PublishedEvent, SessionView, SetStatus, Shown, Timestamp, Uuid } from './types';

/** `offset` is the server's clock minus the device's; the commands are of `by`. */
export function foreseen(
  view: SessionView | undefined,
  pending: readonly Kept[],
  by: Uuid,
  offset: number,
): SessionView | undefined {
  return pending.reduce((before, { command, at }) => {
    const time = at + offset;
    return eventsOf(before, command, offset).reduce<SessionView | undefined>(
      (then, ev) => applyEvent(then, event(ev, time, by)),
      before,
    );
  }, view);
}

/** The sets that pending commands speak of. */
export function pendingSets(pending: readonly Kept[]): Set<Uuid> {
  const sets = pending.flatMap(({ command }) => {
    const body = Object.values(command)[0] as { set?: Uuid };
    return body.set ?? [];
  });
  return new Set(sets);
}

/** `received_at` is left at the time itself: what waits is not late yet. */
function event(ev: Shown, at: Timestamp, by: Uuid): PublishedEvent {
  return { v: 0, at, received_at: at, by, ev };
}

/** Only what one sees at a glance; the rest waits for the server. What has arrived already is passed over. */
function eventsOf(view: SessionView | undefined, command: Command, offset: number): Shown[] {
  if ('start' in command) {
    const { title } = command.start;
    return view === undefined && title !== undefined ? [{ started: { title, exercises: [], bests: [] } }] : [];
  }
  if (view === undefined) return [];
  if ('add' in command) {
    const known = view.exercises.some(({ instance }) => instance === command.add.exercise.instance);
    return known ? [] : [{ exercise_added: command.add }];
  }
  if ('complete' in command) {
    const { set, actual, place } = command.complete;
    return open(view, set, place).concat(statusOf(view, set) === 'performed' ? [] : { set_completed: { set, actual } });
  }
  if ('fail' in command) {
    const { set, actual, place } = command.fail;
    return open(view, set, place).concat(statusOf(view, set) === 'failed' ? [] : { set_failed: { set, actual } });
  }
  if ('skip' in command) return [{ set_skipped: command.skip }];
  if ('amend' in command) return [{ set_amended: command.amend }];
  if ('void' in command) return [{ set_voided: command.void }];
  if ('rest' in command) {
    return [{ rested: { ...command.rest, start: command.rest.start + offset, effective: true } }];
  }
  if ('pause' in command) return [{ paused: { effective: true } }];
  if ('resume' in command) return [{ resumed: { effective: true } }];
  if ('finish' in command) return [{ finished: {} }];
  if ('reopen' in command) return [{ reopened: {} }];
  if ('cue_seen' in command) return [{ cue_seen: command.cue_seen }];
  if ('cue_acted' in command) return [{ cue_acted: command.cue_acted }];
  return [];
}

/** Makes room for a set that the session does not have yet. */
function open(view: SessionView, set: Uuid, place: Place | undefined): Shown[] {
  if (place === undefined || statusOf(view, set) !== undefined) return [];
  const { type, ...movement } = place;
  const known = view.exercises.some(({ instance }) => instance === place.instance);
  const added: Shown[] = known ? [] : [{ exercise_added: { exercise: { ...movement, sets: [] } } }];
  return [...added, { set_added: { set, instance: place.instance, type } }];
}

function statusOf(view: SessionView, set: Uuid): SetStatus | undefined {
  return view.exercises.flatMap(({ sets }) => sets).find((held) => held.set === set)?.status;
}
