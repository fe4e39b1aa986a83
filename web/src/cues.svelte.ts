/** The cues that this page has sent, and how far each has got. */

import { CUE_STATES, type CueTarget, cueOnTile, cuesFor, furthest } from '../sdk/cue';
import type { CueState, Tile, Uuid } from '../sdk/types';
import type { Live } from './live.svelte';

/** Cues remembered, to one athlete or many; the oldest is forgotten first. */
const SENT_MAX = 5;

/** How a cue fares with one athlete: on its way to the server, a state of its own, or refused with a reason. */
export type Receipt = { athlete: Uuid; cue: Uuid; state: CueState | 'sending'; refusal?: string };

export interface SentCue {
  id: Uuid;
  text: string;
  receipts: readonly Receipt[];
}

export class CueDesk {
  /** Newest first. */
  sent = $state.raw<readonly SentCue[]>([]);
  #live: Live;

  constructor(live: Live) {
    this.#live = live;
  }

  /** Sends a cue to every target; each answers for itself. */
  send(targets: readonly CueTarget[], text: string, expiresMs?: number): void {
    const outgoing = cuesFor(targets, text, this.#live.connection.now(), expiresMs);
    const first = outgoing[0];
    if (first === undefined) return;
    const id = first.command.cue.group ?? first.command.cue.cue;
    const receipts = outgoing.map(({ athlete, command }): Receipt => ({ athlete, cue: command.cue.cue, state: 'sending' }));
    this.sent = [{ id, text, receipts }, ...this.sent].slice(0, SENT_MAX);
    for (const { to, command } of outgoing) {
      void this.#live.command(to, command).then((refusal) =>
        this.#change(command.cue.cue, (receipt) => ({
          ...receipt,
          ...(receipt.state === 'sending' ? { state: 'sent' } : {}),
          ...(refusal === undefined ? {} : { refusal }),
        })),
      );
    }
  }

  /** Takes the receipts that tiles show. */
  observe(tiles: Iterable<Tile>): void {
    const shown = new Map([...tiles].map((tile) => [tile.athlete, tile]));
    for (const { receipts } of this.sent) {
      for (const { athlete, cue, state } of receipts) {
        const now = cueOnTile(shown.get(athlete), cue);
        if (now !== undefined && now !== state) this.#moved(cue, now);
      }
    }
  }

  #moved(cue: Uuid, state: CueState): void {
    this.#change(cue, (receipt) => ({
      ...receipt, state: receipt.state === 'sending' ? state : furthest(receipt.state, state),
    }));
  }

  #change(cue: Uuid, change: (receipt: Receipt) => Receipt): void {
    this.sent = this.sent.map((sent) =>
      sent.receipts.some((receipt) => receipt.cue === cue)
        ? { ...sent, receipts: sent.receipts.map((receipt) => (receipt.cue === cue ? change(receipt) : receipt)) }
        : sent,
    );
  }
}

/** How many receipts have got exactly so far, refusals apart. */
export function counted(receipts: readonly Receipt[]): { state: Receipt['state'] | 'refused'; count: number }[] {
  const states = [...CUE_STATES, 'sending', 'refused'] as const;
  const of = (receipt: Receipt): Receipt['state'] | 'refused' => (receipt.refusal === undefined ? receipt.state : 'refused');
  return states
    .map((state) => ({ state, count: receipts.filter((receipt) => of(receipt) === state).length }))
    .filter(({ count }) => count > 0);
}
