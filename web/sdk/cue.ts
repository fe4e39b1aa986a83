/** One cue to one athlete or to many: a command for each session, tied together by a group. Pure but for ids. */

import type { Address, CueState, SessionCommands, Tile, Timestamp, Uuid } from './types';
import { newUuid } from './uuid';

/** A running session, by whose it is. */
export interface CueTarget {
  athlete: Uuid;
  session: Uuid;
}

export interface OutgoingCue extends CueTarget {
  to: Address;
  command: { cue: SessionCommands['cue'] };
}

/** What goes out when `text` is said to `targets`; it expires `expiresMs` after it was said, if given. */
export function cuesFor(targets: readonly CueTarget[], text: string, now: Timestamp, expiresMs?: number): OutgoingCue[] {
  const group = targets.length > 1 ? { group: newUuid(now) } : {};
  const expires = expiresMs === undefined ? {} : { expires_ms: expiresMs };
  return targets.map(({ athlete, session }) => ({
    athlete,
    session,
    to: ['session', athlete, session],
    command: { cue: { cue: newUuid(now), text, ...group, ...expires } },
  }));
}

/** A cue's way, shortest first. */
export const CUE_STATES: readonly CueState[] = ['sent', 'delivered', 'seen', 'acted'];

/** The later of two states of one cue: tiles may show an earlier one after a later one was seen. */
export function furthest(a: CueState, b: CueState): CueState {
  return CUE_STATES.indexOf(a) > CUE_STATES.indexOf(b) ? a : b;
}

/** How far the cue `id` has got by these tiles, which show each athlete's newest one. */
export function cueOnTile(tile: Tile | undefined, id: Uuid): CueState | undefined {
  const cue = tile?.glance?.cue;
  return cue?.cue === id ? cue.state : undefined;
}
