/**
 * Commands on their way, in order for each entity, until the server has answered for good. They wait in an
 * {@link Outbox}; this sends them, again if need be, and tells whoever waits what became of them.
 */

import { backoff } from './backoff';
import { Full, type Kept, type Lane, MemoryOutbox, type Outbox } from './outbox';
import type { Address, Command, CommandFrame, Fault, Reply, Timestamp, Uuid, Version } from './types';
import { newUuid } from './uuid';

/** How long another tab is given to send what it has put into the outbox. */
const STRAY_MS = 5_000;

/** The server refused a command for good; nothing was changed. Or this device could not keep it: `queue_full`, `not_kept`. */
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
  /** What waits is not what it was. */
  changed?(): void;
  /** A command was refused that nobody waits for any more: it was given on an earlier page. */
  refusedLater?(kept: Kept, fault: Fault): void;
}

/** What this page knows of a command. */
interface Sending {
  /** The request under way, if any. */
  req?: number;
  /** It is answered for good; the outbox is being told. */
  settled?: boolean;
  failures: number;
  resolve?: (v: Version) => void;
  reject?: (error: Refused) => void;
}

type Held = Lane & {
  /** Until it fires nothing is sent. */
  pause?: ReturnType<typeof setTimeout>;
  /** Changes the outbox is being told of that what follows must not overtake. */
  holds: number;
};

export class CommandQueue {
  #port: CommandPort;
  #open: () => Promise<Outbox>;
  #opened: Promise<Outbox> | undefined;
  #outbox: Outbox | undefined;
  #lanes = new Map<string, Held>();
  #sending = new Map<Uuid, Sending>();
  #inFlight = new Map<number, { lane: Held; kept: Kept }>();
  #inFlightMax = 0;
  #stray: ReturnType<typeof setTimeout> | undefined;

  /** `open` is called once, when the outbox is first needed; by default it is in memory. */
  constructor(port: CommandPort, open: () => Promise<Outbox> = async () => new MemoryOutbox(port.now())) {
    this.#port = port;
    this.#open = open;
  }

