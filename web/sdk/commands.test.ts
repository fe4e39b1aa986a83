import { beforeEach, describe, expect, it, vi } from 'vitest';
import { CommandQueue, Refused } from './commands';
import type { Address, Command, CommandFrame, Fault } from './types';

const ROOM: Address = ['room', '0199c82c-c000-7000-8000-00c0000000c0', '0199c82c-c000-7000-8000-00c0000000c0'];
const hide: Command = { hide: { athlete: '0199c82c-c000-7000-8000-00a2000000a2' } };

let sent: (Omit<CommandFrame, 'req'> & { req: number })[];
let open: boolean;
let queue: CommandQueue;

beforeEach(() => {
  vi.useFakeTimers({ now: 1_760_000_000_000 });
  sent = [];
  open = true;
  let req = 0;
  queue = new CommandQueue({
    sendCommand: (frame) => {
      if (!open) return undefined;
      req += 1;
      sent.push({ req, ...frame });
      return req;
    },
    now: () => Date.now() * 1000,
    chance: () => 0.5,
  });
  queue.connected(8);
});

/** Pushes `count` commands whose refusals nobody waits for. */
function push(count: number): Promise<number>[] {
  const pushed = Array.from({ length: count }, () => queue.push(ROOM, hide));
  for (const promise of pushed) promise.catch(() => {});
  return pushed;
}

function order(): [number, number | undefined][] {
  return sent.map(({ n, after }) => [n, after]);
}

function fault(code: string, kind: Fault['kind'], rest: Partial<Fault> = {}): Fault {
  return { code, kind, text: code, ...rest };
}

describe('commands of one entity', () => {
  it('count from one and each follows the one before', () => {
    push(3);
    expect(order()).toEqual([[1, undefined], [2, 1], [3, 2]]);
  });

  it('are answered with the version that holds their events', async () => {
    const [first] = push(1);
    queue.answer({ req: 1, v: 7 });
    await expect(first).resolves.toBe(7);
    expect(queue.waiting).toBe(0);
  });

  it('are sent again with the same ids after a broken connection', () => {
    push(2);
    const ids = sent.map(({ id }) => id);
    queue.answer({ req: 1, v: 1 });
    sent.length = 0;

    queue.disconnected();
    queue.connected(8);

    expect(order()).toEqual([[2, 1]]);
    expect(sent[0]!.id).toBe(ids[1]);
  });

  it('wait while there is no connection', () => {
    open = false;
    push(2);
    expect(sent).toEqual([]);
    open = true;
    queue.connected(8);
    expect(order()).toEqual([[1, undefined], [2, 1]]);
  });

  it('go again from where the server misses one, once for many refusals', () => {
    push(3);
    sent.length = 0;
    queue.answer({ req: 2, error: fault('out_of_order', 'temporary', { highest: 0 }) });
    queue.answer({ req: 3, error: fault('out_of_order', 'temporary', { highest: 0 }) });
    vi.runAllTimers();
    expect(order()).toEqual([[1, undefined], [2, 1], [3, 2]]);
  });

  it('follow the one before a refused one', async () => {
    const [first, second] = push(3);
    queue.answer({ req: 1, v: 1 });
    queue.answer({ req: 2, error: fault('not_on_roster', 'permanent') });
    sent.length = 0;
    queue.answer({ req: 3, error: fault('out_of_order', 'temporary', { highest: 1 }) });
    vi.runAllTimers();

    await expect(first).resolves.toBe(1);
    await expect(second).rejects.toThrow(Refused);
    expect(order()).toEqual([[3, 1]]);
  });

  it('wait as long as a busy server asks, with all that follow', () => {
    push(2);
    sent.length = 0;
    queue.answer({ req: 1, error: fault('busy', 'temporary', { retry_after_ms: 250 }) });
    vi.advanceTimersByTime(249);
    expect(sent).toEqual([]);
    vi.advanceTimersByTime(1);
    expect(order()).toEqual([[1, undefined], [2, 1]]);
  });

  it('go on from what a server remembers that has forgotten some', () => {
    push(1);
    queue.answer({ req: 1, v: 1 });
    push(1);
    sent.length = 0;
    queue.answer({ req: 2, error: fault('out_of_order', 'temporary', { highest: 0 }) });
    vi.runAllTimers();
    expect(order()).toEqual([[2, undefined]]);
  });

  it('take a late yes for a yes, though they were sent again', async () => {
    const [first] = push(2);
    queue.answer({ req: 2, error: fault('out_of_order', 'temporary', { highest: 0 }) });
    vi.runAllTimers();
    queue.answer({ req: 1, v: 4 });
    await expect(first).resolves.toBe(4);
  });
});

it('no more are under way than the server allows', () => {
  queue.connected(2);
  push(5);
  expect(order()).toEqual([[1, undefined], [2, 1]]);
  queue.answer({ req: 1, v: 1 });
  expect(order().at(-1)).toEqual([3, 2]);
});

it('a full queue refuses instead of growing', async () => {
  open = false;
  push(1_000);
  await expect(queue.push(ROOM, hide)).rejects.toMatchObject({ fault: { code: 'queue_full' } });
});

it('every queue counts as an installation of its own', () => {
  const other = new CommandQueue({ sendCommand: () => undefined, now: () => 0, chance: () => 0 });
  expect(other.client).not.toBe(queue.client);
});
