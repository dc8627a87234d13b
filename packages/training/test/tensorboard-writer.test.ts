import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { TensorboardWriter } from "../src/index.js";
import { crc32c } from "../src/run/crc32c.js";

let folder = "";
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "semiseg-events-"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

type Decoded = Map<number, (bigint | number | Uint8Array)[]>;

/** A decoder written from the protocol buffer wire format alone. */
function decode(bytes: Uint8Array): Decoded {
  const out: Decoded = new Map();
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let at = 0;
  const varint = (): bigint => {
    let value = 0n;
    for (let shift = 0n; ; shift += 7n) {
      const byte = bytes[at++]!;
      value |= BigInt(byte & 0x7f) << shift;
      if (byte < 0x80) return value;
    }
  };
  while (at < bytes.length) {
    const key = Number(varint());
    let value: bigint | number | Uint8Array;
    if ((key & 7) === 0) value = varint();
    else if ((key & 7) === 1) {
      value = view.getFloat64(at, true);
      at += 8;
    } else if ((key & 7) === 5) {
      value = view.getFloat32(at, true);
      at += 4;
    } else {
      const length = Number(varint());
      value = bytes.subarray(at, at + length);
      at += length;
    }
    out.set(key >> 3, [...(out.get(key >> 3) ?? []), value]);
  }
  expect(at).toBe(bytes.length);
  return out;
}

function events(path: string): Decoded[] {
  const bytes = readFileSync(path);
  const out: Decoded[] = [];
  const unmasked = (value: number): number => {
    const rotated = (value - 0xa282ead8) >>> 0;
    return ((rotated >>> 17) | (rotated << 15)) >>> 0;
  };
  for (let at = 0; at < bytes.length; ) {
    const length = Number(bytes.readBigUInt64LE(at));
    expect(unmasked(bytes.readUInt32LE(at + 8))).toBe(crc32c(bytes.subarray(at, at + 8)));
    const data = bytes.subarray(at + 12, at + 12 + length);
    expect(unmasked(bytes.readUInt32LE(at + 12 + length))).toBe(crc32c(data));
    out.push(decode(data));
    at += length + 16;
  }
  return out;
}

const text = (value: unknown): string => new TextDecoder().decode(value as Uint8Array);
const inner = (event: Decoded, field: number, index = 0): Decoded => decode(event.get(field)![index] as Uint8Array);

describe("crc32c", () => {
  it("gives the check values of RFC 3720", () => {
    expect(crc32c(new TextEncoder().encode("123456789"))).toBe(0xe3069283);
    expect(crc32c(new Uint8Array(32))).toBe(0x8a9136aa);
  });
});

describe("TensorboardWriter", () => {
  it("writes checksummed events with a version, scalars, text and images", () => {
    const writer = new TensorboardWriter(folder);
    writer.scalars(300, { "loss/total": 0.5, lr: 1e-3 });
    writer.scalars(301, {});
    writer.text(0, "config", "a: 1");
    writer.image(7, "slice", Uint8Array.of(1, 2, 3), 64, 48);
    writer.close();
    const [version, scalars, note, image, ...rest] = events(writer.path);
    expect(rest).toEqual([]);
    expect(text(version!.get(3)![0])).toBe("brain.Event:2");
    expect(Math.abs((scalars!.get(1)![0] as number) - Date.now() / 1000)).toBeLessThan(60);
    expect(scalars!.get(2)).toEqual([300n]);
    const values = inner(scalars!, 5)
      .get(1)!
      .map((value) => decode(value as Uint8Array));
    expect(values.map((value) => [text(value.get(1)![0]), value.get(2)![0]])).toEqual([
      ["loss/total", 0.5],
      ["lr", Math.fround(1e-3)],
    ]);
    const noteValue = inner(inner(note!, 5), 1);
    expect(text(inner(inner(noteValue, 9), 1).get(1)![0])).toBe("text");
    expect(text(inner(noteValue, 8).get(8)![0])).toBe("a: 1");
    const picture = inner(inner(inner(image!, 5), 1), 4);
    expect([picture.get(1), picture.get(2), picture.get(4)]).toEqual([[48n], [64n], [Buffer.of(1, 2, 3)]]);
  });

  it("starts a file of its own and supersedes later steps when a run is resumed", () => {
    new TensorboardWriter(folder).close();
    const writer = new TensorboardWriter(folder, 12);
    writer.close();
    expect(readdirSync(folder)).toHaveLength(2);
    const [, start] = events(writer.path);
    expect(start!.get(2)).toEqual([12n]);
    expect(inner(start!, 7).get(1)).toEqual([1n]);
  });
});