  /** The installation that counts these commands. */
  async client(): Promise<Uuid> {
    return (await this.#ready()).client;
  }

  /** Whether commands outlive the page; `undefined` until the outbox has been opened. */
  get durable(): boolean | undefined {
    return this.#outbox?.durable;
  }

  /** How many commands have no final answer yet. */
  get waiting(): number {
    return [...this.#lanes.values()].reduce((sum, { kept }) => sum + kept.length, 0);
  }

  /** What waits for an entity, in order. */
  pending(to: Address): readonly Kept[] {
    return this.#lanes.get(to.join('/'))?.kept ?? [];
  }

  /**
   * Keeps a command, then sends it. Resolves with the version that holds its events, or 0 when another tab was
   * given the answer; rejects with {@link Refused}.
   */
  async push(to: Address, command: Command): Promise<Version> {
    const at = this.#port.now();
    // A copy: whoever gave it may go on changing theirs.
    const draft = { id: newUuid(at), to, at, command: JSON.parse(JSON.stringify(command)) as Command };
    const outbox = await this.#ready();
    return new Promise((resolve, reject) => {
      this.#sending.set(draft.id, { failures: 0, resolve, reject });
      outbox.add(draft).then(
        (lane) => this.#adopt(lane),
        (error: unknown) => {
          this.#sending.delete(draft.id);
          reject(new Refused(notKept(error)));
        },
      );
    });
  }

  /** A connection is open: everything without an answer is sent again, in order. */
  async connected(inFlightMax: number): Promise<void> {
    this.disconnected();
    await this.#ready();
    this.#inFlightMax = inFlightMax;
    await this.#reload();
  }

  /** The connection broke: what was under way may or may not have arrived. */
  disconnected(): void {
    this.#inFlightMax = 0;
    this.#inFlight.clear();
    for (const lane of this.#lanes.values()) {
      clearTimeout(lane.pause);
      delete lane.pause;
    }
    for (const sending of this.#sending.values()) delete sending.req;
  }

  /** Takes the answer to a command; false when the request is none of this queue's. */
  answer(reply: Reply): boolean {
    const asked = reply.req === undefined ? undefined : this.#inFlight.get(reply.req);
    if (asked === undefined || reply.req === undefined) return false;
    this.#inFlight.delete(reply.req);
    const { lane, kept } = asked;
    const sending = this.#sending.get(kept.id);
    const current = sending?.req === reply.req;
    if (current) delete sending?.req;
    if (sending === undefined || sending.settled) return true;
    // Accepted is accepted; a refusal counts only when it judges the latest sending.
    if (reply.error === undefined) void this.#accepted(kept, sending, reply.v ?? 0);
    else if (current && reply.error.kind === 'permanent') void this.#refused(lane, kept, sending, reply.error);
    else if (current) void this.#putOff(lane, sending, reply.error);
    for (const other of this.#lanes.values()) this.#send(other);
    return true;
  }

  #ready(): Promise<Outbox> {
    this.#opened ??= this.#open().then((outbox) => {
      this.#outbox = outbox;
      outbox.onForeign = () => {
        this.#stray ??= setTimeout(() => {
          this.#stray = undefined;
          void this.#reload();
        }, STRAY_MS);
      };
      return outbox;
    });
    return this.#opened;
  }

  async #accepted(kept: Kept, sending: Sending, v: Version): Promise<void> {
    sending.settled = true;
    sending.resolve?.(v);
    await this.#tell(kept, (outbox) => outbox.accepted(kept));
  }

  /** Drops the command. Those behind it follow what came before it, which `#send` works out anew. */
  async #refused(lane: Held, kept: Kept, sending: Sending, fault: Fault): Promise<void> {
    sending.settled = true;
    lane.holds += 1;
    if (sending.reject === undefined) this.#port.refusedLater?.(kept, fault);
    else sending.reject(new Refused(fault));
    try {
      await this.#tell(kept, (outbox) => outbox.refused(kept));
    } finally {
      lane.holds -= 1;
      this.#send(lane);
    }
  }

  /** Tells the outbox what became of a command; if it cannot write, a later page sends it again and is told the same. */
  async #tell(kept: Kept, change: (outbox: Outbox) => Promise<Lane>): Promise<void> {
    try {
      const lane = await change(await this.#ready());
      this.#sending.delete(kept.id);
      this.#adopt(lane);
    } catch (error) {
      console.warn('the outbox could not be told of an answer', error);
      const lane = this.#lane(kept.to);
      this.#adopt({ to: lane.to, accepted: lane.accepted, kept: lane.kept.filter(({ id }) => id !== kept.id) });
    }
  }

  /** Sends everything again later, or at once when the server names what it has and that is news. */
  async #putOff(lane: Held, sending: Sending, fault: Fault): Promise<void> {
    sending.failures += 1;
    for (const kept of lane.kept) delete this.#of(kept).req;
    // A server that forgot this installation names less than was accepted: go on from there. And what is
    // missing may have been put in by another tab.
    if (fault.highest !== undefined) await this.#rewind(lane, fault.highest);
    const atOnce = fault.code === 'out_of_order' && sending.failures === 1;
    const wait = atOnce ? 0 : (fault.retry_after_ms ?? backoff(sending.failures, this.#port.chance()));
    clearTimeout(lane.pause);
    lane.pause = setTimeout(() => {
      delete lane.pause;
      this.#send(lane);
    }, wait);
  }

  async #rewind(lane: Held, highest: number): Promise<void> {
    lane.holds += 1;
    try {
      this.#adopt(await (await this.#ready()).rewind(lane.to, highest));
    } catch (error) {
      console.warn('the outbox could not be rewound', error);
      lane.accepted = Math.min(lane.accepted, highest);
    } finally {
      lane.holds -= 1;
    }
  }

  /** Takes up what waits in the outbox; this page may not know of it yet. */
  async #reload(): Promise<void> {
    try {
      const lanes = await (await this.#ready()).lanes();
      for (const [entity, { to, accepted }] of this.#lanes) {
        if (!lanes.some((lane) => lane.to.join('/') === entity)) this.#adopt({ to, accepted, kept: [] });
      }
      for (const lane of lanes) this.#adopt(lane);
    } catch (error) {
      console.warn('the outbox could not be read', error);
      for (const lane of this.#lanes.values()) this.#send(lane);
    }
  }

  /** Takes over what the outbox says, and sends what can be sent. */
  #adopt({ to, accepted, kept }: Lane): void {
    const lane = this.#lane(to);
    const gone = lane.kept.filter(({ id }) => !kept.some((still) => still.id === id));
    for (const { id } of gone) this.#settledElsewhere(id);
    lane.accepted = accepted;
    lane.kept = kept;
    this.#port.changed?.();
    this.#send(lane);
  }

  /** Another tab was given the answer; a refusal is shown there. */
  #settledElsewhere(id: Uuid): void {
    const sending = this.#sending.get(id);
    this.#sending.delete(id);
    if (sending?.settled !== true) sending?.resolve?.(0);
  }

  #send(lane: Held): void {
    if (lane.pause !== undefined || lane.holds > 0 || this.#outbox === undefined) return;
    let after = lane.accepted;
    for (const kept of lane.kept) {
      const sending = this.#of(kept);
      if (sending.req === undefined && !sending.settled) {
        if (this.#inFlight.size >= this.#inFlightMax) return;
        const { id, n, at, to, command } = kept;
        // A number is never followed by itself: a repeat of what was accepted follows nothing.
        const follows = after > 0 && after < n ? { after } : {};
        const req = this.#port.sendCommand({ id, client: this.#outbox.client, n, ...follows, at, to, do: command });
        if (req === undefined) return;
        sending.req = req;
        this.#inFlight.set(req, { lane, kept });
      }
      after = kept.n;
    }
  }

  #of({ id }: Kept): Sending {
    const sending = this.#sending.get(id) ?? { failures: 0 };
    this.#sending.set(id, sending);
    return sending;
  }

  #lane(to: Address): Held {
    const entity = to.join('/');
    const lane = this.#lanes.get(entity) ?? { to, accepted: 0, kept: [], holds: 0 };
    this.#lanes.set(entity, lane);
    return lane;
  }
}

function notKept(error: unknown): Fault {
  const code = error instanceof Full ? 'queue_full' : 'not_kept';
  const text = error instanceof Full ? error.message : 'this device could not keep it: free some space and try again';
  return { code, text, kind: 'permanent' };
}
