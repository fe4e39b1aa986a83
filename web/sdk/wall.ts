/** A coach's wall, folded from `tiles` frames. Pure. A wall never goes back within one activation of its room. */

import type { Attention, Tile, TilesFrame, Uuid } from './types';

export interface Wall {
  readonly activation: Uuid;
  readonly tick: number;
  readonly tiles: ReadonlyMap<Uuid, Tile>;
}

/** Least in need of the coach first. */
const ATTENTION: readonly Attention[] = ['away', 'working', 'resting', 'pr', 'stalled', 'overshoot', 'failed', 'pain'];

/**
 * The wall after one more frame; `undefined` before the first full one. Changes that belong to an earlier tick,
 * or to an activation whose full frame was never seen, are passed over.
 */
export function foldTiles(wall: Wall | undefined, frame: TilesFrame): Wall | undefined {
  const same = wall?.activation === frame.activation;
  if (same && frame.tick < wall.tick) return wall;
  if (!same && !frame.full) return wall;

  const { activation, tick } = frame;
  const tiles = new Map(frame.full ? [] : wall?.tiles);
  for (const athlete of frame.gone ?? []) tiles.delete(athlete);
  for (const tile of frame.tiles) {
    const held = same ? wall.tiles.get(tile.athlete) : undefined;
    tiles.set(tile.athlete, held !== undefined && goesBack(held, tile) ? withPresence(held, tile) : tile);
  }
  return { activation, tick, tiles };
}

/** The tiles in the order a coach needs them: pinned ones, by attention, then who waits longest, then by athlete. */
export function ordered(tiles: Iterable<Tile>): Tile[] {
  return [...tiles].sort(
    (a, b) =>
      Number(b.pinned === true) - Number(a.pinned === true) ||
      ATTENTION.indexOf(b.attention) - ATTENTION.indexOf(a.attention) ||
      a.since - b.since ||
      (a.athlete < b.athlete ? -1 : 1),
  );
}

function goesBack(held: Tile, next: Tile): boolean {
  if (held.glance === undefined || next.glance === undefined) return false;
  return held.glance.session === next.glance.session && next.glance.v < held.glance.v;
}

function withPresence({ presence: _, ...held }: Tile, { presence }: Tile): Tile {
  return presence === undefined ? held : { ...held, presence };
}
