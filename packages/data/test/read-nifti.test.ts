import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { readVolume } from "@semiseg/data";
import { DataError, OptionError } from "@semiseg/errors";
import { describe, expect, it } from "vitest";
import { int16s, type NiftiFile, niftiFile } from "./helpers/nifti-file.js";
import { tempFolder } from "./helpers/temp-folder.js";

const folder = tempFolder();

/** Fortran-order counter 0..23 of shape [2,3,4], in C order. */
const counted = Array.from({ length: 24 }, (_, n) => {
  const [i, j, k] = [Math.floor(n / 12), Math.floor(n / 4) % 3, n % 4];
  return i + 2 * (j + 3 * k);
});

describe("readVolume on NIfTI", () => {
  it("gives the values in C order of (i, j, k) though the file has i fastest", async () => {
    const volume = await readVolume(niftiFile({ put: int16s }));
    expect(volume.shape).toEqual([2, 3, 4]);
    expect(volume.dtype).toBe("int16");
    expect(Array.from(volume.data)).toEqual(counted);
  });

  const types: [string, number, number, NiftiFile["put"], string][] = [
    ["uint8", 2, 8, (v, at, n) => v.setUint8(at, n), "uint8"],
    ["int8", 256, 8, (v, at, n) => v.setInt8(at, n), "int8"],
    ["int16", 4, 16, int16s, "int16"],
    ["uint16", 512, 16, (v, at, n, le) => v.setUint16(at, n, le), "uint16"],
    ["int32", 8, 32, (v, at, n, le) => v.setInt32(at, n, le), "int32"],
    ["uint32", 768, 32, (v, at, n, le) => v.setUint32(at, n, le), "uint32"],
    ["int64", 1024, 64, (v, at, n, le) => v.setBigInt64(at, BigInt(n), le), "float64"],
    ["uint64", 1280, 64, (v, at, n, le) => v.setBigUint64(at, BigInt(n), le), "float64"],
    ["float32", 16, 32, (v, at, n, le) => v.setFloat32(at, n, le), "float32"],
    ["float64", 64, 64, (v, at, n, le) => v.setFloat64(at, n, le), "float64"],
  ];
  for (const [name, code, bits, put, dtype] of types)
    for (const version of [1, 2] as const)
      for (const little of [true, false])
        it(`reads ${name} of NIfTI-${version}, ${little ? "little" : "big"} endian, plain and gzip`, async () => {
          const bytes = niftiFile({ version, little, code, bits, put });
          for (const source of [bytes, gzipSync(bytes)]) {
            const volume = await readVolume(source);
            expect(volume.dtype).toBe(dtype);
            expect(volume.meta.storedDtype).toBe(name);
            expect(volume.meta.littleEndian).toBe(little);
            expect(volume.meta.format).toBe(`nifti${version}`);
            expect(Array.from(volume.data)).toEqual(counted);
          }
        });

  it("puts complex parts and colours on a last axis", async () => {
    const complex = await readVolume(
      niftiFile({
        shape: [2, 2],
        code: 32,
        bits: 64,
        put: (v, at, n, le) => {
          v.setFloat32(at, n, le);
          v.setFloat32(at + 4, -n, le);
        },
      }),
    );
    expect(complex.shape).toEqual([2, 2, 2]);
    expect(Array.from(complex.data)).toEqual([0, -0, 2, -2, 1, -1, 3, -3]);
    const rgb = await readVolume(
      niftiFile({
        shape: [2, 2],
        code: 128,
        bits: 24,
        put: (v, at, n) => [n, 10 + n, 20 + n].forEach((x, c) => void v.setUint8(at + c, x)),
      }),
    );
    expect(rgb.shape).toEqual([2, 2, 3]);
    expect(Array.from(rgb.data)).toEqual([0, 10, 20, 2, 12, 22, 1, 11, 21, 3, 13, 23]);
    expect(rgb.meta.components).toBe(3);
  });

  it("applies slope and intercept, and ignores a slope of 0 or NaN", async () => {
    const volume = await readVolume(niftiFile({ slope: 0.5, inter: -100, put: int16s }));
    expect(volume.dtype).toBe("float32");
    expect(Array.from(volume.data)).toEqual(counted.map((n) => n * 0.5 - 100));
    for (const slope of [0, Number.NaN]) {
      const plain = await readVolume(niftiFile({ slope, inter: 7, put: int16s }));
      expect(plain.dtype).toBe("int16");
      expect(Array.from(plain.data)).toEqual(counted);
    }
    await expect(readVolume(niftiFile({ slope: 1, inter: Number.NaN, put: int16s }))).rejects.toThrow(
      /scl_inter is NaN/,
    );
  });

  it("takes the sform before the qform before pixdim", async () => {
    const qform = { code: 1, b: 0, c: 0, d: Math.SQRT1_2, x: 1, y: 2, z: 3 };
    const sform = { code: 2, rows: [2, 0.1, 0, -5, 0, 3, 0, -6, 0, 0, 4, -7] };
    const pixdim = [-1, 2, 3, 4];
    const both = await readVolume(niftiFile({ pixdim, qform, sform, put: int16s }));
    expect(both.meta.affineSource).toBe("sform");
    expect(both.affine.map((x) => +x.toFixed(5))).toEqual([2, 0.1, 0, -5, 0, 3, 0, -6, 0, 0, 4, -7, 0, 0, 0, 1]);
    expect(both.spacing).toEqual([2, 3, 4]);
    // A quarter turn about z, handedness -1: columns (0, 2, 0), (-3, 0, 0), (0, 0, -4).
    const onlyQ = await readVolume(niftiFile({ pixdim, qform, put: int16s }));
    expect(onlyQ.meta.affineSource).toBe("qform");
    const expected = [0, -3, 0, 1, 2, 0, 0, 2, 0, 0, -4, 3, 0, 0, 0, 1];
    onlyQ.affine.forEach((x, n) => {
      expect(x).toBeCloseTo(expected[n]!, 5);
    });
    const none = await readVolume(niftiFile({ pixdim, put: int16s }));
    expect(none.meta.affineSource).toBe("none");
    expect(none.affine).toEqual([2, 0, 0, 0, 0, 3, 0, 0, 0, 0, 4, 0, 0, 0, 0, 1]);
  });

  it("normalises a half turn, where rounding makes the quaternion longer than 1", async () => {
    const s = Math.fround(Math.SQRT1_2);
    const volume = await readVolume(niftiFile({ qform: { code: 1, b: s, c: s, d: 0, x: 0, y: 0, z: 0 }, put: int16s }));
    const expected = [0, 1, 0, 0, 1, 0, 0, 0, 0, 0, -1, 0, 0, 0, 0, 1];
    volume.affine.forEach((x, n) => {
      expect(x).toBeCloseTo(expected[n]!, 6);
    });
  });

  it("gives millimetres when the file is in metres or micrometres", async () => {
    const sform = { code: 1, rows: [0.002, 0, 0, 1, 0, 0.002, 0, 0, 0, 0, 0.002, 0] };
    const metres = await readVolume(niftiFile({ units: 1, pixdim: [1, 0.002, 0.002, 0.002], sform, put: int16s }));
    expect(metres.spacing[0]).toBeCloseTo(2, 6);
    expect(metres.affine[0]).toBeCloseTo(2, 6);
    expect(metres.affine[3]).toBeCloseTo(1000, 3);
    const microns = await readVolume(niftiFile({ units: 3, pixdim: [1, 500, 500, 2000], put: int16s }));
    expect(microns.spacing).toEqual([0.5, 0.5, 2]);
  });

  it("takes the spacing from the affine where pixdim is 0", async () => {
    const sform = { code: 1, rows: [0, 2, 0, 0, 3, 0, 0, 0, 0, 0, 4, 0] };
    const volume = await readVolume(niftiFile({ pixdim: [1, 0, 0, 0], sform, put: int16s }));
    expect(volume.spacing).toEqual([3, 2, 4]);
  });

  it("reads one volume of a 4-D series by index and refuses one that is not there", async () => {
    const bytes = niftiFile({ shape: [2, 2, 2, 3], put: int16s });
    const all = await readVolume(bytes);
    expect(all.shape).toEqual([2, 2, 2, 3]);
    const one = await readVolume(bytes, { index: 1 });
    expect(one.shape).toEqual([2, 2, 2]);
    expect(Array.from(one.data)).toEqual([8, 12, 10, 14, 9, 13, 11, 15]);
    await expect(readVolume(bytes, { index: 3 })).rejects.toThrow(/index 3 of a series of 3/);
    await expect(readVolume(niftiFile({ put: int16s }), { index: 0 })).rejects.toThrow(DataError);
    await expect(readVolume(bytes, { index: -1 })).rejects.toThrow(OptionError);
  });

  it("reads a header and image pair by the header's path", async () => {
    const bytes = niftiFile({ magic: "ni1", put: int16s });
    const header = bytes.slice(0, 352);
    new DataView(header.buffer).setFloat32(108, 0, true);
    mkdirSync(join(folder, "pair"));
    const path = join(folder, "pair", "scan.hdr");
    writeFileSync(path, header);
    await expect(readVolume(path)).rejects.toThrow(/neither .*scan\.img nor/);
    writeFileSync(join(folder, "pair", "scan.img.gz"), gzipSync(bytes.subarray(352)));
    expect(Array.from((await readVolume(path)).data)).toEqual(counted);
    await expect(readVolume(header)).rejects.toThrow(/separate \.img/);
  });
});

