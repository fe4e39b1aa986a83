import 'fake-indexeddb/auto';
import { IDBFactory } from 'fake-indexeddb';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { CommandQueue, Refused } from './commands';
import { type Kept, MemoryOutbox, OUTBOX_MAX, type Outbox, StoredOutbox, openOutbox } from './outbox';
import type { Address, Command, CommandFrame, Fault } from './types';

const USER = '0199c82c-c000-7000-8000-00c0000000c0';
const ROOM: Address = ['room', USER, USER];
const SESSION: Address = ['session', USER, '0199c82c-c000-7000-8000-005e0000005e'];
const hide: Command = { hide: { athlete: '0199c82c-c000-7000-8000-00a2000000a2' } };
const T0 = 1_760_000_000_000;

type Sent = CommandFrame;

/** A page: its connection, and what it was told. */
class Page {
  sent: Sent[] = [];
  open = true;
  refusedLater: [Kept, Fault][] = [];
  readonly queue: CommandQueue;
  static #req = 0;

  constructor(outbox: () => Promise<Outbox>) {
    this.queue = new CommandQueue(
      {
        sendCommand: (frame) => {
          if (!this.open) return undefined;
          Page.#req += 1;
          this.sent.push({ req: Page.#req, ...frame });
          return Page.#req;
        },
        now: () => Date.now() * 1000,
        chance: () => 0.5,
        refusedLater: (kept, fault) => this.refusedLater.push([kept, fault]),
      },
      outbox,
    );
  }

  /** Gives `count` commands; nobody waits for their refusals. */
  async push(count = 1, to = ROOM): Promise<Promise<number>[]> {
    const pushed = Array.from({ length: count }, () => this.queue.push(to, hide));
    for (const promise of pushed) promise.catch(() => {});
    await settle();
    return pushed;
  }

  /** Answers the latest sending of number `n`. */
  async answer(n: number, reply: { v: number } | { error: Fault }): Promise<void> {
    const { req } = this.sent.findLast((frame) => frame.n === n)!;
    this.queue.answer({ req, ...reply });
    await settle();
  }

  order(): [number, number | undefined][] {
    return this.sent.map(({ n, after }) => [n, after]);
  }
}

let page: Page;

beforeEach(() => {
  // The database's own turns are real; only clocks are not.
  vi.useFakeTimers({ now: T0, toFake: ['Date', 'setTimeout', 'clearTimeout'] });
  vi.stubGlobal('indexedDB', new IDBFactory());
});

afterEach(async () => {
  for (const outbox of opened.splice(0)) outbox.close();
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

const opened: StoredOutbox[] = [];

/** A page with the device's database, as every tab and every later visit opens it. */
async function visit(online = true): Promise<Page> {
  const outbox = await StoredOutbox.open(USER, Date.now() * 1000);
  opened.push(outbox);
  const visited = new Page(async () => outbox);
  visited.open = online;
  if (online) await visited.queue.connected(8);
  return visited;
}

/** Until the database has nothing left to do. */
async function settle(): Promise<void> {
  for (let turn = 0; turn < 40; turn += 1) await new Promise((done) => setImmediate(done));
}

async function elapse(millis: number): Promise<void> {
  vi.advanceTimersByTime(millis);
  await settle();
}

function fault(code: string, kind: Fault['kind'], rest: Partial<Fault> = {}): Fault {
  return { code, kind, text: code, ...rest };
}

describe.each([
  ['on the device', () => StoredOutbox.open(USER, 0)],
  ['in memory', async () => new MemoryOutbox(0)],
] as const)('commands of one entity, kept %s,', (_, outbox) => {
  beforeEach(async () => {
    const kept = await outbox();
    if (kept instanceof StoredOutbox) opened.push(kept);
    page = new Page(async () => kept);
    await page.queue.connected(8);
  });

  it('count from one and each follows the one before', async () => {
    await page.push(3);
    expect(page.order()).toEqual([[1, undefined], [2, 1], [3, 2]]);
  });

  it('are answered with the version that holds their events', async () => {
    const [first] = await page.push();
    await page.answer(1, { v: 7 });
    await expect(first).resolves.toBe(7);
    expect(page.queue.waiting).toBe(0);
  });

  it('are sent again with the same ids after a broken connection', async () => {
    await page.push(2);
    const ids = page.sent.map(({ id }) => id);
    await page.answer(1, { v: 1 });
    page.sent.length = 0;

    page.queue.disconnected();
    await page.queue.connected(8);

    expect(page.order()).toEqual([[2, 1]]);
    expect(page.sent[0]!.id).toBe(ids[1]);
  });

  it('wait while there is no connection', async () => {
    page.open = false;
    await page.push(2);
    expect(page.sent).toEqual([]);
    expect(page.queue.pending(ROOM)).toHaveLength(2);
    page.open = true;
    await page.queue.connected(8);
    expect(page.order()).toEqual([[1, undefined], [2, 1]]);
  });

  it('go again from where the server misses one, once for many refusals', async () => {
    await page.push(3);
    const [, second, third] = page.sent.splice(0);
    page.queue.answer({ req: second!.req, error: fault('out_of_order', 'temporary', { highest: 0 }) });
    page.queue.answer({ req: third!.req, error: fault('out_of_order', 'temporary', { highest: 0 }) });
    await settle();
    await elapse(0);
    expect(page.order()).toEqual([[1, undefined], [2, 1], [3, 2]]);
  });

  it('follow the one before a refused one', async () => {
    const [first, second] = await page.push(3);
    await page.answer(1, { v: 1 });
    await page.answer(2, { error: fault('not_on_roster', 'permanent') });
    await page.answer(3, { error: fault('out_of_order', 'temporary', { highest: 1 }) });
    page.sent.length = 0;
    await elapse(0);

    await expect(first).resolves.toBe(1);
    await expect(second).rejects.toThrow(Refused);
    expect(page.order()).toEqual([[3, 1]]);
  });

  it('wait as long as a busy server asks, with all that follow', async () => {
    await page.push(2);
    await page.answer(1, { error: fault('busy', 'temporary', { retry_after_ms: 250 }) });
    page.sent.length = 0;
    await elapse(249);
    expect(page.sent).toEqual([]);
    await elapse(1);
    expect(page.order()).toEqual([[1, undefined], [2, 1]]);
  });

  it('go on from what a server remembers that has forgotten some', async () => {
    await page.push();
    await page.answer(1, { v: 1 });
    await page.push();
    await page.answer(2, { error: fault('out_of_order', 'temporary', { highest: 0 }) });
    page.sent.length = 0;
    await elapse(0);
    expect(page.order()).toEqual([[2, undefined]]);
  });

  it('take a late yes for a yes, though they were sent again', async () => {
    const [first] = await page.push(2);
    const { req } = page.sent[0]!;
    await page.answer(2, { error: fault('out_of_order', 'temporary', { highest: 0 }) });
    await elapse(0);
    page.queue.answer({ req, v: 4 });
    await expect(first).resolves.toBe(4);
  });

  it('are no more at once than the server allows', async () => {
    await page.queue.connected(2);
    await page.push(5);
    expect(page.order()).toEqual([[1, undefined], [2, 1]]);
    await page.answer(1, { v: 1 });
    expect(page.order().at(-1)).toEqual([3, 2]);
  });

  it('are refused instead of growing without bound', async () => {
    page.open = false;
    for (let i = 0; i < OUTBOX_MAX; i += 1) {
      const session: Address = ['session', USER, `0199c82c-c000-7000-8000-00000000${1_000 + (i % 100)}`];
      page.queue.push(session, hide).catch(() => {});
    }
    await expect(page.queue.push(ROOM, hide)).rejects.toMatchObject({ fault: { code: 'queue_full' } });
    expect(page.queue.waiting).toBe(OUTBOX_MAX);
  });
});

describe('a device', () => {
  it('sends on the next visit what was given offline, once', async () => {
    const before = await visit(false);
    await before.push(2, SESSION);
    before.queue.disconnected();

    const after = await visit();
    await settle();
    expect(after.order()).toEqual([[1, undefined], [2, 1]]);
    await after.answer(1, { v: 1 });
    await after.answer(2, { v: 2 });

    expect((await visit()).sent).toEqual([]);
  });

  it('sends what was stored by a page that was killed before it could send', async () => {
    const killed = await visit();
    killed.queue.push(SESSION, hide).catch(() => {});
    // Killed in the very turn in which the database has it: nothing more runs on that page.
    killed.open = false;
    await settle();
    expect(killed.sent).toEqual([]);

    expect((await visit()).sent).toMatchObject([{ n: 1, to: SESSION, do: hide, at: T0 * 1000 }]);
  });

  it('repeats with the same id and number a command whose reply was lost', async () => {
    const before = await visit();
    await before.push(1, SESSION);
    const [first] = before.sent;

    const after = await visit();
    expect(after.sent).toMatchObject([{ id: first!.id, client: first!.client, n: 1 }]);
    after.queue.answer({ req: after.sent[0]!.req, v: 1, repeat: true });
    await settle();
    expect((await visit()).sent).toEqual([]);
  });

  it('lets the next one follow what came before a refused one, on a later visit too', async () => {
    const before = await visit();
    const [, second] = await before.push(3, SESSION);
    await before.answer(1, { v: 1 });
    await before.answer(2, { error: fault('already_logged', 'permanent') });
    await expect(second).rejects.toThrow(Refused);

    expect((await visit()).order()).toEqual([[3, 1]]);
  });

  it('says when a command of an earlier visit is refused', async () => {
    await (await visit(false)).push(1, SESSION);
    const after = await visit();
    await after.answer(1, { error: fault('closed', 'permanent') });
    expect(after.refusedLater).toMatchObject([[{ command: hide }, { code: 'closed' }]]);
  });

  it('counts on where it stopped, as the same installation', async () => {
    const before = await visit();
    await before.push(1, SESSION);
    await before.answer(1, { v: 1 });

    const after = await visit();
    await after.push(1, SESSION);
    expect(after.sent).toMatchObject([{ client: before.sent[0]!.client, n: 2, after: 1 }]);
  });

  it('never gives one number to two commands, in however many tabs', async () => {
    const tabs = [await visit(), await visit(), await visit()];
    const pushed = tabs.flatMap((tab) => Array.from({ length: 5 }, () => tab.queue.push(SESSION, hide)));
    for (const promise of pushed) promise.catch(() => {});
    while (tabs.some((tab) => tab.queue.pending(SESSION).length < 5)) await settle();
    await settle();

    const [lane] = await opened[0]!.lanes();
    expect(lane!.kept.map(({ n }) => n)).toEqual(Array.from({ length: 15 }, (_, i) => i + 1));
    expect(new Set(lane!.kept.map(({ id }) => id)).size).toBe(15);
  });

  it('sends for a tab that was closed, from another that is still open', async () => {
    const open = await visit();
    await (await visit(false)).push(1, SESSION);
    await heard();
    await elapse(5_000);
    expect(open.sent).toMatchObject([{ n: 1, to: SESSION }]);
  });

  it('fills in what another tab has not sent when the server misses it', async () => {
    await (await visit(false)).push(1, SESSION);
    const open = await visit(false);
    open.open = true;
    await open.queue.connected(8);
    await open.push(1, SESSION);
    expect(open.order()).toEqual([[1, undefined], [2, 1]]);
  });

  it('tells whoever waits that another tab was given the answer', async () => {
    const [first, second] = [await visit(), await visit()];
    const [waits] = await first.push(1, SESSION);
    await second.queue.connected(8);
    await second.answer(1, { v: 1 });
    await first.queue.connected(8);
    await expect(waits).resolves.toBe(0);
  });

  it('keeps apart what two users of it have logged', async () => {
    await (await visit(false)).push(1, SESSION);
    const other = (await openOutbox('0199c82c-c000-7000-8000-00c1000000c1', 0)) as StoredOutbox;
    opened.push(other);
    expect(await other.lanes()).toEqual([]);
  });

  it('forgets the numbers of sessions that are closed by now, and nothing else', async () => {
    const before = await visit();
    await before.push(1, SESSION);
    await before.push(1, ROOM);
    await before.queue.connected(8);
    for (const frame of before.sent.slice(-2)) before.queue.answer({ req: frame.req, v: 1 });
    await settle();
    vi.setSystemTime(T0 + 32 * 86_400_000);

    const after = await visit();
    await after.push(1, SESSION);
    await after.push(1, ROOM);
    expect(after.sent.map(({ to, n }) => [to[0], n])).toEqual([['session', 1], ['room', 2]]);
  });

  it('goes on in memory where the browser keeps nothing, and says so', async () => {
    vi.stubGlobal('indexedDB', { open: () => { throw new DOMException('refused', 'SecurityError'); } });
    const silence = vi.spyOn(console, 'warn').mockImplementation(() => {});
    const outbox = await openOutbox(USER, 0);
    expect(outbox.durable).toBe(false);
    silence.mockRestore();
  });

  it('goes on in memory where the browser never opens its database', async () => {
    vi.stubGlobal('indexedDB', { open: () => new IDBOpenDBRequest() });
    const silence = vi.spyOn(console, 'warn').mockImplementation(() => {});
    const opening = openOutbox(USER, 0);
    await elapse(5_000);
    expect((await opening).durable).toBe(false);
    silence.mockRestore();
  });

  it('refuses what it has no room to keep, and sends nothing of it', async () => {
    const outbox = await StoredOutbox.open(USER, 0);
    outbox.close();
    const full = new Page(async () => outbox);
    const silence = vi.spyOn(console, 'warn').mockImplementation(() => {});
    await full.queue.connected(8);
    await expect(full.queue.push(ROOM, hide)).rejects.toMatchObject({ fault: { code: 'not_kept' } });
    expect(full.sent).toEqual([]);
    silence.mockRestore();
  });
});

/** Until the other tabs have heard: channels take their own turns. */
async function heard(): Promise<void> {
  await new Promise<void>((done) => {
    const [speaks, listens] = [new BroadcastChannel('heard'), new BroadcastChannel('heard')];
    listens.onmessage = () => {
      speaks.close();
      listens.close();
      done();
    };
    speaks.postMessage('');
  });
  await settle();
}
