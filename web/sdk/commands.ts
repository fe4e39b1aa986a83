/**
 * Commands on their way, in order for each entity, until the server has answered for good.
 *
 * The queue lives in memory, and so must the installation that counts its commands: a page that forgot its
 * numbers but kept its name would count from 1 again, and its commands would be taken for repeats. Each
 * `CommandQueue` therefore is an installation of its own.
 */

import { backoff } from './backoff';
import type { Address, Command, CommandFrame, Fault, Reply, Timestamp, Uuid, Version } from './types';
import { newUuid } from './uuid';

/** Commands waiting at once, over all entities; beyond it a command is refused with `queue_full`. */
const QUEUE_MAX = 1_000;

/** The server refused a command for good; nothing was changed. */
export class Refused extends Error {
  override name = 'Refused';
  constructor(readonly fault: Fault) {
    super(fault.text);
  }
}

export interface CommandPort {
  /** Sends a frame now; `req` is filled in and handed back. `undefined` when there is no open connection. */
  sendCommand(frame: Omit<CommandFrame, 'req'>): number | undefined;
  /** The device's clock. */
  now(): Timestamp;
  /** Anywhere in 0 to 1, one excluded. */
  chance(): number;
}

interface Waiting {
  id: Uuid;
  n: number;
  at: Timestamp;
  command: Command;
  /** The request under way, if any. */
  req?: number;
  failures: number;
  resolve: (v: Version) => void;
  reject: (error: Refused) => void;
}

/** The commands of one entity. */
interface Lane {
  to: Address;
  next: number;
  /** The last n that was accepted; what the first waiting command must follow. */
  accepted: number;
  waiting: Waiting[];
  /** Until it fires nothing is sent. */
  pause?: ReturnType<typeof setTimeout>;
}

export class CommandQueue {
  /** The installation that counts these commands. */
  readonly client: Uuid;
  #port: CommandPort;
  #lanes = new Map<string, Lane>();
  #inFlight = new Map<number, { lane: Lane; waiting: Waiting }>();
  #inFlightMax = 1;

  constructor(port: CommandPort) {
    this.#port = port;
    this.client = newUuid(port.now());
  }

  /** How many commands have no final answer yet. */
  get waiting(): number {
    return [...this.#lanes.values()].reduce((sum, lane) => sum + lane.waiting.length, 0);
  }

  /** Queues a command. Resolves with the version that holds its events; rejects with {@link Refused}. */
  push(to: Address, command: Command): Promise<Version> {
    if (this.waiting >= QUEUE_MAX) {
      const text = 'too many commands are waiting for the server';
      return Promise.reject(new Refused({ code: 'queue_full', text, kind: 'permanent' }));
    }
    const lane = this.#lane(to);
    const at = this.#port.now();
    const n = lane.next;
    lane.next += 1;
    return new Promise((resolve, reject) => {
      lane.waiting.push({ id: newUuid(at), n, at, command, failures: 0, resolve, reject });
      this.#send(lane);
    });
  }

  /** A connection is open: everything without an answer is sent again, in order. */
  connected(inFlightMax: number): void {
    this.#inFlightMax = inFlightMax;
    this.disconnected();
    for (const lane of this.#lanes.values()) this.#send(lane);
  }

  /** The connection broke: what was under way may or may not have arrived. */
  disconnected(): void {
    this.#inFlight.clear();
    for (const lane of this.#lanes.values()) {
      clearTimeout(lane.pause);
      delete lane.pause;
      for (const waiting of lane.waiting) delete waiting.req;
    }
  }

  /** Takes the answer to a command; false when the request is none of this queue's. */
  answer(reply: Reply): boolean {
    const asked = reply.req === undefined ? undefined : this.#inFlight.get(reply.req);
    if (asked === undefined || reply.req === undefined) return false;
    this.#inFlight.delete(reply.req);
    const { lane, waiting } = asked;
    const current = waiting.req === reply.req;
    if (current) delete waiting.req;
    // Accepted is accepted; a refusal counts only when it judges the latest sending.
    if (reply.error === undefined) this.#accepted(lane, waiting, reply.v ?? 0);
    else if (current && reply.error.kind === 'permanent') this.#refused(lane, waiting, reply.error);
    else if (current) this.#putOff(lane, waiting, reply.error);
    for (const other of this.#lanes.values()) this.#send(other);
    return true;
  }

  #accepted(lane: Lane, waiting: Waiting, v: Version): void {
    lane.accepted = Math.max(lane.accepted, waiting.n);
    lane.waiting = lane.waiting.filter((other) => other !== waiting);
    waiting.resolve(v);
  }

  /** Drops the command. Those behind it follow what came before it, which `#send` works out anew. */
  #refused(lane: Lane, waiting: Waiting, fault: Fault): void {
    lane.waiting = lane.waiting.filter((other) => other !== waiting);
    waiting.reject(new Refused(fault));
  }

  /** Sends everything again later, or at once when the server names what it has and that is news. */
  #putOff(lane: Lane, waiting: Waiting, fault: Fault): void {
    waiting.failures += 1;
    for (const other of lane.waiting) delete other.req;
    // A server that forgot this installation names less than was accepted: go on from there.
    if (fault.highest !== undefined) lane.accepted = Math.min(lane.accepted, fault.highest);
    const atOnce = fault.code === 'out_of_order' && waiting.failures === 1;
    const wait = atOnce ? 0 : (fault.retry_after_ms ?? backoff(waiting.failures, this.#port.chance()));
    clearTimeout(lane.pause);
    lane.pause = setTimeout(() => {
      delete lane.pause;
      this.#send(lane);
    }, wait);
  }

  #send(lane: Lane): void {
    if (lane.pause !== undefined) return;
    let after = lane.accepted;
    for (const waiting of lane.waiting) {
      if (waiting.req === undefined) {
        if (this.#inFlight.size >= this.#inFlightMax) return;
        const { id, n, at, command } = waiting;
        // A number is never followed by itself: a repeat of what was accepted follows nothing.
        const follows = after > 0 && after < n ? { after } : {};
        const frame = { id, client: this.client, n, ...follows, at, to: lane.to, do: command };
        const req = this.#port.sendCommand(frame);
        if (req === undefined) return;
        waiting.req = req;
        this.#inFlight.set(req, { lane, waiting });
      }
      after = waiting.n;
    }
  }

  #lane(to: Address): Lane {
    const key = to.join('/');
    const lane = this.#lanes.get(key) ?? { to, next: 1, accepted: 0, waiting: [] };
    this.#lanes.set(key, lane);
    return lane;
  }
}
