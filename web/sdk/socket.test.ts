import { encode } from '@msgpack/msgpack';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { decodeFrame } from './codec';
import type { Follower } from './follow';
import { type AccessToken, Connection, type ConnectionState, SignedOut, type TokenSource, type Transport } from './socket';
import type { Address, PublishedEvent, Reply, ServerFrames, Welcome } from './types';

const COACH = '0199c82c-c000-7000-8000-00c0000000c0';
const ROOM: Address = ['room', COACH, COACH];
const HISTORY = '0199c82c-c000-7000-8000-001c0000001c';
const OTHER_HISTORY = '0199c82c-c000-7000-8000-001d0000001d';
const T0 = 1_760_000_000_000;
const HEARTBEAT_MS = 20_000;
const TOKEN_LIFE_MS = 900_000;

/** One socket as the server sees it. */
class FakeSocket implements Transport {
  binaryType = '';
  onopen: (() => void) | null = null;
  onmessage: ((message: { data: unknown }) => void) | null = null;
  onclose: ((close: { code: number; reason: string }) => void) | null = null;
  received: { kind: string; body: Record<string, unknown> }[] = [];
  closedWith: number | undefined;

  send(bytes: Uint8Array<ArrayBuffer>): void {
    this.received.push(decodeFrame(bytes) as unknown as FakeSocket['received'][number]);
  }

  close(code?: number): void {
    this.closedWith = code;
  }

  tell<Kind extends keyof ServerFrames>(kind: Kind, body: ServerFrames[Kind]): void {
    const bytes = encode([kind, body]);
    this.onmessage?.({ data: bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength) });
  }

  reply(body: Reply): void {
    this.tell('reply', body);
  }

  /** The bodies of one kind, oldest first. */
  bodies(kind: string): Record<string, unknown>[] {
    return this.received.filter((frame) => frame.kind === kind).map(({ body }) => body);
  }
}

class FakeTokens implements TokenSource {
  issued = 1;
  refused: (string | undefined)[] = [];
  failure: Error | undefined;

  async access(refused?: string): Promise<AccessToken> {
    this.refused.push(refused);
    if (this.failure !== undefined) throw this.failure;
    if (refused === `token-${this.issued}`) this.issued += 1;
    return { token: `token-${this.issued}`, expiresAt: Date.now() + TOKEN_LIFE_MS };
  }
}

let sockets: FakeSocket[];
let tokens: FakeTokens;
let states: ConnectionState[];
let connection: Connection;

beforeEach(() => {
  vi.useFakeTimers({ now: T0 });
  sockets = [];
  states = [];
  tokens = new FakeTokens();
  connection = new Connection({
    url: 'ws://gym.test/v1/socket',
    tokens,
    onState: (state) => states.push(state),
    chance: () => 0.5,
    transport: () => {
      const socket = new FakeSocket();
      sockets.push(socket);
      return socket;
    },
  });
});

afterEach(() => {
  connection.close();
  vi.useRealTimers();
});

/** Lets the socket that is being opened open, and welcomes it. */
async function welcomed(incarnation = HISTORY, clock = Date.now() * 1000): Promise<FakeSocket> {
  await vi.advanceTimersByTimeAsync(0);
  const socket = sockets.at(-1)!;
  socket.onopen?.();
  const limits = {
    frame_bytes: 65_536, commands_per_s: 50, commands_burst: 200, in_flight: 64, subscriptions: 256,
    heartbeat_ms: HEARTBEAT_MS,
  };
  const welcome: Welcome = { user: COACH, gym: COACH, role: 'coach', incarnation, clock, limits, sessions: [] };
  socket.tell('welcome', welcome);
  return socket;
}

async function opened(): Promise<FakeSocket> {
  connection.open();
  return welcomed();
}

function event(v: number): PublishedEvent {
  return { v, at: v, received_at: v, by: COACH, ev: { athlete_hidden: { athlete: COACH } } };
}

/** Follows the room and writes down what it is told. */
function followRoom(): { told: unknown[]; stop: () => void } {
  const told: unknown[] = [];
  const follower: Follower = {
    snapshot: ({ v }) => told.push(`snapshot ${v}`),
    events: (events) => told.push(...events.map(({ v }) => v)),
    forget: () => told.push('forget'),
    refused: ({ code }) => told.push(code),
  };
  return { told, stop: connection.follow(ROOM, follower) };
}

