import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { deflateRawSync } from "node:zlib";
import { readVolume, type Volume, writeVolume } from "@semiseg/data";
import { SemisegError } from "@semiseg/errors";
import { RandomSource } from "@semiseg/random";
import { beforeAll, describe, expect, it } from "vitest";
import { npyBytes } from "../src/formats/write-npy.js";
import { crc32 } from "../src/formats/zip.js";
import { tempFolder } from "./helpers/temp-folder.js";

/** A file, what it holds, and whether a checksum covers its values, so that damage there must be noticed. */
interface Seed {
  readonly name: string;
  readonly bytes: Uint8Array;
  readonly original: Volume;
  readonly checked: boolean;
}

const seeds: Seed[] = [];
const COUNT = 2000;

beforeAll(async () => {
  const folder = tempFolder();
  const random = new RandomSource(1);
  const affine = [1, 0, 0, -5, 0, 2, 0, 6, 0, 0, 3, 7, 0, 0, 0, 1];
  const make = (shape: number[]): Volume => ({
    data: random
      .integers(
        -3000,
        3000,
        shape.reduce((a, b) => a * b, 1),
      )
      .reduce(
        (out, x, n) => {
          out[n] = x;
          return out;
        },
        new Int16Array(shape.reduce((a, b) => a * b, 1)),
      ),
    shape,
    spacing: [1, 2, 3].slice(0, shape.length),
    affine,
    dtype: "int16",
    meta: {},
  });
  const add = async (path: string, checked: boolean) => {
    const bytes = new Uint8Array(readFileSync(path));
    seeds.push({ name: path, bytes, original: await readVolume(bytes), checked });
  };
  const volume = make([11, 9, 7]);
  const targets: [string, object, boolean][] = [
    ["a.nii", {}, false],
    ["b.nii", { version: 2, littleEndian: false }, false],
    ["c.nii.gz", {}, true],
    ["d.nii.gz", { version: 2, level: 1 }, true],
    ["e.nrrd", { compress: false }, false],
    ["f.nrrd", {}, false],
    ["g.mha", { compress: false }, false],
    ["h.mha", {}, false],
    ["i.npy", {}, false],
  ];
  for (const [name, options, checked] of targets) {
    await writeVolume(join(folder, name), volume, options);
    await add(join(folder, name), checked);
  }
  await writeVolume(join(folder, "j.png"), {
    ...make([13, 11]),
    data: new Uint8Array(143).map((_, n) => n),
    dtype: "uint8",
  });
  await add(join(folder, "j.png"), true);
  // A zip of one deflated member.
  const content = npyBytes(volume.data, "int16", volume.shape);
  const body = deflateRawSync(content);
  const local = Buffer.alloc(30 + 9);
  local.writeUInt32LE(0x04034b50, 0);
  local.writeUInt16LE(9, 26);
  local.write("image.npy", 30);
  const central = Buffer.alloc(46 + 9);
  central.writeUInt32LE(0x02014b50, 0);
  central.writeUInt16LE(8, 10);
  central.writeUInt32LE(crc32(content), 16);
  central.writeUInt32LE(body.length, 20);
  central.writeUInt32LE(content.length, 24);
  central.writeUInt16LE(9, 28);
  central.write("image.npy", 46);
  const end = Buffer.alloc(22);
  end.writeUInt32LE(0x06054b50, 0);
  end.writeUInt16LE(1, 10);
  end.writeUInt32LE(39 + body.length, 16);
  const zip = new Uint8Array(Buffer.concat([local, body, central, end]));
  seeds.push({ name: "k.npz", bytes: zip, original: await readVolume(zip), checked: true });
  const fixtures = fileURLToPath(new URL("./fixtures", import.meta.url));
  for (const name of readdirSync(fixtures).filter((f) => f.endsWith(".h5"))) await add(join(fixtures, name), false);
});

/** Flips bits, overwrites runs, cuts, repeats or lies in what looks like a length; headers are hit most. */
function mutate(bytes: Uint8Array, random: RandomSource): Uint8Array {
  let out = bytes.slice();
  const place = () => Math.floor(random.next() * (random.next() < 0.6 ? Math.min(600, out.length) : out.length));
  for (let n = 1 + Math.floor(random.next() * 4); n > 0; n--) {
    const kind = random.next();
    const at = place();
    if (kind < 0.35) out[at]! ^= 1 << Math.floor(random.next() * 8);
    else if (kind < 0.55) out[at] = Math.floor(random.next() * 256);
    else if (kind < 0.7) out.fill(random.next() < 0.5 ? 0xff : 0, at, at + 1 + Math.floor(random.next() * 8));
    else if (kind < 0.82 && at + 8 <= out.length) {
      const lies = [0, 1, 0x7fff, 0xffff, 0x7fffffff, 0xffffffff, 1e9, 3e9];
      new DataView(out.buffer).setUint32(at, lies[Math.floor(random.next() * lies.length)]!, random.next() < 0.5);
    } else if (kind < 0.92) out = out.slice(0, Math.floor(random.next() * out.length));
    else out = new Uint8Array([...out.subarray(0, at), ...out.subarray(Math.floor(random.next() * out.length))]);
    if (out.length === 0) return out;
  }
  return out;
}

describe("readVolume on mutated files", () => {
  it(`gives a typed error or sound data for ${COUNT} of them, each within 2 s and 500 MB`, async () => {
    const outcomes = { read: 0, refused: 0 };
    const peak = () => process.resourceUsage().maxRSS * 1024; // the highest ever, so that nothing freed is missed
    const before = peak();
    for (let n = 0; n < COUNT; n++) {
      const seed = seeds[n % seeds.length]!;
      const where = `${seed.name}, mutation ${n}`;
      const bytes = mutate(seed.bytes, new RandomSource(2024).fork(n));
      const [began, memory] = [performance.now(), peak()];
      try {
        const volume = await readVolume(bytes);
        outcomes.read++;
        const values = volume.shape.reduce((a, b) => a * b, 1);
        expect(volume.data.length, where).toBe(values);
        expect(volume.affine.length === 16 && volume.affine.every(Number.isFinite), where).toBe(true);
        expect(
          volume.spacing.every((s) => Number.isFinite(s) && s > 0),
          where,
        ).toBe(true);
        // A header that lies about the amount of data must not pass for a smaller or a larger volume.
        expect(volume.data.byteLength, where).toBeGreaterThan(0);
        if (seed.checked) {
          expect(volume.shape, where).toEqual(seed.original.shape);
          expect(volume.data, where).toEqual(seed.original.data);
        }
      } catch (error) {
        if (!(error instanceof SemisegError)) throw new Error(`${where}: ${(error as Error).stack}`);
        outcomes.refused++;
      }
      const took = performance.now() - began;
      expect(took, where).toBeLessThan(2000);
      expect(peak() - memory, where).toBeLessThan(500e6);
    }
    expect(peak() - before).toBeLessThan(500e6); // all of them together
    expect(outcomes.read + outcomes.refused).toBe(COUNT);
    expect(outcomes.refused).toBeGreaterThan(COUNT / 3);
    expect(outcomes.read).toBeGreaterThan(COUNT / 20);
  });
});
