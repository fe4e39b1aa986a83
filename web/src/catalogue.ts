/** The movements one may choose from. */

import type { Account, CatalogueEntry } from '../sdk/auth';
import type { LoadKind, Movement, Timestamp } from '../sdk/types';
import { newUuid } from '../sdk/uuid';

let fetched: Promise<CatalogueEntry[]> | undefined;

/** The catalogue, fetched once; empty while the server cannot be reached. */
export async function catalogue(account: Account): Promise<CatalogueEntry[]> {
  fetched ??= account.exercises();
  try {
    return await fetched;
  } catch {
    fetched = undefined;
    return [];
  }
}

/** A new place in a session for what was typed: an entry by its name, or a movement nobody has listed. */
export function movementOf(entries: readonly CatalogueEntry[], typed: string, now: Timestamp): Movement | undefined {
  const name = typed.trim();
  const entry = entries.find((each) => each.name.toLowerCase() === name.toLowerCase());
  const exercise = entry?.id ?? slug(name);
  if (exercise === '') return undefined;
  return { instance: newUuid(now), exercise, name: entry?.name ?? name, load_kind: entry === undefined ? 'external' : loadKind(entry) };
}

/** Whether a set of it is measured in time. */
export function isTimed(entries: readonly CatalogueEntry[], { exercise }: Movement): boolean {
  return entries.find(({ id }) => id === exercise)?.measurementType.includes('time') === true;
}

function loadKind({ measurementType, loading }: CatalogueEntry): LoadKind {
  if (loading === 'stack') return 'stack';
  if (measurementType === 'weighted_bodyweight_reps') return 'bodyweight';
  if (measurementType === 'assisted_weight_reps') return 'assisted';
  return measurementType.startsWith('weight') ? 'external' : 'none';
}

/** 1 to 64 of `a-z0-9-`. */
function slug(name: string): string {
  const plain = name.normalize('NFKD').toLowerCase().replace(/[^a-z0-9]+/g, '-');
  return plain.slice(0, 64).replace(/^-+|-+$/g, '');
}
