/** Which page the address bar names. Kept in the hash, so that a reload needs nothing of the server. */

import type { Uuid } from '../sdk/types';
import { isUuid } from '../sdk/uuid';

export type Route =
  | { page: 'wall' }
  | { page: 'tv' }
  | { page: 'session'; owner: Uuid; id: Uuid }
  | { page: 'messages'; with?: Uuid };

/** The route of a hash; the wall for anything else. */
export function routeOf(hash: string): Route {
  const [, page, first = '', second = ''] = hash.replace(/^#/, '').split('/');
  if (page === 'tv') return { page };
  if (page === 'session' && isUuid(first) && isUuid(second)) return { page, owner: first, id: second };
  if (page === 'messages') return { page, ...(isUuid(first) && { with: first }) };
  return { page: 'wall' };
}

export const WALL_HREF = '#/';
export const TV_HREF = '#/tv';

/** The conversations, or the one with somebody. */
export function messagesHref(other?: Uuid): string {
  return other === undefined ? '#/messages' : `#/messages/${other}`;
}

export function sessionHref(owner: Uuid, id: Uuid): string {
  return `#/session/${owner}/${id}`;
}
