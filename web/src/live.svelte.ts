/** What is live on this page: the connection, the people behind the ids, the inbox, and the server's clock. */

import { Account, type Person, type User } from '../sdk/auth';
import { Refused } from '../sdk/commands';
import { EMPTY_INBOX, applyInboxEvent, isInboxEvent, unreadMessages, unreadNotifications } from '../sdk/inbox';
import { type Kept, openOutbox } from '../sdk/outbox';
import { Connection, type ConnectionState } from '../sdk/socket';
import type { Address, Command, Fault, InboxView, LinkPermission, Timestamp, Uuid, Version, Welcome } from '../sdk/types';
import { CueDesk } from './cues.svelte';
import { commandWord, refusalText } from './words';

/** How often ages and countdowns move. */
const TICK_MS = 1_000;
/** How often the people are asked for again while some tile has no name. */
const PEOPLE_AGAIN_MS = 15_000;
/** Refusals shown at once; the oldest goes first. */
const REFUSALS_MAX = 5;
/** How long somebody is shown as writing after they were. */
const TYPING_US = 6_000_000;

export class Live {
  readonly account = new Account();
  readonly connection: Connection;
  readonly cues = new CueDesk(this);
  user = $state<User>();
  state = $state.raw<ConnectionState>({ name: 'connecting' });
  welcome = $state.raw<Welcome>();
  /** The server's clock, moving once a second. */
  now = $state<Timestamp>(Date.now() * 1000);
  /** When the connection was last seen open; what is shown is from then. */
  openUntil = $state<Timestamp>();
  /** Absent until it is known, and where there is none. */
  inbox = $state.raw<InboxView>();
  inboxOutdated = $state(false);
  /** Commands without a final answer. */
  waiting = $state(0);
  /** Whether these outlive the page; absent until that is known. */
  durable = $state<boolean>();
  /** What was refused after nobody waited for it any more. */
  refusals = $state.raw<readonly string[]>([]);
  #pendingVersion = $state(0);
  #typing = $state.raw<ReadonlyMap<Uuid, Timestamp>>(new Map());
  #people = $state.raw<ReadonlyMap<Uuid, Person>>(new Map());
  #peopleAskedAt = -Infinity;

  constructor() {
    this.connection = new Connection({
      url: `${location.protocol === 'https:' ? 'wss' : 'ws'}://${location.host}/v1/socket`,
      tokens: this.account,
      outbox: () => openOutbox(this.user?.id ?? '', Date.now() * 1000),
      onState: (state) => {
        this.state = state;
        if (state.name === 'open') this.openUntil = undefined;
        else this.openUntil ??= this.connection.now();
      },
      onWelcome: (welcome) => {
        this.welcome = welcome;
        this.now = this.connection.now();
        this.#askPeople();
      },
      onPending: () => {
        this.waiting = this.connection.waiting;
        this.durable = this.connection.durable;
        this.#pendingVersion += 1;
      },
      onRefusedLater: ({ command }, fault) => this.complain(`${commandWord(command)}: ${refusalText(fault)}`),
    });
    this.user = this.account.user;
    if (this.user !== undefined) this.#begin(this.user.id);
    setInterval(() => (this.now = this.connection.now()), TICK_MS);
    addEventListener('beforeunload', (leaving) => {
      if (this.waiting > 0 && this.durable === false) leaving.preventDefault();
    });
    addEventListener('online', () => this.connection.wake());
    document.addEventListener('visibilitychange', () => {
      if (document.visibilityState === 'visible') this.connection.wake();
    });
    // Another tab signed in or out.
    addEventListener('storage', () => {
      if (this.account.user?.id !== this.user?.id) location.reload();
    });
  }

  /** What somebody is called; their id's last digits until the names are here. */
  nameOf(id: Uuid): string {
    return this.#people.get(id)?.name ?? (id === this.user?.id ? this.user.name : `… ${id.slice(-4)}`);
  }