describe('opening', () => {
  it('says hello with the token and is open at the welcome', async () => {
    const socket = await opened();
    expect(socket.bodies('hello')).toMatchObject([{ token: 'token-1', clock: T0 * 1000 }]);
    expect(states.map(({ name }) => name)).toEqual(['connecting', 'open']);
  });

  it('gives up on a server that never says welcome', async () => {
    connection.open();
    await vi.advanceTimersByTimeAsync(10_000);
    expect(sockets[0]!.closedWith).toBe(4000);
    expect(connection.state.name).toBe('waiting');
  });

  it('shows the time of the server, not of the device', async () => {
    connection.open();
    await welcomed(HISTORY, T0 * 1000 + 5_000_000);
    expect(connection.now()).toBe(T0 * 1000 + 5_000_000);
  });

  it('stays closed when nobody is signed in any more', async () => {
    tokens.failure = new SignedOut('gone');
    connection.open();
    await vi.advanceTimersByTimeAsync(60_000);
    expect(connection.state).toMatchObject({ name: 'closed', code: 4503 });
    expect(sockets).toHaveLength(0);
  });

  it('tries again when no token is to be had just now', async () => {
    tokens.failure = new TypeError('network');
    connection.open();
    await vi.advanceTimersByTimeAsync(0);
    expect(connection.state.name).toBe('waiting');
    tokens.failure = undefined;
    await vi.advanceTimersByTimeAsync(250);
    expect(sockets).toHaveLength(1);
  });
});

describe('after a break', () => {
  it('waits longer each time, with full jitter', async () => {
    connection.open();
    const waits: number[] = [];
    for (let i = 0; i < 9; i += 1) {
      await vi.advanceTimersByTimeAsync(0);
      sockets.at(-1)!.onclose?.({ code: 1006, reason: '' });
      const { state } = connection;
      const wait = state.name === 'waiting' ? state.until - Date.now() : -1;
      waits.push(wait);
      await vi.advanceTimersByTimeAsync(wait);
    }
    expect(waits).toEqual([250, 500, 1_000, 2_000, 4_000, 8_000, 15_000, 15_000, 15_000]);
  });

  it('begins the waits anew only after a connection that lasted', async () => {
    let socket = await opened();
    socket.onclose?.({ code: 1006, reason: '' });
    await vi.advanceTimersByTimeAsync(250);
    socket = await welcomed();
    socket.onclose?.({ code: 1006, reason: '' });
    expect(connection.state).toMatchObject({ name: 'waiting', until: Date.now() + 500 });
    await vi.advanceTimersByTimeAsync(500);
    socket = await welcomed();
    await vi.advanceTimersByTimeAsync(10_000);
    socket.onclose?.({ code: 1006, reason: '' });
    expect(connection.state).toMatchObject({ name: 'waiting', until: Date.now() + 250 });
  });

  it('waits as long as go_away asked, once', async () => {
    const socket = await opened();
    socket.tell('go_away', { delay_ms: 7_000, reason: 'server restarts' });
    socket.onclose?.({ code: 1012, reason: 'server restarts' });
    expect(connection.state).toMatchObject({ name: 'waiting', until: Date.now() + 7_000 });
    await vi.advanceTimersByTimeAsync(7_000);
    sockets.at(-1)!.onclose?.({ code: 1006, reason: '' });
    expect(connection.state).toMatchObject({ name: 'waiting', until: Date.now() + 500 });
  });

  it.each([1002, 1008, 4503, 4999])('stays away after %i', async (code) => {
    const socket = await opened();
    socket.onclose?.({ code, reason: 'no' });
    await vi.advanceTimersByTimeAsync(120_000);
    expect(connection.state).toEqual({ name: 'closed', code, reason: 'no' });
    expect(sockets).toHaveLength(1);
  });

  it('brings a new token when the old one ran out', async () => {
    const socket = await opened();
    socket.onclose?.({ code: 4401, reason: 'token expired' });
    await vi.advanceTimersByTimeAsync(250);
    const next = await welcomed();
    expect(next.bodies('hello')).toMatchObject([{ token: 'token-2', incarnation: HISTORY }]);
  });

  it('tries at once when somebody looks again', async () => {
    const socket = await opened();
    socket.onclose?.({ code: 1006, reason: '' });
    connection.wake();
    await vi.advanceTimersByTimeAsync(0);
    expect(sockets).toHaveLength(2);
  });

  it('does not come back after its own goodbye', async () => {
    const socket = await opened();
    connection.close();
    await vi.advanceTimersByTimeAsync(120_000);
    expect(socket.closedWith).toBe(1000);
    expect(sockets).toHaveLength(1);
  });
});

