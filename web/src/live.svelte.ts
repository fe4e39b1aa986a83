/** What is live on this page: the connection, the people behind the ids, and the server's clock. */

import { Account, type Person, type User } from '../sdk/auth';
import { Connection, type ConnectionState } from '../sdk/socket';
import type { Timestamp, Uuid, Welcome } from '../sdk/types';

/** How often ages and countdowns move. */
const TICK_MS = 1_000;
/** How often the people are asked for again while some tile has no name. */
const PEOPLE_AGAIN_MS = 15_000;

export class Live {
  readonly account = new Account();
  readonly connection: Connection;
  user = $state<User>();
  state = $state.raw<ConnectionState>({ name: 'connecting' });
  welcome = $state.raw<Welcome>();
  /** The server's clock, moving once a second. */
  now = $state<Timestamp>(Date.now() * 1000);
  /** When the connection was last seen open; what is shown is from then. */
  openUntil = $state<Timestamp>();
  #people = $state.raw<ReadonlyMap<Uuid, Person>>(new Map());
  #peopleAskedAt = -Infinity;

  constructor() {
    this.connection = new Connection({
      url: `${location.protocol === 'https:' ? 'wss' : 'ws'}://${location.host}/v1/socket`,
      tokens: this.account,
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
    });
    this.user = this.account.user;
    if (this.user !== undefined) this.connection.open();
    setInterval(() => (this.now = this.connection.now()), TICK_MS);
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

  /** Asks for the names again, now and then, when somebody new is on the wall. */
  meet(ids: Iterable<Uuid>): void {
    const strangers = [...ids].some((id) => !this.#people.has(id));
    if (strangers && Date.now() - this.#peopleAskedAt > PEOPLE_AGAIN_MS) this.#askPeople();
  }

  async signIn(gym: string, email: string, password: string): Promise<void> {
    this.user = await this.account.login(gym, email, password);
    this.connection.open();
  }

  signOut(): void {
    this.account.signOut();
    this.connection.close();
    // What was shown belongs to whoever was signed in.
    location.replace(location.pathname);
  }

  #askPeople(): void {
    this.#peopleAskedAt = Date.now();
    this.account.people().then(
      (people) => (this.#people = new Map(people.map((person) => [person.id, person]))),
      (error: unknown) => console.warn('the names could not be fetched', error),
    );
  }
}
