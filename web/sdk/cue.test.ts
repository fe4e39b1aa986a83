import { expect, it } from 'vitest';
import { cueOnTile, cuesFor, furthest } from './cue';
import type { Tile } from './types';

const targets = ['a', 'b', 'c'].map((athlete) => ({ athlete, session: `${athlete}s` }));

it('one cue to many is a command for each session, tied by a group', () => {
  const cues = cuesFor(targets, 'rack it', 0, 60_000);
  expect(cues.map(({ to }) => to)).toEqual([['session', 'a', 'as'], ['session', 'b', 'bs'], ['session', 'c', 'cs']]);
  expect(new Set(cues.map(({ command }) => command.cue.group)).size).toBe(1);
  expect(new Set(cues.map(({ command }) => command.cue.cue)).size).toBe(3);
  expect(cues[0]!.command.cue).toMatchObject({ text: 'rack it', expires_ms: 60_000 });
});

it('a cue to one has no group, and need not expire', () => {
  const [cue] = cuesFor(targets.slice(0, 1), 'brace', 0);
  expect(Object.keys(cue!.command.cue).sort()).toEqual(['cue', 'text']);
});

it('a receipt never goes back', () => {
  expect(furthest('seen', 'delivered')).toBe('seen');
  expect(furthest('sent', 'acted')).toBe('acted');
});

it('a tile speaks of its own newest cue only', () => {
  const tile = { glance: { cue: { cue: 'x', state: 'seen', at: 0 } } } as Tile;
  expect(cueOnTile(tile, 'x')).toBe('seen');
  expect(cueOnTile(tile, 'y')).toBeUndefined();
});
