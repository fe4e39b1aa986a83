/** Which page the address bar names. Kept in the hash, so that a reload needs nothing of the server. */

import type { Uuid } from '../sdk/types';
import { isUuid } from '../sdk/uuid';

export type Route = { page: 'wall' } | { page: 'session'; owner: Uuid; id: Uuid };

/** The route of a hash; the wall for anything else. */
export function routeOf(hash: string): Route {
  const [, page, owner = '', id = ''] = hash.replace(/^#/, '').split('/');
  return page === 'session' && isUuid(owner) && isUuid(id) ? { page, owner, id } : { page: 'wall' };
}

export const WALL_HREF = '#/';

export function sessionHref(owner: Uuid, id: Uuid): string {
  return `#/session/${owner}/${id}`;
}
