import { expect, it } from 'vitest';
import { TV_HREF, messagesHref, routeOf, sessionHref } from './route';

const OWNER = '0199c82c-c000-7000-8000-00a1000000a1';
const ID = '0199c82c-c000-7000-8000-005e0000005e';

it('the address bar keeps a session over a reload', () => {
  expect(routeOf(sessionHref(OWNER, ID))).toEqual({ page: 'session', owner: OWNER, id: ID });
});

it.each(['', '#/', '#/session/nobody/nothing', '#/elsewhere'])('%s leads to the wall', (hash) => {
  expect(routeOf(hash)).toEqual({ page: 'wall' });
});

it('a conversation and the screen on the wall have addresses too', () => {
  expect(routeOf(messagesHref(OWNER))).toEqual({ page: 'messages', with: OWNER });
  expect(routeOf(messagesHref())).toEqual({ page: 'messages' });
  expect(routeOf(TV_HREF)).toEqual({ page: 'tv' });
});
