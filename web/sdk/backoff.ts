/** How long to wait before the next attempt: full jitter, so that a gym's screens do not return as one. */

/** The first wait is anywhere between nothing and this. */
const FIRST_MS = 500;
/** No wait is longer. */
const LONGEST_MS = 30_000;

/** Milliseconds to wait after `failures` failed attempts, at least one. `chance` is in 0 to 1, one excluded. */
export function backoff(failures: number, chance: number): number {
  const longest = Math.min(LONGEST_MS, FIRST_MS * 2 ** (failures - 1));
  return Math.floor(chance * longest);
}
