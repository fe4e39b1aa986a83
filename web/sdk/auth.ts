/**
 * Who is signed in on this device, in every tab at once. Refresh tokens are good for one use, and a second use
 * ends the sign-in: tabs therefore take turns, and the one that comes second takes what the first one got.
 */

import { type AccessToken, SignedOut, type TokenSource } from './socket';
import type { LinkPermission, MessageView, Role, Uuid, Version } from './types';

const KEY = 'spotter.sign-in';
const LOCK = 'spotter.refresh';
/** A token with less than this left is not handed out any more. */
const MARGIN_MS = 30_000;
/** Requests that take longer have failed. */
const TIMEOUT_MS = 10_000;

export interface User {
  id: Uuid;
  name: string;
  email: string;
  role: Role;
  gym: { id: Uuid; slug: string; name: string };
}

/** Somebody whose name the caller may see. */
export interface Person {
  id: Uuid;
  name: string;
  role: Role;
  permissions: LinkPermission[];
}

/** An entry of the catalogue, with what these pages use of it. */
export interface CatalogueEntry {
  /** A slug: what the wire calls an exercise. */
  id: string;
  name: string;
  measurementType: string;
  loading: string;
}

/** A refusal by the HTTP API: problem details with a stable code. */
export class Problem extends Error {
  override name = 'Problem';
  constructor(readonly status: number, readonly code: string, text: string) {
    super(text);
  }
}

interface Grant {
  access_token: string;
  /** Seconds. */
  expires_in: number;
  refresh_token: string;
  user: User;
}

interface SignIn {
  access: AccessToken;
  refresh: string;
  user: User;
}

/** Where the sign-in is kept: `localStorage` in a browser. */
export type Store = Pick<Storage, 'getItem' | 'setItem' | 'removeItem'>;

export class Account implements TokenSource {
  #store: Store;
  #turn: Promise<unknown> = Promise.resolve();

  constructor(store: Store = localStorage) {
    this.#store = store;
  }

  /** Who is signed in, if anyone. */
  get user(): User | undefined {
    return this.#held()?.user;
  }

  /** Throws {@link Problem} with `bad_credentials` whether gym, user or password is wrong. */
  async login(gym: string, email: string, password: string): Promise<User> {
    const grant = await call<Grant>('/auth/login', post({ gym, email, password }));
    return this.#keep(grant).user;
  }

  signOut(): void {
    this.#store.removeItem(KEY);
  }

  async me(): Promise<User> {
    return this.#authed<User>('/me');
  }

  /** The caller, those on active links with the caller, and for a gym owner the whole gym. */
  async people(): Promise<Person[]> {
    return (await this.#authed<{ people: Person[] }>('/people')).people;
  }

  /** Every exercise that there is; the browser keeps it. */
  async exercises(): Promise<CatalogueEntry[]> {
    return (await this.#authed<{ exercises: CatalogueEntry[] }>('/exercises')).exercises;
  }

  /** A page of a conversation's history, newest first; `next_before` is absent on the last one. */
  async messages(other: Uuid, before: Version): Promise<{ messages: MessageView[]; next_before?: Version }> {
    return this.#authed(`/messages/${other}?before=${before}`);
  }

  async access(refused?: string): Promise<AccessToken> {
    const good = this.#good(refused);
    return good ?? this.#inTurn(async () => this.#good(refused) ?? (await this.#refresh()).access);
  }

  #good(refused?: string): AccessToken | undefined {
    const access = this.#held()?.access;
    const fresh = access !== undefined && access.token !== refused && access.expiresAt - Date.now() > MARGIN_MS;
    return fresh ? access : undefined;
  }

  async #refresh(): Promise<SignIn> {
    const held = this.#held();
    if (held === undefined) throw new SignedOut('nobody is signed in');
    try {
      return this.#keep(await call<Grant>('/auth/refresh', post({ refresh_token: held.refresh })));
    } catch (error) {
      if (!(error instanceof Problem && error.status === 401)) throw error;
      this.signOut();
      throw new SignedOut('the sign-in has ended', { cause: error });
    }
  }

  /** One refresh at a time: over all tabs where the browser has locks, which it lacks on plain HTTP. */
  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    if (typeof navigator !== 'undefined' && navigator.locks !== undefined) {
      return navigator.locks.request(LOCK, work) as Promise<T>;
    }
    const next = this.#turn.then(work, work);
    this.#turn = next.catch(() => {});
    return next;
  }

  async #authed<T>(path: string): Promise<T> {
    const { token } = await this.access();
    try {
      return await call<T>(path, bearer(token));
    } catch (error) {
      if (!(error instanceof Problem && error.status === 401)) throw error;
      return call<T>(path, bearer((await this.access(token)).token));
    }
  }

  #keep({ access_token, expires_in, refresh_token, user }: Grant): SignIn {
    const access = { token: access_token, expiresAt: Date.now() + expires_in * 1000 };
    const signIn: SignIn = { access, refresh: refresh_token, user };
    this.#store.setItem(KEY, JSON.stringify(signIn));
    return signIn;
  }

  #held(): SignIn | undefined {
    const text = this.#store.getItem(KEY);
    if (text === null) return undefined;
    try {
      return JSON.parse(text) as SignIn;
    } catch {
      this.signOut();
      return undefined;
    }
  }
}

function post(body: object): RequestInit {
  return { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) };
}

function bearer(token: string): RequestInit {
  return { headers: { authorization: `Bearer ${token}` } };
}

async function call<T>(path: string, init: RequestInit): Promise<T> {
  const response = await fetch(`/api/v1${path}`, { ...init, signal: AbortSignal.timeout(TIMEOUT_MS) });
  if (response.ok) return (await response.json()) as T;
  const problem = (await response.json().catch(() => ({}))) as { code?: string; title?: string; detail?: string };
  const text = problem.detail ?? problem.title ?? `the server answered ${response.status}`;
  throw new Problem(response.status, problem.code ?? 'unknown', text);
}
