/**
 * One live connection to the server, kept up for as long as its page is: says hello, keeps the heart beating,
 * comes back after a break and goes on from the versions it has.
 */

import { backoff } from './backoff';
import { FORBIDDEN, TOKEN_EXPIRED, reconnects } from './close';
import { SUBPROTOCOL, decodeFrame, encodeFrame } from './codec';
import { Acks } from './acks';
import { CommandQueue } from './commands';
import { type Follower, Follows } from './follow';
import type { Kept, Outbox } from './outbox';
import type {
  Address, ClientFrame, Command, Fault, ServerFrame, Signal, Timestamp, Uuid, Version, View, Welcome,
} from './types';

/** From the opening of a socket to its welcome; then the attempt has failed. */
const WELCOME_TIMEOUT_MS = 10_000;
/** A connection that lasted this long was a good one: the next back-off begins anew. */
const STABLE_MS = 10_000;
/** A token is replaced this long before it runs out. */
const TOKEN_MARGIN_MS = 60_000;

/** What a `WebSocket` is to this module; tests bring their own. */
export interface Transport {
  binaryType: string;
  onopen: (() => void) | null;
  onmessage: ((message: { data: unknown }) => void) | null;
  onclose: ((close: { code: number; reason: string }) => void) | null;
  send(bytes: Uint8Array<ArrayBuffer>): void;
  close(code?: number, reason?: string): void;
}

/** An access token and the device's time at which it runs out, in milliseconds. */
export interface AccessToken {
  token: string;
  expiresAt: number;
}

/** Nobody is signed in any more; only a person can change that. */
export class SignedOut extends Error {
  override name = 'SignedOut';
}

export interface TokenSource {
  /**
   * A token that is good for a while; another than `refused`, when the server would not take that one.
   * Rejects with {@link SignedOut} for good, with anything else for now.
   */
  access(refused?: string): Promise<AccessToken>;
}

export type ConnectionState =
  | { name: 'connecting' }
  | { name: 'open' }
  /** Broken; another attempt follows at `until`, by the device's clock in milliseconds. */
  | { name: 'waiting'; until: number }
  /** Closed for good, by us (1000) or with a code after which coming back makes no sense. */
  | { name: 'closed'; code: number; reason: string };

export interface ConnectionOptions {
  url: string;
  tokens: TokenSource;
  onState?: (state: ConnectionState) => void;
  onWelcome?: (welcome: Welcome) => void;
  /** Where commands wait; in memory by default. Called once, before the first socket is opened. */
  outbox?: () => Promise<Outbox>;
  /** More or fewer commands wait; see {@link Connection.pending}. */
  onPending?: () => void;
  /** A command of an earlier page was refused for good. */
  onRefusedLater?: (kept: Kept, fault: Fault) => void;
  /** Opens a socket; a `WebSocket` by default. */
  transport?: (url: string, subprotocol: string) => Transport;
  /** Anywhere in 0 to 1, one excluded. */
  chance?: () => number;
}

type Timer = ReturnType<typeof setTimeout>;

export class Connection {
  #options: Required<Omit<ConnectionOptions, 'outbox'>>;
  #state: ConnectionState = { name: 'closed', code: 1000, reason: 'not begun' };
  #transport: Transport | undefined;
  #follows: Follows;
  #commands: CommandQueue;
  #acks: Acks;
  #client: Uuid = '';
  /** Server minus device clock, in microseconds; 0 before the first welcome. */
  #offset = 0;
  #request = 0;
  #failures = 0;
  /** What `go_away` asked for; used once. */
  #delay: number | undefined;
  #token: AccessToken | undefined;
  #refusedToken: string | undefined;
  #sentAt = 0;
  #heardAt = 0;
  #retry: Timer | undefined;
  /** Everything that ends with the socket at hand. */
  #timers = new Set<Timer>();

