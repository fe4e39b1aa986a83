/**
 * Where commands wait until the server has answered for good: kept on this device, so that what was logged
 * without signal survives the page, the browser and the battery.
 *
 * All tabs of one browser share one installation and one outbox. The transaction that stores a command also
 * takes its number, and the browser runs such transactions one after another: no number is used twice, in
 * however many tabs. Any tab may send what is stored, because a command sent twice is one command: the server
 * knows it by its number. So no tab has to lead, none can be asleep while it leads, and it works where a page
 * has no locks (plain HTTP in a gym's own network).
 *
 * What a command must follow is not stored beside it: it is the one kept before it, or the last one accepted.
 * A refused command is taken out, and the next one follows its predecessor by that alone.
 */

import { type DBSchema, type IDBPDatabase, type IDBPObjectStore, openDB } from 'idb';
import type { Address, Command, Timestamp, Uuid } from './types';
import { newUuid } from './uuid';

/** Commands kept at once, over all entities; beyond it a new one is refused with `queue_full`. */
export const OUTBOX_MAX = 1_000;
/** A browser that has not opened its database by then is taken for one that keeps nothing: some never answer. */
const OPEN_TIMEOUT_MS = 5_000;
/** A session takes no command after thirty days; then its numbers need not be remembered, in microseconds. */
const LANE_KEPT_US = 31 * 86_400_000_000;

/** A command as it was given. */
export interface Draft {
  id: Uuid;
  to: Address;
  /** When it happened, by the device's clock. */
  at: Timestamp;
  command: Command;
}

/** A command that waits, with its number among those of this installation for its entity. */
export interface Kept extends Draft {
  n: number;
}

/** What waits for one entity, in order. */
export interface Lane {
  to: Address;
  /** The last number the server accepted; 0 for none. */
  accepted: number;
  kept: Kept[];
}

/** Every change is complete, or has not happened, and answers what then waits for the entity. */
export interface Outbox {
  /** The installation that counts these commands. */
  readonly client: Uuid;
  /** Whether it outlives the page. */
  readonly durable: boolean;
  /** Told when another tab has put something in. */
  onForeign: () => void;
  /** Numbers and keeps a command. Throws {@link Full}, or what the store says when it cannot write. */
  add(draft: Draft): Promise<Lane>;
  /** The server has accepted it: takes it out. */
  accepted(kept: Kept): Promise<Lane>;
  /** The server has refused it for good: takes it out, as if it had not been. */
  refused(kept: Kept): Promise<Lane>;
  /** The server remembers numbers up to `highest`: goes on from there if more was thought accepted. */
  rewind(to: Address, highest: number): Promise<Lane>;
  /** Every entity for which something waits. */
  lanes(): Promise<Lane[]>;
}

/** {@link OUTBOX_MAX} commands wait. */
export class Full extends Error {
  override name = 'Full';
}

interface Counter {
  next: number;
  accepted: number;
  usedAt: Timestamp;
}

interface Tables extends DBSchema {
  installation: { key: 'client'; value: Uuid };
  counters: { key: string; value: Counter };
  commands: { key: [entity: string, n: number]; value: Kept & { entity: string; client: Uuid } };
}

/** The outbox of a user on this device; in memory where the browser keeps nothing for pages. */
export async function openOutbox(user: Uuid, now: Timestamp): Promise<Outbox> {
  const stored = StoredOutbox.open(user, now);
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      reject(new Error('the database does not open'));
      stored.then((outbox) => outbox.close(), () => {});
    }, OPEN_TIMEOUT_MS);
  });
  try {
    return await Promise.race([stored, late]);
  } catch (error) {
    console.warn('commands are kept in memory only', error);
    return new MemoryOutbox(now);
  } finally {
    clearTimeout(timer);
  }
}

/** In IndexedDB, one database for each user: nobody sends what somebody else logged. */
export class StoredOutbox implements Outbox {
  readonly durable = true;
  onForeign: () => void = () => {};
  #tables: IDBPDatabase<Tables>;
  #tabs: BroadcastChannel;

  private constructor(readonly client: Uuid, tables: IDBPDatabase<Tables>, name: string) {
    this.#tables = tables;
    this.#tabs = new BroadcastChannel(name);
    this.#tabs.onmessage = () => this.onForeign();
  }

  static async open(user: Uuid, now: Timestamp): Promise<StoredOutbox> {
    const name = `spotter.outbox.${user}`;
    const tables = await openDB<Tables>(name, 1, {
      upgrade(fresh) {
        fresh.createObjectStore('installation');
        fresh.createObjectStore('counters');
        fresh.createObjectStore('commands', { keyPath: ['entity', 'n'] });
      },
    });
    const change = tables.transaction(['installation', 'counters', 'commands'], 'readwrite', { durability: 'strict' });
    const installation = change.objectStore('installation');
    const client = (await installation.get('client')) ?? newUuid(now);
    await installation.put(client, 'client');
    let counter = await change.objectStore('counters').openCursor();
    while (counter !== null) {
      const old = counter.key.startsWith('session/') && now - counter.value.usedAt > LANE_KEPT_US;
      if (old && (await change.objectStore('commands').count(within(counter.key))) === 0) await counter.delete();
      counter = await counter.continue();
    }
    await change.done;
    return new StoredOutbox(client, tables, name);
  }

