import { describe, expect, it } from 'vitest';
import { goldenJson } from './golden';
import type { Tile, TilesFrame } from './types';
import { foldTiles, ordered } from './wall';

const golden = goldenJson<{ b: TilesFrame }>('server/tiles_full.json').b;
const [failed, away] = golden.tiles as [Tile, Tile];
const full = (rest: Partial<TilesFrame> = {}): TilesFrame => ({ ...golden, ...rest });
const change = (rest: Partial<TilesFrame>): TilesFrame => ({ ...golden, full: false, tiles: [], ...rest });

function at(tile: Tile, v: number): Tile {
  return { ...tile, glance: { ...tile.glance!, v } };
}

describe('a wall', () => {
  it('begins with a full frame', () => {
    expect(foldTiles(undefined, change({ tick: 1 }))).toBeUndefined();
    expect([...foldTiles(undefined, full())!.tiles.keys()]).toEqual([failed.athlete, away.athlete]);
  });

  it('takes changed tiles and lets go of those who left', () => {
    const wall = foldTiles(undefined, full())!;
    const next = foldTiles(wall, change({ tick: 43, tiles: [at(failed, 13)], gone: [away.athlete] }))!;
    expect([...next.tiles.values()]).toEqual([at(failed, 13)]);
    expect(wall.tiles.size).toBe(2);
  });

  it('passes over an earlier tick', () => {
    const wall = foldTiles(undefined, full())!;
    expect(foldTiles(wall, change({ tick: 41, gone: [away.athlete] }))).toBe(wall);
  });

  it('takes changes of another activation only after its full frame', () => {
    const wall = foldTiles(undefined, full())!;
    const activation = away.athlete;
    expect(foldTiles(wall, change({ activation, tick: 99 }))).toBe(wall);
    expect(foldTiles(wall, full({ activation, tick: 1, tiles: [away] }))!.tiles.size).toBe(1);
  });

  it('never shows an older version of a session, but does show who left the room', () => {
    const wall = foldTiles(undefined, full())!;
    const presence = { here: false, since: 5 };
    const next = foldTiles(wall, change({ tick: 43, tiles: [{ ...at(failed, 11), presence }] }))!;
    expect(next.tiles.get(failed.athlete)).toEqual({ ...failed, presence });
  });
});

it('tiles are ordered by attention, then by who waits longest, then by athlete', () => {
  const tile = (athlete: string, attention: Tile['attention'], since: number): Tile => ({ athlete, attention, since });
  const sorted = ordered([
    tile('e', 'away', 0), tile('d', 'pr', 3), tile('c', 'pr', 2), tile('b', 'pr', 2), tile('a', 'failed', 9),
    tile('f', 'stalled', 1), tile('g', 'overshoot', 1), tile('h', 'resting', 1), tile('i', 'working', 1),
  ]);
  expect(sorted.map(({ athlete }) => athlete).join('')).toBe('agfbcdhie');
});