  constructor(options: ConnectionOptions) {
    this.#options = {
      onState: () => {},
      onWelcome: () => {},
      onPending: () => {},
      onRefusedLater: () => {},
      transport: (url, subprotocol) => new WebSocket(url, subprotocol) as Transport,
      chance: Math.random,
      ...options,
    };
    const { chance, onPending, onRefusedLater } = this.#options;
    this.#commands = new CommandQueue(
      {
        sendCommand: (body) => this.#ask((req) => ({ kind: 'command', body: { req, ...body } })),
        now: deviceClock,
        chance,
        changed: onPending,
        refusedLater: onRefusedLater,
      },
      options.outbox,
    );
    this.#acks = new Acks({
      ack: (seen) => this.#send({ kind: 'ack', body: { seen } }),
      later: (then, wait) => this.#later(then, wait),
    });
    this.#follows = new Follows({
      subscribe: (body) => this.#ask((req) => ({ kind: 'subscribe', body: { req, ...body } })),
      unsubscribe: (to) => this.#ask((req) => ({ kind: 'unsubscribe', body: { req, to } })),
      seen: (to, v) => this.#acks.seen(to, v),
      later: (fault, then) => this.#later(then, waitOf(fault, chance())),
    });
  }

  get state(): ConnectionState {
    return this.#state;
  }

  /** The server's clock, as well as this device knows it. */
  now(): Timestamp {
    return deviceClock() + this.#offset;
  }

  /** Connects, and stays connected until {@link close} or a code that says to stay away. */
  open(): void {
    if (this.#state.name === 'closed') void this.#connect();
  }

  /** Ends a wait now: the network is back, or somebody looks at the page again. */
  wake(): void {
    if (this.#state.name === 'waiting') void this.#connect();
  }

  close(): void {
    this.#drop(1000, 'bye');
    this.#become({ name: 'closed', code: 1000, reason: 'bye' });
  }

  /** Follows an entity until the returned function is called. */
  follow(to: Address, follower: Follower, view?: View): () => void {
    return this.#follows.follow(to, follower, view);
  }

  /** Queues a command; see {@link CommandQueue.push}. */
  command(to: Address, command: Command): Promise<Version> {
    return this.#commands.push(to, command);
  }

  /** Shows a value of this moment to whoever watches; lost when there is no connection. */
  signal(signal: Signal): void {
    if (this.#state.name === 'open') this.#send({ kind: 'signal', body: signal });
  }

  /** The commands for an entity that have no final answer yet, in order. */
  pending(to: Address): readonly Kept[] {
    return this.#commands.pending(to);
  }

  /** How many commands have no final answer yet. */
  get waiting(): number {
    return this.#commands.waiting;
  }

  /** Whether commands outlive the page; `undefined` until that is known. */
  get durable(): boolean | undefined {
    return this.#commands.durable;
  }

  async #connect(): Promise<void> {
    clearTimeout(this.#retry);
    this.#become({ name: 'connecting' });
    const attempt = this.#state;
    try {
      this.#token = await this.#options.tokens.access(this.#refusedToken);
    } catch (error) {
      if (this.#state !== attempt) return;
      if (error instanceof SignedOut) this.#become({ name: 'closed', code: FORBIDDEN, reason: 'signed out' });
      else this.#wait();
      return;
    }
    this.#client = await this.#commands.client();
    if (this.#state !== attempt) return;
    this.#refusedToken = undefined;

    const transport = this.#options.transport(this.#options.url, SUBPROTOCOL);
    this.#transport = transport;
    transport.binaryType = 'arraybuffer';
    transport.onopen = () => this.#hello();
    transport.onmessage = ({ data }) => this.#receive(data);
    transport.onclose = ({ code, reason }) => this.#closed(code, reason);
    this.#later(() => this.#lost('no welcome'), WELCOME_TIMEOUT_MS);
  }

  #hello(): void {
    const { incarnation } = this.#follows;
    const token = this.#token?.token ?? '';
    this.#send({
      kind: 'hello',
      body: {
        token,
        client: this.#client,
        clock: deviceClock(),
        ...(incarnation === undefined ? {} : { incarnation }),
      },
    });
  }

  #receive(data: unknown): void {
    let frame: ServerFrame;
    try {
      if (!(data instanceof ArrayBuffer)) throw new TypeError('text on a binary socket');
      frame = decodeFrame(data);
    } catch (error) {
      console.error('a frame could not be read', error);
      this.#lost('unreadable frame');
      return;
    }
    this.#heardAt = Date.now();
    // A kind of a newer server falls through.
    switch (frame.kind) {
      case 'welcome': return this.#welcomed(frame.body);
      case 'reply': return void (this.#commands.answer(frame.body) || this.#follows.answer(frame.body));
      case 'snapshot': return this.#follows.snapshot(frame.body);
      case 'events': return this.#follows.events(frame.body);
      case 'tiles': return this.#follows.tiles(frame.body);
      case 'pong': return this.#setClock(frame.body.clock);
      case 'go_away': return void (this.#delay = frame.body.delay_ms);
      case 'signal': return this.#follows.signal(frame.body);
      case 'revoked': return this.#follows.revoked(frame.body.to);
    }
  }

  #welcomed(welcome: Welcome): void {
    this.#clearTimers();
    this.#setClock(welcome.clock);
    this.#become({ name: 'open' });
    this.#beat(welcome.limits.heartbeat_ms);
    this.#later(() => (this.#failures = 0), STABLE_MS);
    this.#keepToken();
    this.#options.onWelcome(welcome);
    this.#acks.connected(welcome.user);
    this.#follows.connected(welcome.incarnation);
    void this.#commands.connected(welcome.limits.in_flight);
  }

  /**
   * Asks twice in the time both sides allow; a server silent since the last time is gone. Measured from the
   * question, because a browser may stretch the timers of a hidden tab to a minute.
   */
  #beat(heartbeat: number): void {
    this.#later(() => {
      if (this.#heardAt < this.#sentAt) return this.#lost('nothing heard');
      this.#sentAt = Date.now();
      this.#send({ kind: 'ping', body: { clock: deviceClock() } });
      this.#beat(heartbeat);
    }, heartbeat / 2);
  }

  /** The server read its clock half a round trip ago. */
  #setClock(clock: Timestamp): void {
    const halfway = (this.#sentAt + Date.now()) / 2;
    this.#offset = clock - Math.round(halfway * 1000);
  }

  /** Hands the live socket a new token before the old one runs out. */
  #keepToken(): void {
    if (this.#token === undefined) return;
    this.#later(() => void this.#renewToken(), Math.max(0, this.#token.expiresAt - Date.now() - TOKEN_MARGIN_MS));
  }

  async #renewToken(): Promise<void> {
    const transport = this.#transport;
    try {
      const renewed = await this.#options.tokens.access(this.#token?.token);
      if (this.#transport !== transport) return;
      this.#token = renewed;
      this.#ask((req) => ({ kind: 'token', body: { req, token: renewed.token } }));
      this.#keepToken();
    } catch {
      // The server closes when the old one runs out, and connecting asks again, with all its patience.
    }
  }

  #closed(code: number, reason: string): void {
    const tokenRefused = code === TOKEN_EXPIRED || code === FORBIDDEN;
    if (tokenRefused) this.#refusedToken = this.#token?.token;
    this.#drop();
    // A token that is not accepted ends here; open() then asks for another.
    if (reconnects(code)) this.#wait();
    else this.#become({ name: 'closed', code, reason });
  }

  #lost(reason: string): void {
    this.#drop(4000, reason);
    this.#wait();
  }

  #wait(): void {
    this.#failures += 1;
    const wait = this.#delay ?? backoff(this.#failures, this.#options.chance());
    this.#delay = undefined;
    this.#become({ name: 'waiting', until: Date.now() + wait });
    this.#retry = setTimeout(() => void this.#connect(), wait);
  }

  /** Lets go of the socket at hand, whatever its state. */
  #drop(code?: number, reason?: string): void {
    clearTimeout(this.#retry);
    this.#clearTimers();
    const transport = this.#transport;
    this.#transport = undefined;
    this.#commands.disconnected();
    if (transport === undefined) return;
    transport.onopen = transport.onmessage = transport.onclose = null;
    if (code !== undefined) transport.close(code, reason);
  }

  #ask(frame: (req: number) => ClientFrame): number | undefined {
    if (this.#state.name !== 'open') return undefined;
    this.#request += 1;
    this.#send(frame(this.#request));
    return this.#request;
  }

  #send(frame: ClientFrame): void {
    if (frame.kind === 'hello') this.#sentAt = Date.now();
    this.#transport?.send(encodeFrame(frame));
  }

  #later(then: () => void, wait: number): void {
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      then();
    }, wait);
    this.#timers.add(timer);
  }

  #clearTimers(): void {
    for (const timer of this.#timers) clearTimeout(timer);
    this.#timers.clear();
  }

  #become(state: ConnectionState): void {
    this.#state = state;
    this.#options.onState(state);
  }
}

/** The device's clock in whole microseconds. */
function deviceClock(): Timestamp {
  return Math.round(Date.now() * 1000);
}

function waitOf(fault: Fault, chance: number): number {
  return fault.retry_after_ms ?? backoff(3, chance);
}