  /** Whether a link lets this user do that for an athlete. */
  may(athlete: Uuid, permission: LinkPermission): boolean {
    return this.#people.get(athlete)?.permissions.includes(permission) === true;
  }

  /** Those this user knows, by name, without the user. */
  get people(): Person[] {
    const others = [...this.#people.values()].filter(({ id }) => id !== this.user?.id);
    return others.sort((a, b) => a.name.localeCompare(b.name));
  }

  get unreadMessages(): number {
    return this.inbox === undefined ? 0 : unreadMessages(this.inbox);
  }

  get unreadNotifications(): number {
    return this.inbox === undefined ? 0 : unreadNotifications(this.inbox);
  }

  /** Whether somebody is writing to this user just now. */
  isTyping(person: Uuid): boolean {
    return this.now - (this.#typing.get(person) ?? -Infinity) < TYPING_US;
  }

  /** The server's clock minus this device's, in microseconds. */
  get offset(): number {
    return this.connection.now() - Math.round(Date.now() * 1000);
  }

  /** The commands for an entity that have no final answer yet, in order. */
  pending(to: Address): readonly Kept[] {
    void this.#pendingVersion;
    return this.connection.pending(to);
  }

  /** Gives a command. Answers the refusal, as a person reads it; nothing when it was done. */
  async command(to: Address, command: Command): Promise<string | undefined> {
    const outcome = await this.ask(to, command);
    return typeof outcome === 'number' ? undefined : refusalText(outcome);
  }

  /** Gives a command. Answers the version that holds its events, or why it was refused. */
  async ask(to: Address, command: Command): Promise<Version | Fault> {
    try {
      return await this.connection.command(to, command);
    } catch (error) {
      if (error instanceof Refused) return error.fault;
      throw error;
    }
  }

  /** Gives a command that nobody waits for; a refusal is shown above the page. */
  async give(to: Address, command: Command): Promise<void> {
    const refusal = await this.command(to, command);
    if (refusal !== undefined) this.complain(`${commandWord(command)}: ${refusal}`);
  }

  complain(text: string): void {
    this.refusals = [...this.refusals, text].slice(-REFUSALS_MAX);
  }

  forgive(text: string): void {
    this.refusals = this.refusals.filter((refusal) => refusal !== text);
  }

  /** Asks for the names again, now and then, when somebody new is on the wall. */
  meet(ids: Iterable<Uuid>): void {
    const strangers = [...ids].some((id) => !this.#people.has(id));
    if (strangers && Date.now() - this.#peopleAskedAt > PEOPLE_AGAIN_MS) this.#askPeople();
  }

  async signIn(gym: string, email: string, password: string): Promise<void> {
    const before = this.user?.id;
    const user = await this.account.login(gym, email, password);
    // What this page holds belongs to whoever was signed in before.
    if (before !== undefined && before !== user.id) return location.reload();
    this.user = user;
    if (before === undefined) this.#begin(user.id);
    else this.connection.open();
  }

  signOut(): void {
    this.account.signOut();
    this.connection.close();
    // What was shown belongs to whoever was signed in.
    location.replace(location.pathname);
  }

  #begin(user: Uuid): void {
    this.connection.follow(['inbox', user, user], {
      snapshot: ({ state }) => {
        if ('inbox' in state) this.inbox = state.inbox;
      },
      events: (events) => {
        this.inbox = events.reduce(applyInboxEvent, this.inbox ?? EMPTY_INBOX);
        this.inboxOutdated ||= !events.every(isInboxEvent);
      },
      signal: ({ key, by, at }) => {
        if (key === 'typing') this.#typing = new Map(this.#typing).set(by, at);
      },
      current: () => (this.inbox ??= EMPTY_INBOX),
      forget: () => (this.inbox = undefined),
      refused: () => (this.inbox = undefined),
    });
    this.connection.open();
  }

  #askPeople(): void {
    this.#peopleAskedAt = Date.now();
    this.account.people().then(
      (people) => (this.#people = new Map(people.map((person) => [person.id, person]))),
      (error: unknown) => console.warn('the names could not be fetched', error),
    );
  }
}
