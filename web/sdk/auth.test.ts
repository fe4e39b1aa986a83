import { beforeEach, describe, expect, it, vi } from 'vitest';
import { Account, type Store } from './auth';
import { SignedOut } from './socket';

const user = { id: 'u', name: 'Ada', email: 'ada@gym.test', role: 'coach', gym: { id: 'g', slug: 'gym', name: 'Gym' } };

/** What tabs of one browser share. */
class SharedStore implements Store {
  values = new Map<string, string>();
  getItem = (key: string): string | null => this.values.get(key) ?? null;
  setItem = (key: string, value: string): void => void this.values.set(key, value);
  removeItem = (key: string): void => void this.values.delete(key);
}

let store: SharedStore;
let calls: { path: string; body: unknown; token: string | null }[];
let answers: (path: string) => { status?: number; body: unknown };
let issued: number;

/** Each grant is for fifteen minutes. */
function grant(): { body: unknown } {
  issued += 1;
  return { body: { access_token: `a${issued}`, refresh_token: `r${issued}`, expires_in: 900, user } };
}

beforeEach(() => {
  vi.useFakeTimers({ now: 1_760_000_000_000 });
  store = new SharedStore();
  calls = [];
  issued = 0;
  answers = grant;
  // One lock per browser, as `navigator.locks` gives it to all tabs.
  let turn: Promise<unknown> = Promise.resolve();
  const request = (_: string, work: () => Promise<unknown>): Promise<unknown> => (turn = turn.then(work, work));
  vi.stubGlobal('navigator', { locks: { request } });
  vi.stubGlobal('fetch', async (path: string, init: RequestInit) => {
    const headers = new Headers(init.headers);
    calls.push({ path, body: JSON.parse(String(init.body ?? 'null')), token: headers.get('authorization') });
    const { status = 200, body } = answers(path);
    return new Response(JSON.stringify(body), { status });
  });
});

async function signedIn(): Promise<Account> {
  const account = new Account(store);
  await account.login('gym', 'ada@gym.test', 'secret');
  calls.length = 0;
  return account;
}

describe('a sign-in', () => {
  it('is kept over a reload', async () => {
    await signedIn();
    expect(new Account(store).user).toEqual(user);
  });

  it('that is refused says so with its code', async () => {
    answers = () => ({ status: 401, body: { code: 'bad_credentials', title: 'no' } });
    await expect(new Account(store).login('gym', 'x', 'y')).rejects.toMatchObject({ code: 'bad_credentials' });
    expect(new Account(store).user).toBeUndefined();
  });
});

describe('a token', () => {
  it('is used until shortly before its end', async () => {
    const account = await signedIn();
    expect((await account.access()).token).toBe('a1');
    vi.advanceTimersByTime(880_000);
    expect((await account.access()).token).toBe('a2');
    expect(calls).toMatchObject([{ path: '/api/v1/auth/refresh', body: { refresh_token: 'r1' } }]);
  });

  it('that the server refused is replaced', async () => {
    const account = await signedIn();
    expect((await account.access('a1')).token).toBe('a2');
  });

  it('is refreshed by one tab, and the other takes it', async () => {
    const [one, other] = [await signedIn(), new Account(store)];
    const got = await Promise.all([one.access('a1'), other.access('a1')]);
    expect(got.map(({ token }) => token)).toEqual(['a2', 'a2']);
    expect(calls).toHaveLength(1);
  });

  it('is refreshed once, too, where the browser has no locks', async () => {
    vi.stubGlobal('navigator', {});
    const account = await signedIn();
    await Promise.all([account.access('a1'), account.access('a1')]);
    expect(calls).toHaveLength(1);
  });

  it('that cannot be refreshed ends the sign-in', async () => {
    const account = await signedIn();
    answers = () => ({ status: 401, body: { code: 'bad_refresh_token' } });
    await expect(account.access('a1')).rejects.toThrow(SignedOut);
    expect(account.user).toBeUndefined();
  });

  it('survives a server that is away', async () => {
    const account = await signedIn();
    answers = () => ({ status: 503, body: { code: 'unavailable' } });
    await expect(account.access('a1')).rejects.toMatchObject({ status: 503 });
    expect(account.user).toEqual(user);
  });
});

it('a request with a token that just ran out is made again with a new one', async () => {
  const account = await signedIn();
  answers = (path) => {
    if (path.endsWith('/refresh')) return grant();
    return calls.at(-1)!.token === 'Bearer a1' ? { status: 401, body: {} } : { body: { people: [] } };
  };
  await expect(account.people()).resolves.toEqual([]);
  expect(calls.map(({ token }) => token)).toEqual(['Bearer a1', null, 'Bearer a2']);
});