describe('while open', () => {
  it('asks often enough, and learns the clock from the answers', async () => {
    const socket = await opened();
    await vi.advanceTimersByTimeAsync(HEARTBEAT_MS / 2);
    expect(socket.bodies('ping')).toHaveLength(1);
    await vi.advanceTimersByTimeAsync(200);
    socket.tell('pong', { clock: (Date.now() - 100) * 1000 + 3_000_000 });
    expect(connection.now()).toBe(Date.now() * 1000 + 3_000_000);
  });

  it('lets go of a server that has gone silent', async () => {
    const socket = await opened();
    await vi.advanceTimersByTimeAsync(HEARTBEAT_MS * 1.5);
    expect(socket.closedWith).toBe(4000);
    expect(connection.state.name).not.toBe('open');
  });

  it('stays with a server that answers, however late a hidden tab asks', async () => {
    const socket = await opened();
    vi.setSystemTime(Date.now() + 120_000);
    await vi.advanceTimersByTimeAsync(HEARTBEAT_MS / 2);
    expect(socket.bodies('ping')).toHaveLength(1);
    expect(connection.state.name).toBe('open');
  });

  it('stays with a server that answers', async () => {
    const socket = await opened();
    for (let i = 0; i < 20; i += 1) {
      await vi.advanceTimersByTimeAsync(HEARTBEAT_MS / 2);
      socket.tell('pong', { clock: Date.now() * 1000 });
    }
    expect(connection.state.name).toBe('open');
  });

  it('hands over a new token a minute before the old one ends', async () => {
    const socket = await opened();
    for (let i = 0; i < 84; i += 1) {
      await vi.advanceTimersByTimeAsync(10_000);
      socket.tell('pong', { clock: Date.now() * 1000 });
    }
    expect(socket.bodies('token')).toMatchObject([{ token: 'token-2' }]);
  });

  it('passes over frames of a newer server', async () => {
    const socket = await opened();
    socket.tell('later' as 'pong', { clock: 0 });
    expect(connection.state.name).toBe('open');
  });

  it('lets go of a server whose frames cannot be read', async () => {
    const silence = vi.spyOn(console, 'error').mockImplementation(() => {});
    const socket = await opened();
    socket.onmessage?.({ data: new Uint8Array([0xc1]).buffer });
    expect(connection.state.name).toBe('waiting');
    silence.mockRestore();
  });
});

