import { expect, it, vi } from 'vitest';
import { Acks } from './acks';
import type { Address, Version } from './types';

const ME = '0199c82c-c000-7000-8000-00a1000000a1';
const OTHER = '0199c82c-c000-7000-8000-00a2000000a2';
const INBOX: Address = ['inbox', ME, ME];
const SESSION: Address = ['session', ME, OTHER];

function acks(): { acks: Acks; told: [Address, Version][][] } {
  vi.useFakeTimers();
  const told: [Address, Version][][] = [];
  const made = new Acks({ ack: (seen) => told.push(seen), later: (then, wait) => void setTimeout(then, wait) });
  made.connected(ME);
  return { acks: made, told };
}

it('the first is told at once, what follows no more than once a second', () => {
  const { acks: made, told } = acks();
  made.seen(INBOX, 1);
  made.seen(INBOX, 2);
  made.seen(SESSION, 5);
  made.seen(INBOX, 3);
  expect(told).toEqual([[[INBOX, 1]]]);
  vi.advanceTimersByTime(1_000);
  expect(told.slice(1)).toEqual([[[INBOX, 3], [SESSION, 5]]]);
  vi.advanceTimersByTime(10_000);
  expect(told).toHaveLength(2);
});

it('what belongs to others is their own devices’ to tell', () => {
  const { acks: made, told } = acks();
  made.seen(['session', OTHER, ME], 4);
  made.seen(['room', ME, ME], 4);
  expect(told).toEqual([]);
});
