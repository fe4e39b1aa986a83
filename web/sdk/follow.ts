/**
 * What a client follows: which version it has of each entity, and whom to tell. Subscriptions outlive their
 * connections; on the next one they go on from the version they have. Every version is told once, in order,
 * or a snapshot replaces what was missed.
 */

import type {
  Address, EventsFrame, Fault, PublishedEvent, Reply, ShownSignal, SnapshotFrame, Subscribe, TilesFrame, Uuid, Version,
  View,
} from './types';

/** Who is told of an entity. */
export interface Follower {
  /** Replaces whatever was held. */
  snapshot(frame: SnapshotFrame): void;
  /** Consecutive events, each version once. */
  events(events: PublishedEvent[]): void;
  /** Tiles of a room; not numbered by versions. */
  tiles?(frame: TilesFrame): void;
  /** Everything up to `v` has been told. */
  current?(v: Version): void;
  /** What was held belongs to another history: a server restored from a backup, say. */
  forget?(): void;
  /** A live value that nobody keeps. */
  signal?(signal: ShownSignal): void;
  /** The server does not show this entity, or not any more (`revoked`); it will not be asked again on this connection. */
  refused?(fault: Fault): void;
}

/** How frames leave: each returns the number of its request, or `undefined` without an open connection. */
export interface FollowPort {
  subscribe(body: Omit<Subscribe, 'req'>): number | undefined;
  unsubscribe(to: Address): number | undefined;
  /** Everything up to `v` has been told. */
  seen(to: Address, v: Version): void;
  /** Calls `then` after `fault.retry_after_ms`, or a back-off, unless the connection ends first. */
  later(fault: Fault, then: () => void): void;
}

interface Followed {
  to: Address;
  view: View | undefined;
  follower: Follower;
  since: Version | undefined;
  /** The subscription under way, if any. */
  req: number | undefined;
}

export class Follows {
  #port: FollowPort;
  #followed = new Map<string, Followed>();
  #incarnation: Uuid | undefined;

  constructor(port: FollowPort) {
    this.#port = port;
  }

  /** The history that the held versions are from. */
  get incarnation(): Uuid | undefined {
    return this.#incarnation;
  }

  /** Follows an entity until the returned function is called. One follower per entity: a later one takes its place. */
  follow(to: Address, follower: Follower, view?: View): () => void {
    const key = to.join('/');
    const followed: Followed = { to, view, follower, since: undefined, req: undefined };
    this.#followed.set(key, followed);
    this.#subscribe(followed);
    return () => {
      if (this.#followed.get(key) !== followed) return;
      this.#followed.delete(key);
      this.#port.unsubscribe(to);
    };
  }

  /** A connection is open and serves this history. */
  connected(incarnation: Uuid): void {
    const sameHistory = this.#incarnation === incarnation;
    this.#incarnation = incarnation;
    for (const followed of this.#followed.values()) {
      if (!sameHistory && followed.since !== undefined) {
        followed.since = undefined;
        followed.follower.forget?.();
      }
      this.#subscribe(followed);
    }
  }

  snapshot(frame: SnapshotFrame): void {
    const followed = this.#of(frame.to);
    if (followed === undefined) return;
    followed.since = frame.v;
    followed.follower.snapshot(frame);
    this.#port.seen(frame.to, frame.v);
  }

  events(frame: EventsFrame): void {
    const followed = this.#of(frame.to);
    if (followed === undefined) return;
    const held = followed.since ?? 0;
    const news = frame.events.filter((event) => event.v > held);
    const first = news[0];
    if (first === undefined) return;
    if (first.v > held + 1) {
      // Asked again from what is held; while an answer is under way, its reply will show what is missing.
      if (followed.req === undefined) this.#subscribe(followed);
      return;
    }
    followed.since = news[news.length - 1]!.v;
    followed.follower.events(news);
    this.#port.seen(frame.to, followed.since);
  }

  tiles(frame: TilesFrame): void {
    this.#of(frame.to)?.follower.tiles?.(frame);
  }

  signal(signal: ShownSignal): void {
    this.#of(signal.to)?.follower.signal?.(signal);
  }

  /** The right to follow has ended. */
  revoked(to: Address): void {
    const followed = this.#of(to);
    if (followed === undefined) return;
    followed.since = undefined;
    followed.req = undefined;
    followed.follower.refused?.({ code: 'revoked', text: 'you may not see this any more', kind: 'permanent' });
  }

  /** Takes the answer to a subscription; false when the request is none of these. */
  answer(reply: Reply): boolean {
    const followed = [...this.#followed.values()].find(({ req }) => req !== undefined && req === reply.req);
    if (followed === undefined) return false;
    followed.req = undefined;
    if (reply.error?.kind === 'permanent') {
      followed.follower.refused?.(reply.error);
    } else if (reply.error !== undefined) {
      this.#port.later(reply.error, () => this.#subscribe(followed));
    } else if ((followed.since ?? 0) < (reply.v ?? 0)) {
      // Versions are missing that should have come before this reply: begin from nothing.
      followed.since = undefined;
      this.#subscribe(followed);
    } else {
      followed.since ??= 0;
      followed.follower.current?.(followed.since);
      this.#port.seen(followed.to, followed.since);
    }
    return true;
  }

  #subscribe(followed: Followed): void {
    if (this.#of(followed.to) !== followed) return;
    const { to, since, view } = followed;
    const wish = { to, ...(since === undefined ? {} : { since }), ...(view === undefined ? {} : { view }) };
    followed.req = this.#port.subscribe(wish);
  }

  #of(to: Address): Followed | undefined {
    return this.#followed.get(to.join('/'));
  }
}
