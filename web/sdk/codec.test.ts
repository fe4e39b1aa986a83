import { encode } from '@msgpack/msgpack';
import { describe, expect, it } from 'vitest';
import { DecodeError, decodeFrame, encodeFrame } from './codec';
import { goldenBytes, goldenJson, goldenNames } from './golden';
import type { ClientFrame } from './types';
import { isUuid, newUuid, uuidBytes, uuidText } from './uuid';

interface JsonFrame {
  k: string;
  b: unknown;
}

describe.each(['client', 'server'])('frames of a %s', (side) => {
  it.each(goldenNames(side, '.json'))('%s reads the same from both codecs', (name) => {
    const twin = goldenJson<JsonFrame>(`${side}/${name}.json`);

    const frame = decodeFrame(goldenBytes(`${side}/${name}.msgpack`));

    expect(frame).toEqual({ kind: twin.k, body: twin.b });
  });
});

describe('what this client writes', () => {
  it.each(goldenNames('client', '.json'))('%s is written byte by byte as the server expects', (name) => {
    const twin = goldenJson<JsonFrame>(`client/${name}.json`);

    const bytes = encodeFrame({ kind: twin.k, body: twin.b } as ClientFrame);

    expect(bytes).toEqual(goldenBytes(`client/${name}.msgpack`));
  });

  it('leaves out what is undefined', () => {
    const bare = encodeFrame({ kind: 'subscribe', body: { req: 1, to: ['room', ID, ID] } });
    const spelled = { req: 1, to: ['room', ID, ID], since: undefined } as unknown as { req: number; to: ['room', string, string] };
    expect(encodeFrame({ kind: 'subscribe', body: spelled })).toEqual(bare);
  });

  it('keeps a remark that looks like an id as text', () => {
    const body = { ...goldenJson<{ b: object }>('client/command_note.json').b, do: { note: { text: ID } } };
    const frame = decodeFrame(encodeFrame({ kind: 'command', body } as unknown as ClientFrame));
    expect((frame.body as unknown as { do: unknown }).do).toEqual({ note: { text: ID } });
  });

  it('refuses fractions, which no frame holds', () => {
    expect(() => encodeFrame({ kind: 'ping', body: { clock: 1.5 } })).toThrow(RangeError);
  });
});

describe('what this client refuses', () => {
  it.each([
    ['an empty frame', new Uint8Array()],
    ['bytes that end too early', new Uint8Array([0x92, 0xa4])],
    ['a list without kind', encode([1, {}])],
    ['a number it would round', encode(['pong', { clock: 2n ** 60n }], { useBigInt64: true })],
    ['an id of another length', encode(['pong', { clock: new Uint8Array(5) }])],
  ])('%s', (_, bytes) => {
    expect(() => decodeFrame(bytes)).toThrow(DecodeError);
  });
});

describe('ids', () => {
  it('go to bytes and back', () => {
    expect(uuidText(uuidBytes(ID))).toBe(ID);
    expect(() => uuidBytes('session')).toThrow(TypeError);
  });

  it('that are new carry their moment and are of version 7', () => {
    const made = newUuid(1_760_000_000_000_000);
    expect(isUuid(made)).toBe(true);
    expect(made).toMatch(/^0199c82c-c000-7...-[89ab]/);
    expect(newUuid(0)).not.toBe(newUuid(0));
  });
});

const ID = '0199c82c-c000-7000-8000-00a1000000a1';