describe('following', () => {
  it('tells each version once, in order', async () => {
    const { told } = followRoom();
    const socket = await opened();
    socket.tell('snapshot', { to: ROOM, v: 3, view: 'coach', state: { room: { hidden: [] } } });
    socket.reply({ req: 1, v: 3 });
    socket.tell('events', { to: ROOM, events: [event(3), event(4)] });
    socket.tell('events', { to: ROOM, events: [event(4), event(5)] });
    expect(told).toEqual(['snapshot 3', 4, 5]);
  });

  it('goes on from the version it has after a break', async () => {
    const { told } = followRoom();
    const socket = await opened();
    expect(socket.bodies('subscribe')).toEqual([{ req: 1, to: ROOM }]);
    socket.tell('events', { to: ROOM, events: [event(1), event(2)] });
    socket.reply({ req: 1, v: 2 });
    socket.onclose?.({ code: 4413, reason: 'reads too slowly' });
    await vi.advanceTimersByTimeAsync(250);

    const next = await welcomed();

    expect(next.bodies('subscribe')).toEqual([{ req: 2, to: ROOM, since: 2 }]);
    next.tell('events', { to: ROOM, events: [event(3)] });
    expect(told).toEqual([1, 2, 3]);
  });

  it('begins from nothing when the server serves another history', async () => {
    const { told } = followRoom();
    const socket = await opened();
    socket.tell('events', { to: ROOM, events: [event(1), event(2)] });
    socket.reply({ req: 1, v: 2 });
    socket.onclose?.({ code: 1006, reason: '' });
    await vi.advanceTimersByTimeAsync(250);

    const next = await welcomed(OTHER_HISTORY);

    expect(next.bodies('subscribe')).toEqual([{ req: 2, to: ROOM }]);
    expect(told).toEqual([1, 2, 'forget']);
  });

  it('asks again when versions are missing, and never tells a part', async () => {
    const { told } = followRoom();
    const socket = await opened();
    socket.tell('events', { to: ROOM, events: [event(1)] });
    socket.reply({ req: 1, v: 1 });
    socket.tell('events', { to: ROOM, events: [event(4)] });
    expect(told).toEqual([1]);
    expect(socket.bodies('subscribe').at(-1)).toEqual({ req: 2, to: ROOM, since: 1 });
  });

  it('asks again after the time a busy server names', async () => {
    followRoom();
    const socket = await opened();
    socket.reply({ req: 1, error: { code: 'busy', text: '', kind: 'temporary', retry_after_ms: 400 } });
    await vi.advanceTimersByTimeAsync(399);
    expect(socket.bodies('subscribe')).toHaveLength(1);
    await vi.advanceTimersByTimeAsync(1);
    expect(socket.bodies('subscribe')).toHaveLength(2);
  });

  it('says when the server does not show it', async () => {
    const { told } = followRoom();
    const socket = await opened();
    socket.reply({ req: 1, error: { code: 'not_found', text: '', kind: 'permanent' } });
    expect(told).toEqual(['not_found']);
  });

  it('says when it may not be seen any more, and asks again on the next connection only', async () => {
    const { told } = followRoom();
    let socket = await opened();
    socket.reply({ req: 1, v: 0 });
    socket.tell('revoked', { to: ROOM });
    expect(told).toEqual(['revoked']);
    expect(socket.bodies('subscribe')).toHaveLength(1);
    socket.onclose?.({ code: 1006, reason: '' });
    await vi.advanceTimersByTimeAsync(250);
    socket = await welcomed();
    expect(socket.bodies('subscribe')).toHaveLength(1);
  });

  it('passes on values of the moment', async () => {
    const values: number[] = [];
    connection.follow(ROOM, { snapshot: () => {}, events: () => {}, signal: ({ value }) => values.push(value) });
    const socket = await opened();
    socket.tell('signal', { to: ROOM, key: 'velocity', value: 420, by: COACH, at: 1 });
    expect(values).toEqual([420]);
  });

  it('tells the server how far it is with what is the user’s own, at most once a second', async () => {
    const inbox: Address = ['inbox', COACH, COACH];
    connection.follow(inbox, { snapshot: () => {}, events: () => {} });
    const socket = await opened();
    for (const v of [1, 2, 3]) socket.tell('events', { to: inbox, events: [event(v)] });
    expect(socket.bodies('ack')).toEqual([{ seen: [[inbox, 1]] }]);
    await vi.advanceTimersByTimeAsync(1_000);
    expect(socket.bodies('ack').slice(1)).toEqual([{ seen: [[inbox, 3]] }]);
  });

  it('ends when nobody listens any more', async () => {
    const { stop } = followRoom();
    const socket = await opened();
    stop();
    expect(socket.bodies('unsubscribe')).toEqual([{ req: 2, to: ROOM }]);
  });
});

it('commands given before the welcome are sent with it', async () => {
  const done = connection.command(ROOM, { hide: { athlete: COACH } });
  const socket = await opened();
  await vi.advanceTimersByTimeAsync(0);
  expect(socket.bodies('command')).toMatchObject([{ req: 1, n: 1, to: ROOM }]);
  socket.reply({ req: 1, v: 1 });
  await expect(done).resolves.toBe(1);
});
