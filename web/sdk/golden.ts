/** The golden files that the protocol crate writes and holds still. For tests only: it reads the disk. */

import { readFileSync, readdirSync } from 'node:fs';

const FOLDER = new URL('../../protocol/golden/', import.meta.url);

/** The JSON of a golden file. */
export function goldenJson<T>(name: string): T {
  return JSON.parse(readFileSync(new URL(name, FOLDER), 'utf8')) as T;
}

/** The bytes of a golden file. */
export function goldenBytes(name: string): Uint8Array {
  return new Uint8Array(readFileSync(new URL(name, FOLDER)));
}

/** The names in a sub-folder that end in `ending`, without it. */
export function goldenNames(folder: string, ending: string): string[] {
  const names = readdirSync(new URL(`./${folder}`, FOLDER)).filter((name) => name.endsWith(ending));
  return names.map((name) => name.slice(0, -ending.length)).sort();
}
