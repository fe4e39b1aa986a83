import { expect, it } from 'vitest';
import { backoff } from './backoff';

it('waits anywhere between nothing and a bound that doubles up to thirty seconds', () => {
  const bounds = [1, 2, 3, 6, 7, 8, 100].map((failures) => backoff(failures, 1));
  expect(bounds).toEqual([500, 1_000, 2_000, 16_000, 30_000, 30_000, 30_000]);
  expect(backoff(100, 0)).toBe(0);
});