describe("readVolume on damaged NIfTI", () => {
  const good = niftiFile({ put: int16s });

  it("says how many bytes are missing from a truncated file, compressed or not", async () => {
    await expect(readVolume(good.subarray(0, good.length - 5))).rejects.toThrow(
      /truncated: the data \(\[2, 3, 4\] of int16\) needs 48 bytes and only 43 are there \(5 missing\)/,
    );
    await expect(readVolume(gzipSync(good.subarray(0, good.length - 5)))).rejects.toThrow(/\(5 missing\)/);
    await expect(readVolume(good.subarray(0, 100))).rejects.toThrow(/needs 348 bytes and only 100/);
    const noise = niftiFile({ shape: [40, 40, 40], put: (v, at, n, le) => v.setInt16(at, (n * 7919) % 30011, le) });
    const cut = gzipSync(noise).subarray(0, 40_000);
    await expect(readVolume(cut)).rejects.toThrow(/truncated: .* needs 128000 bytes and only [1-9]\d+ are there/);
    await expect(readVolume(gzipSync(good).subarray(0, -8))).rejects.toThrow(/checksum is missing/);
  });

  it("notices a flipped bit in compressed data", async () => {
    const packed = gzipSync(niftiFile({ shape: [30, 30, 30], put: int16s }), { level: 0 });
    packed[2000]! ^= 4;
    await expect(readVolume(packed)).rejects.toThrow(/compressed data is damaged/);
  });

  it("refuses a header that claims more than the limit or than the file can hold, before taking memory", async () => {
    const huge = good.slice();
    const view = new DataView(huge.buffer);
    for (const at of [42, 44, 46]) view.setInt16(at, 32767, true);
    await expect(readVolume(huge)).rejects.toThrow(/more than the limit/);
    view.setInt16(46, 1, true);
    const before = process.memoryUsage().arrayBuffers;
    await expect(readVolume(gzipSync(huge))).rejects.toThrow(/needs 2147352578 bytes and only \d+ are there/);
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(50e6);
  });

  it("stops at a decompression bomb", async () => {
    const bomb = gzipSync(Buffer.concat([good, Buffer.alloc(64 << 20)]));
    await expect(readVolume(bomb)).rejects.toThrow(/bytes follow the data/);
  });

  it("refuses data beyond the declared size, allows zero padding, and reads on request", async () => {
    const more = new Uint8Array([...good, 1, 2, 3]);
    await expect(readVolume(more)).rejects.toThrow(/3 bytes follow the data/);
    await expect(readVolume(gzipSync(more))).rejects.toThrow(/bytes follow the data/);
    expect(Array.from((await readVolume(more, { trailing: "ignore" })).data)).toEqual(counted);
    expect(Array.from((await readVolume(new Uint8Array([...good, 0, 0]))).data)).toEqual(counted);
  });

  it("names what is wrong in a header", async () => {
    const cases: [Partial<NiftiFile>, RegExp][] = [
      [{ magic: "abc" }, /magic is "abc"/],
      [{ shape: [2, 0, 4] }, /every size must be positive/],
      [{ code: 4, bits: 32 }, /bitpix is 32, datatype 4 has 16/],
      [{ code: 3 }, /datatype 3 is not supported/],
      [{ code: 1536, bits: 128 }, /float128/],
      [{ slope: Number.POSITIVE_INFINITY }, /scl_slope is Infinity/],
      [{ sform: { code: 1, rows: new Array(12).fill(0) } }, /sform is not an invertible matrix/],
      [{ qform: { code: 1, b: 1, c: 1, d: 1, x: 0, y: 0, z: 0 } }, /quaternion .* longer than 1/],
      [{ sform: { code: 1, rows: [Number.NaN, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0] } }, /sform is not/],
    ];
    for (const [change, message] of cases) {
      const file = niftiFile({ put: int16s, elements: 24, ...change });
      await expect(readVolume(file), JSON.stringify(change)).rejects.toThrow(message);
    }
    const offset = good.slice();
    new DataView(offset.buffer).setFloat32(108, 100, true);
    await expect(readVolume(offset)).rejects.toThrow(/vox_offset is 100/);
    new DataView(offset.buffer).setFloat32(108, Number.NaN, true);
    await expect(readVolume(offset)).rejects.toThrow(/vox_offset is NaN/);
    const noAffine = niftiFile({ put: int16s, sform: { code: 1, rows: new Array(12).fill(0) } });
    expect((await readVolume(noAffine, { affine: "ignore" })).meta.affineSource).toBe("none");
  });

  it("refuses 64-bit integers that a number cannot hold", async () => {
    const file = niftiFile({ code: 1024, bits: 64, put: (v, at, _, le) => v.setBigInt64(at, 2n ** 53n + 1n, le) });
    await expect(readVolume(file)).rejects.toThrow(/9007199254740993 at element 0 is beyond 2\^53/);
  });

  it("names missing files, folders, empty files and things that are no volumes", async () => {
    await expect(readVolume(join(folder, "none.nii"))).rejects.toThrow(/none\.nii: no such file/);
    await expect(readVolume(folder)).rejects.toThrow(/is a folder/);
    const empty = join(folder, "empty.nii.gz");
    writeFileSync(empty, "");
    await expect(readVolume(empty)).rejects.toThrow(/the file is empty/);
    await expect(readVolume(new Uint8Array(1000).fill(65))).rejects.toThrow(DataError);
    await expect(readVolume(good, { limits: { maxBytes: 0 } })).rejects.toThrow(OptionError);
  });
});
