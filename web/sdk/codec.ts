/**
 * MessagePack frames: a list `[kind, body]` with named fields. Ids are 16 bytes there and text here.
 * The server's frames use no floating point, no extension types and no integer a double cannot hold.
 */

import { decode, encode } from '@msgpack/msgpack';
import type { ClientFrame, EntityKind, ServerFrame } from './types';
import { uuidBytes, uuidText } from './uuid';

/** The WebSocket subprotocol these frames belong to. */
export const SUBPROTOCOL = 'spotter.v1.msgpack';

/** The bytes are not a frame of this protocol. */
export class DecodeError extends Error {
  override name = 'DecodeError';
}

/** The fields whose text, or list of texts, is an id. A remark that happens to look like one stays text. */
const ID_FIELDS = new Set([
  'set', 'sets', 'instance', 'client', 'id', 'incarnation', 'athlete', 'after', 'cue', 'group', 'session', 'to', 'with', 'from',
]);
const KINDS = new Set<unknown>(['session', 'room', 'inbox'] satisfies EntityKind[]);

/** Writes a frame of a client. Throws on a number that is not an integer a double holds exactly. */
export function encodeFrame(frame: ClientFrame): Uint8Array<ArrayBuffer> {
  return encode([frame.kind, written(frame.body, '')], { ignoreUndefined: true });
}

/** Reads a frame of a server, of any kind: the caller passes over kinds it does not know. */
export function decodeFrame(bytes: Uint8Array | ArrayBuffer): ServerFrame {
  let envelope: unknown;
  try {
    envelope = read(decode(bytes));
  } catch (error) {
    throw error instanceof DecodeError ? error : new DecodeError(String(error), { cause: error });
  }
  if (!Array.isArray(envelope) || envelope.length !== 2 || typeof envelope[0] !== 'string') {
    throw new DecodeError('not an envelope of kind and body');
  }
  return { kind: envelope[0], body: envelope[1] } as ServerFrame;
}

function written(value: unknown, field: string): unknown {
  if (typeof value === 'string') return ID_FIELDS.has(field) ? uuidBytes(value) : value;
  if (typeof value === 'number') {
    if (!Number.isSafeInteger(value)) throw new RangeError(`${field} is not a whole number: ${value}`);
    return value;
  }
  if (Array.isArray(value)) {
    if (isAddress(value)) return [value[0], uuidBytes(value[1]), uuidBytes(value[2])];
    return value.map((entry) => written(entry, field));
  }
  if (typeof value === 'object' && value !== null) {
    return Object.fromEntries(Object.entries(value).map(([name, inner]) => [name, written(inner, name)]));
  }
  return value;
}

function isAddress(list: unknown[]): list is [string, string, string] {
  return list.length === 3 && KINDS.has(list[0]);
}

function read(value: unknown): unknown {
  if (value instanceof Uint8Array) return uuidText(value);
  if (typeof value === 'number') {
    if (!Number.isSafeInteger(value)) throw new DecodeError(`a number that cannot be held exactly: ${value}`);
    return value;
  }
  if (Array.isArray(value)) return value.map(read);
  if (typeof value === 'object' && value !== null) {
    return Object.fromEntries(Object.entries(value).map(([name, inner]) => [name, read(inner)]));
  }
  return value;
}