  async add(draft: Draft): Promise<Lane> {
    const lane = await this.#change(draft.to, async (counter, commands, entity) => {
      if ((await commands.count()) >= OUTBOX_MAX) throw new Full('too many commands wait for the server');
      await commands.add({ ...draft, entity, client: this.client, n: counter.next });
      return { ...counter, next: counter.next + 1, usedAt: draft.at };
    });
    this.#tabs.postMessage('added');
    return lane;
  }

  accepted({ to, n }: Kept): Promise<Lane> {
    return this.#change(to, async (counter, commands, entity) => {
      await commands.delete([entity, n]);
      return { ...counter, accepted: Math.max(counter.accepted, n) };
    });
  }

  refused({ to, n }: Kept): Promise<Lane> {
    return this.#change(to, async (counter, commands, entity) => {
      await commands.delete([entity, n]);
      return counter;
    });
  }

  rewind(to: Address, highest: number): Promise<Lane> {
    return this.#change(to, async (counter) => ({ ...counter, accepted: Math.min(counter.accepted, highest) }));
  }

  async lanes(): Promise<Lane[]> {
    const reading = this.#tables.transaction(['counters', 'commands']);
    const lanes = new Map<string, Lane>();
    for (const { entity, client: _, ...kept } of await reading.objectStore('commands').getAll()) {
      const accepted = (await reading.objectStore('counters').get(entity))?.accepted ?? 0;
      const lane = lanes.get(entity) ?? { to: kept.to, accepted, kept: [] };
      lane.kept.push(kept);
      lanes.set(entity, lane);
    }
    return [...lanes.values()];
  }

  /** Lets go of the database, as a closed tab does. */
  close(): void {
    this.#tabs.close();
    this.#tables.close();
  }

  async #change(
    to: Address,
    work: (counter: Counter, commands: Commands, entity: string) => Promise<Counter>,
  ): Promise<Lane> {
    const entity = to.join('/');
    const change = this.#tables.transaction(['counters', 'commands'], 'readwrite', { durability: 'strict' });
    // A failure is told by what was awaited; the transaction's own word for it would go unheard.
    change.done.catch(() => {});
    const counters = change.objectStore('counters');
    const commands = change.objectStore('commands');
    try {
      const held = (await counters.get(entity)) ?? { next: 1, accepted: 0, usedAt: 0 };
      const counter = await work(held, commands, entity);
      await counters.put(counter, entity);
      const kept = await commands.getAll(within(entity));
      await change.done;
      return { to, accepted: counter.accepted, kept: kept.map(({ entity: _, client: __, ...own }) => own) };
    } catch (error) {
      if (error instanceof Full) change.abort();
      throw error;
    }
  }
}

/** For as long as the page lives, under an installation of its own: numbers that were forgotten never come again. */
export class MemoryOutbox implements Outbox {
  readonly durable = false;
  readonly client: Uuid;
  onForeign: () => void = () => {};
  #lanes = new Map<string, Lane & { next: number }>();

  constructor(now: Timestamp) {
    this.client = newUuid(now);
  }

  async add(draft: Draft): Promise<Lane> {
    const waiting = [...this.#lanes.values()].reduce((sum, { kept }) => sum + kept.length, 0);
    if (waiting >= OUTBOX_MAX) throw new Full('too many commands wait for the server');
    return this.#change(draft.to, (lane) => ({
      ...lane, next: lane.next + 1, kept: [...lane.kept, { ...draft, n: lane.next }],
    }));
  }

  async accepted({ to, n }: Kept): Promise<Lane> {
    return this.#change(to, (lane) => ({
      ...lane, accepted: Math.max(lane.accepted, n), kept: lane.kept.filter((kept) => kept.n !== n),
    }));
  }

  async refused({ to, n }: Kept): Promise<Lane> {
    return this.#change(to, (lane) => ({ ...lane, kept: lane.kept.filter((kept) => kept.n !== n) }));
  }

  async rewind(to: Address, highest: number): Promise<Lane> {
    return this.#change(to, (lane) => ({ ...lane, accepted: Math.min(lane.accepted, highest) }));
  }

  async lanes(): Promise<Lane[]> {
    return [...this.#lanes.values()].filter(({ kept }) => kept.length > 0);
  }

  #change(to: Address, work: (lane: Lane & { next: number }) => Lane & { next: number }): Lane {
    const entity = to.join('/');
    const lane = work(this.#lanes.get(entity) ?? { to, accepted: 0, kept: [], next: 1 });
    this.#lanes.set(entity, lane);
    return lane;
  }
}

type Commands = IDBPObjectStore<Tables, ['counters', 'commands'], 'commands', 'readwrite'>;

/** The keys of one entity's commands, in order. */
function within(entity: string): IDBKeyRange {
  return IDBKeyRange.bound([entity, 0], [entity, Infinity]);
}
