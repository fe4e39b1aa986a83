/** UUIDs as text and as their 16 bytes. */

import type { Timestamp, Uuid } from './types';

const FORM = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

export function isUuid(text: string): boolean {
  return FORM.test(text);
}

/** The 16 bytes of `id`. Throws when it is not a UUID in lowercase. */
export function uuidBytes(id: Uuid): Uint8Array {
  if (!isUuid(id)) throw new TypeError(`not a uuid: ${id}`);
  const hex = id.replaceAll('-', '');
  return Uint8Array.from({ length: 16 }, (_, i) => Number.parseInt(hex.slice(2 * i, 2 * i + 2), 16));
}

/** The text of 16 bytes. Throws on another length. */
export function uuidText(bytes: Uint8Array): Uuid {
  if (bytes.length !== 16) throw new TypeError(`a uuid has 16 bytes, not ${bytes.length}`);
  const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-');
}

/**
 * A new UUIDv7 of the moment `at`. Made by hand: `crypto.randomUUID` exists only on secure origins, and a gym
 * may well serve the pages over plain HTTP in its own network.
 */
export function newUuid(at: Timestamp): Uuid {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  let millis = Math.floor(at / 1000);
  for (let i = 5; i >= 0; i -= 1) {
    bytes[i] = millis % 256;
    millis = Math.floor(millis / 256);
  }
  bytes[6] = 0x70 | (bytes[6]! & 0x0f);
  bytes[8] = 0x80 | (bytes[8]! & 0x3f);
  return uuidText(bytes);
}
