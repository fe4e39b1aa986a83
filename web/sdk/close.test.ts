import { expect, it } from 'vitest';
import { reconnects } from './close';
import { goldenJson } from './golden';

it.each(goldenJson<{ code: number; reconnects: boolean }[]>('closes.json'))(
  'a close with $code means coming back: $reconnects',
  ({ code, reconnects: back }) => expect(reconnects(code)).toBe(back),
);
