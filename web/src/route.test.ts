import { expect, it } from 'vitest';
import { routeOf, sessionHref } from './route';

const OWNER = '0199c82c-c000-7000-8000-00a1000000a1';
const ID = '0199c82c-c000-7000-8000-005e0000005e';

it('the address bar keeps a session over a reload', () => {
  expect(routeOf(sessionHref(OWNER, ID))).toEqual({ page: 'session', owner: OWNER, id: ID });
});

it.each(['', '#/', '#/session/nobody/nothing', '#/elsewhere'])('%s leads to the wall', (hash) => {
  expect(routeOf(hash)).toEqual({ page: 'wall' });
});
