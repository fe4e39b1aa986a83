/**
 * Tells the server how far this page has got with what belongs to its user: sessions and inbox. A cue or a
 * message counts as delivered by that.
 */

import type { Address, Uuid, Version } from './types';

/** Acknowledgements are sent no more often than this. */
const EVERY_MS = 1_000;
/** Entities named in one frame; the rest follow in the next. */
const ACK_MAX = 64;

export interface AckPort {
  ack(seen: [Address, Version][]): void;
  /** Calls `then` after `wait` milliseconds, unless the connection ends first. */
  later(then: () => void, wait: number): void;
}

export class Acks {
  #port: AckPort;
  #user: Uuid | undefined;
  #seen = new Map<string, [Address, Version]>();
  /** A frame was sent less than {@link EVERY_MS} ago. */
  #resting = false;

  constructor(port: AckPort) {
    this.#port = port;
  }

  /** A connection of this user is open. What the last one had not told is told anew as subscriptions go on. */
  connected(user: Uuid): void {
    this.#user = user;
    this.#seen.clear();
    this.#resting = false;
  }

  /** The page has been told everything up to `v`. */
  seen(to: Address, v: Version): void {
    if (to[1] !== this.#user || to[0] === 'room' || v === 0) return;
    this.#seen.set(to.join('/'), [to, v]);
    if (!this.#resting) this.#tell();
  }

  #tell(): void {
    const seen = [...this.#seen].slice(0, ACK_MAX);
    this.#resting = seen.length > 0;
    if (seen.length === 0) return;
    for (const [entity] of seen) this.#seen.delete(entity);
    this.#port.ack(seen.map(([, entry]) => entry));
    this.#port.later(() => this.#tell(), EVERY_MS);
  }
}
