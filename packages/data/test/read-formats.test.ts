import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { deflateRawSync, deflateSync, gzipSync } from "node:zlib";
import { readVolume, type Volume, writeVolume } from "@semiseg/data";
import { DataError } from "@semiseg/errors";
import { describe, expect, it } from "vitest";
import { npyBytes } from "../src/formats/write-npy.js";
import { crc32 } from "../src/formats/zip.js";
import { tempFolder } from "./helpers/temp-folder.js";

const folder = tempFolder();
const fixture = (name: string) => fileURLToPath(new URL(`./fixtures/${name}`, import.meta.url));
const ascii = (text: string) => new TextEncoder().encode(text);
const join2 = (...parts: Uint8Array[]) => new Uint8Array(Buffer.concat(parts));
const shorts = (values: number[], little = true) => {
  const view = new DataView(new ArrayBuffer(values.length * 2));
  values.forEach((v, i) => {
    view.setInt16(2 * i, v, little);
  });
  return new Uint8Array(view.buffer);
};
/** Fortran counter of [2, 3] in C order. */
const counted = [0, 2, 4, 1, 3, 5];
const oblique = [0.9, -0.3, 0.1, -20, 0.4, 1.2, -0.2, 5, 0.05, 0.3, 2.4, 7, 0, 0, 0, 1];

function volume(shape: number[]): Volume {
  const data = Int16Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, n) => ((n * 37) % 101) - 50);
  const affine = shape.length > 2 ? oblique : [0.5, 0, 0, 2, 0, 1.5, 0, 3, 0, 0, 1, 0, 0, 0, 0, 1];
  const spacing = [0, 1, 2].map((a) => Math.hypot(affine[a]!, affine[4 + a]!, affine[8 + a]!)).slice(0, shape.length);
  return { data, shape, spacing, affine, dtype: "int16", meta: {} };
}

describe("NRRD and MetaImage", () => {
  it("read back what was written, compressed or not, in both byte orders, with the same affine", async () => {
    for (const extension of [".nrrd", ".mha"])
      for (const compress of [true, false])
        for (const littleEndian of [true, false])
          for (const shape of [
            [4, 3, 2],
            [5, 4],
            [3, 2, 2, 3],
          ]) {
            const path = join(folder, `v${extension}`);
            const original = volume(shape);
            await writeVolume(path, original, { compress, littleEndian });
            const back = await readVolume(path);
            expect(back.shape).toEqual(shape);
            expect(back.data).toEqual(original.data);
            original.spacing.forEach((s, a) => {
              expect(back.spacing[a]).toBeCloseTo(s, 10);
            });
            if (shape.length > 2 || extension === ".mha")
              original.affine.forEach((x, n) => {
                expect(back.affine[n]).toBeCloseTo(x, 10);
              });
          }
  });

  it("NRRD: turns the named space to right, anterior, superior; first axes without direction become last", async () => {
    const header = (space: string) =>
      ascii(
        `NRRD0004\n# comment\ntype: short\ndimension: 4\nspace: ${space}\nsizes: 3 2 1 1\nspace directions: none (1,0,0) (0,2,0) (0,0,3)\nkinds: vector domain domain domain\nendian: big\nencoding: raw\nspace origin: (5,6,7)\nkey:=value\n\n`,
      );
    const lps = await readVolume(join2(header("left-posterior-superior"), shorts([0, 1, 2, 3, 4, 5], false)));
    expect(lps.shape).toEqual([2, 1, 1, 3]);
    expect(Array.from(lps.data)).toEqual([0, 1, 2, 3, 4, 5]);
    expect(lps.spacing).toEqual([1, 2, 3]);
    expect(lps.affine.map((x) => x + 0)).toEqual([-1, 0, 0, -5, 0, -2, 0, -6, 0, 0, 3, 7, 0, 0, 0, 1]);
    expect(lps.meta.affineSource).toBe("header");
    const ras = await readVolume(join2(header("RAS"), shorts([0, 1, 2, 3, 4, 5], false)));
    expect(ras.affine[0]).toBe(1);
  });

  it("NRRD: reads detached data, text, spacings and skips", async () => {
    const fields = "NRRD0001\ntype: int16\ndimension: 2\nsizes: 2 3\nspacings: 0.5 2\nendian: little\n";
    writeFileSync(join(folder, "d.raw"), join2(ascii("skip\n"), shorts([0, 1, 2, 3, 4, 5])));
    writeFileSync(join(folder, "d.nhdr"), `${fields}encoding: raw\nline skip: 1\ndata file: d.raw\n`);
    const detached = await readVolume(join(folder, "d.nhdr"));
    expect(Array.from(detached.data)).toEqual(counted);
    expect(detached.spacing).toEqual([0.5, 2]);
    const text = await readVolume(ascii(`${fields}encoding: ascii\n\n0 1 2\n3 4 5\n`));
    expect(Array.from(text.data)).toEqual(counted);
  });

  it("MetaImage: reads .mhd with its file, zlib data, channels and the direction matrix by axis", async () => {
    const fields =
      "ObjectType = Image\nNDims = 2\nDimSize = 2 3\nElementType = MET_SHORT\nElementSpacing = 2 3\nTransformMatrix = 0 1 -1 0\nOffset = 4 5\n";
    writeFileSync(join(folder, "m.zraw"), deflateSync(shorts([0, 1, 2, 3, 4, 5])));
    writeFileSync(join(folder, "m.mhd"), `${fields}CompressedData = True\nElementDataFile = m.zraw\n`);
    const read = await readVolume(join(folder, "m.mhd"));
    expect(Array.from(read.data)).toEqual(counted);
    // Axis 0 runs to left-posterior-superior (0, 1), axis 1 to (-1, 0).
    expect(read.affine.slice(0, 8).map((x) => x + 0)).toEqual([0, 3, 0, -4, -2, 0, 0, -5]);
    const channels = ascii(
      "NDims = 1\nDimSize = 2\nElementNumberOfChannels = 3\nElementType = MET_SHORT\nBinaryDataByteOrderMSB = True\nElementDataFile = LOCAL\n",
    );
    const two = await readVolume(join2(channels, shorts([0, 1, 2, 3, 4, 5], false)));
    expect(two.shape).toEqual([2, 3]);
    expect(Array.from(two.data)).toEqual([0, 1, 2, 3, 4, 5]);
  });

  it("say what is wrong, and never open files outside the header's folder", async () => {
    const nrrd = (change: string, data = shorts([0, 1, 2, 3, 4, 5])) => {
      const key = change.slice(0, change.indexOf(":"));
      const lines = ["type: short", "dimension: 2", "sizes: 2 3", "endian: little", "encoding: raw"].filter(
        (l) => !l.startsWith(`${key}:`),
      );
      return readVolume(join2(ascii(`NRRD0004\n${[...lines, change].join("\n")}\n\n`), data));
    };
    const bad: [string, RegExp][] = [
      ["sizes: 2 4", /needs 16 bytes and only 12 are there \(4 missing\)/],
      ["sizes: 2 2", /4 bytes follow the data/],
      ["sizes: 2 -3", /positive integers/],
      ["sizes: 2 999999999999", /more than the limit/],
      ["type: block", /type "block" is not supported/],
      ["encoding: bzip2", /encoding "bzip2" is not supported/],
      ["dimension: 9", /dimension is 9/],
      ["data file: ../secret.raw", /not in the header's own folder|separate file/],
      ["data file: LIST", /several files/],
      ["space directions: (1,0)", /space directions/],
    ];
    for (const [change, message] of bad) await expect(nrrd(change), change).rejects.toThrow(message);
    for (const path of ["../../etc/passwd", "/etc/passwd", "C:\\x", "a/../../b"]) {
      writeFileSync(
        join(folder, "evil.nhdr"),
        `NRRD0004\ntype: uchar\ndimension: 1\nsizes: 1\nencoding: raw\ndata file: ${path}\n`,
      );
      await expect(readVolume(join(folder, "evil.nhdr")), path).rejects.toThrow(/not in the header's own folder/);
      writeFileSync(
        join(folder, "evil.mhd"),
        `NDims = 1\nDimSize = 1\nElementType = MET_UCHAR\nElementDataFile = ${path}\n`,
      );
      await expect(readVolume(join(folder, "evil.mhd")), path).rejects.toThrow(/not in the header's own folder/);
    }
    const meta = (text: string) =>
      readVolume(
        join2(ascii(`NDims = 2\nDimSize = 2 3\n${text}\nElementDataFile = LOCAL\n`), shorts([1, 2, 3, 4, 5, 6])),
      );
    await expect(meta("ElementType = MET_STRING")).rejects.toThrow(/not supported/);
    await expect(meta("ElementType = MET_SHORT\nElementSpacing = 0 1")).rejects.toThrow(/ElementSpacing/);
    await expect(meta("ElementType = MET_SHORT\nTransformMatrix = 1 0 1 0")).rejects.toThrow(/TransformMatrix/);
    await expect(meta("ElementType = MET_DOUBLE")).rejects.toThrow(/\(36 missing\)/);
  });
});

describe("npy and npz", () => {
  const npy = (descr: string, fortran: string, shape: string, data: Uint8Array, major = 1) => {
    const text = `{'descr': '${descr}', 'fortran_order': ${fortran}, 'shape': ${shape}, }\n`;
    const size = major === 1 ? [text.length & 255, text.length >> 8] : [text.length & 255, text.length >> 8, 0, 0];
    return join2(Uint8Array.from([0x93]), ascii("NUMPY"), Uint8Array.from([major, 0, ...size]), ascii(text), data);
  };
  it("read both orders, both byte orders, booleans, half precision and version 2", async () => {
    const data = shorts([0, 1, 2, 3, 4, 5]);
    expect(Array.from((await readVolume(npy("<i2", "False", "(2, 3)", data))).data)).toEqual([0, 1, 2, 3, 4, 5]);
    expect(Array.from((await readVolume(npy("<i2", "True", "(2, 3)", data, 2))).data)).toEqual(counted);
    expect(
      Array.from((await readVolume(npy(">i2", "False", "(6,)", shorts([256, 1, 2, 3, 4, 5], false)))).data)[0],
    ).toBe(256);
    const flags = await readVolume(npy("|b1", "False", "(3,)", Uint8Array.from([1, 0, 1])));
    expect([flags.dtype, Array.from(flags.data)]).toEqual(["uint8", [1, 0, 1]]);
    const half = await readVolume(npy("<f2", "False", "(4,)", shorts([0x3c00, -0x4000, 0x0001, 0x7c00])));
    expect(Array.from(half.data)).toEqual([1, -2, 2 ** -24, Number.POSITIVE_INFINITY]);
  });

  it("write npy that reads back", async () => {
    const path = join(folder, "w.npy");
    await writeVolume(path, volume([4, 3, 2]), { littleEndian: false });
    expect((await readVolume(path)).data).toEqual(volume([4, 3, 2]).data);
  });

  it("refuse objects, odd shapes and lies about length", async () => {
    const data = shorts([0, 1, 2, 3, 4, 5]);
    await expect(readVolume(npy("|O", "False", "(2,)", data))).rejects.toThrow(/type '\|O' is not supported/);
    await expect(readVolume(npy("<c8", "False", "(1,)", data))).rejects.toThrow(/not supported/);
    await expect(readVolume(npy("<i2", "False", "()", data))).rejects.toThrow(/positive sizes/);
    await expect(readVolume(npy("<i2", "False", "(7,)", data))).rejects.toThrow(/\(2 missing\)/);
    await expect(readVolume(npy("<i2", "False", "(5,)", shorts([0, 1, 2, 3, 4, 5])))).rejects.toThrow(/2 bytes follow/);
    await expect(readVolume(npy("<i2", "False", "(9999999999,)", data))).rejects.toThrow(/more than the limit/);
  });

  const zip = (members: { name: string; content: Uint8Array; method: number; crc?: number; size?: number }[]) => {
    const local: Uint8Array[] = [];
    const central: Uint8Array[] = [];
    let offset = 0;
    for (const { name, content, method, crc = crc32(content), size = content.length } of members) {
      const body = method === 8 ? new Uint8Array(deflateRawSync(content)) : content;
      const fields = new DataView(new ArrayBuffer(46));
      fields.setUint32(0, 0x02014b50, true);
      fields.setUint16(10, method, true);
      fields.setUint32(16, crc, true);
      fields.setUint32(20, body.length, true);
      fields.setUint32(24, size, true);
      fields.setUint16(28, name.length, true);
      fields.setUint32(42, offset, true);
      central.push(new Uint8Array(fields.buffer), ascii(name));
      const head = new DataView(new ArrayBuffer(30));
      head.setUint32(0, 0x04034b50, true);
      head.setUint16(26, name.length, true);
      local.push(new Uint8Array(head.buffer), ascii(name), body);
      offset += 30 + name.length + body.length;
    }
    const end = new DataView(new ArrayBuffer(22));
    end.setUint32(0, 0x06054b50, true);
    end.setUint16(10, members.length, true);
    end.setUint32(16, offset, true);
    return join2(...local, ...central, new Uint8Array(end.buffer));
  };
  const image = npyBytes(Float32Array.from([1, 2, 3, 4]), "float32", [2, 2]);
  const label = npyBytes(Uint8Array.from([0, 1, 1, 0]), "uint8", [2, 2]);

  it("npz: picks 'image', or the member after '#', stored or deflated", async () => {
    for (const method of [0, 8]) {
      const path = join(folder, "a.npz");
      writeFileSync(
        path,
        zip([
          { name: "label.npy", content: label, method },
          { name: "image.npy", content: image, method },
        ]),
      );
      expect(Array.from((await readVolume(path)).data)).toEqual([1, 2, 3, 4]);
      expect(Array.from((await readVolume(`${path}#label`)).data)).toEqual([0, 1, 1, 0]);
      expect((await readVolume(path, { member: "label" })).meta.format).toBe("npz");
      await expect(readVolume(`${path}#mask`)).rejects.toThrow(/no array 'mask' \(it has label, image\)/);
    }
    await expect(
      readVolume(
        zip([
          { name: "a.npy", content: label, method: 0 },
          { name: "b.npy", content: label, method: 0 },
        ]),
      ),
    ).rejects.toThrow(/several arrays/);
  });

  it("npz: refuses wrong checksums, wrong sizes and bombs", async () => {
    await expect(readVolume(zip([{ name: "x.npy", content: image, method: 0, crc: 1 }]))).rejects.toThrow(/checksum/);
    await expect(readVolume(zip([{ name: "x.npy", content: image, method: 8, size: 10 }]))).rejects.toThrow(
      /bytes follow|checksum/,
    );
    await expect(readVolume(zip([{ name: "x.npy", content: image, method: 8, size: 4_000_000_000 }]))).rejects.toThrow(
      DataError,
    );
    await expect(readVolume(zip([{ name: "x.npy", content: image, method: 99 }]))).rejects.toThrow(/method 99/);
    await expect(readVolume(zip([{ name: "x.npy", content: image, method: 0 }]).subarray(0, 60))).rejects.toThrow(
      /directory is missing/,
    );
  });
});

describe("HDF5", () => {
  const image = Float32Array.from({ length: 210 }, (_, n) => n * 0.5 - 3);
  const label = Uint8Array.from({ length: 210 }, (_, n) => n % 3);
  for (const name of ["contiguous", "chunked", "shuffled", "lzf"])
    it(`reads image and label of a ${name} file`, async () => {
      const read = await readVolume(fixture(`${name}.h5`));
      expect(read.shape).toEqual([5, 6, 7]);
      expect(read.data).toEqual(image);
      expect(read.meta).toMatchObject({ format: "hdf5", storedDtype: "float32" });
      expect((await readVolume(`${fixture(`${name}.h5`)}#label`)).data).toEqual(label);
      expect((await readVolume(readFileSync(fixture(`${name}.h5`)), { member: "label" })).data).toEqual(label);
    });

  it("reads the newest file version, groups, booleans, half precision, big endian and a user block", async () => {
    const latest = fixture("latest.h5");
    expect(Array.from((await readVolume(latest)).data)).toEqual(Array.from(image));
    expect(Array.from((await readVolume(`${latest}#group/deep/label`)).data)).toEqual(
      Array.from(label, (l) => +(l > 0)),
    );
    expect((await readVolume(`${latest}#half`)).data).toEqual(image);
    expect(Array.from((await readVolume(fixture("userblock.h5"))).data)).toEqual(
      Array.from(image, (x) => Math.trunc(x) + 0),
    );
  });

  it("says which data sets there are, how much is missing, and notices damage by checksum", async () => {
    await expect(readVolume(`${fixture("chunked.h5")}#mask`)).rejects.toThrow(
      /no data set 'mask' \(it has image, label\)/,
    );
    const bytes = readFileSync(fixture("shuffled.h5"));
    await expect(readVolume(bytes.subarray(0, 6000))).rejects.toThrow(
      /should have 9992 bytes and has 6000 \(3992 missing\)/,
    );
    const contiguous = new Uint8Array(readFileSync(fixture("contiguous.h5")));
    contiguous[8] = 9;
    await expect(readVolume(contiguous)).rejects.toThrow(/superblock version 9 is not supported/);
    let noticed = 0;
    for (let at = 2048; at < bytes.length; at += 17) {
      const damaged = new Uint8Array(bytes);
      damaged[at]! ^= 16;
      await readVolume(damaged).then(
        (v) => expect(v.data).toEqual(image),
        (error) => {
          expect(error).toBeInstanceOf(DataError);
          noticed++;
        },
      );
    }
    expect(noticed).toBeGreaterThan(10);
  });
});

describe("PNG and folders of slices", () => {
  it("read back grey, 16-bit and colour images as [height, width]", async () => {
    const base = { spacing: [1, 1], affine: volume([2, 2]).affine, meta: {} };
    const grey: Volume = { ...base, data: Uint8Array.from([0, 50, 100, 150, 200, 250]), shape: [2, 3], dtype: "uint8" };
    const wide: Volume = { ...base, data: Uint16Array.from([0, 1000, 65535, 7]), shape: [2, 2], dtype: "uint16" };
    const rgb: Volume = {
      ...base,
      data: Uint8Array.from({ length: 12 }, (_, n) => n * 20),
      shape: [2, 2, 3],
      dtype: "uint8",
    };
    for (const image of [grey, wide, rgb]) {
      const path = join(folder, "i.png");
      await writeVolume(path, image);
      const back = await readVolume(path);
      expect([back.shape, back.dtype, back.data]).toEqual([image.shape, image.dtype, image.data]);
    }
    await expect(writeVolume(join(folder, "i.png"), volume([2, 2]))).rejects.toThrow(/PNG holds uint8 and uint16/);
  });

  const png = (ihdr: number[], idat: Uint8Array) => {
    const chunk = (type: string, body: Uint8Array) => {
      const out = join2(new Uint8Array(4), ascii(type), body, new Uint8Array(4));
      new DataView(out.buffer).setUint32(0, body.length);
      new DataView(out.buffer).setUint32(out.length - 4, crc32(out.subarray(4, out.length - 4)));
      return out;
    };
    return join2(
      Uint8Array.from([137, 80, 78, 71, 13, 10, 26, 10]),
      chunk("IHDR", Uint8Array.from(ihdr)),
      chunk("IDAT", idat),
      chunk("IEND", new Uint8Array(0)),
    );
  };

  it("undo every row filter, unpack bits and interlacing", async () => {
    const rows = Uint8Array.from([0, 10, 20, 30, 1, 1, 1, 1, 2, 1, 1, 1, 3, 5, 5, 5, 4, 1, 2, 3]);
    const filtered = await readVolume(png([0, 0, 0, 3, 0, 0, 0, 5, 8, 0, 0, 0, 0], deflateSync(rows)));
    expect(Array.from(filtered.data)).toEqual([10, 20, 30, 1, 2, 3, 2, 3, 4, 6, 9, 11, 7, 11, 14]);
    const bits = await readVolume(
      png(
        [0, 0, 0, 5, 0, 0, 0, 2, 2, 3, 0, 0, 0],
        deflateSync(Uint8Array.from([0, 0b00011011, 0b10000000, 0, 0b11111111, 0b01000000])),
      ),
    );
    expect(Array.from(bits.data)).toEqual([0, 1, 2, 3, 2, 3, 3, 3, 3, 1]);
    // 3 x 3, Adam7: passes 1 (0,0), 4 none ... each pass has its own rows.
    const passes = Uint8Array.from([0, 1, 0, 3, 0, 7, 9, 0, 2, 0, 8, 0, 4, 5, 6]);
    const laced = await readVolume(png([0, 0, 0, 3, 0, 0, 0, 3, 8, 0, 0, 0, 1], deflateSync(passes)));
    expect(Array.from(laced.data)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9]);
  });

  it("refuse bombs, lies about size, wrong checksums and cut files", async () => {
    const bomb = png([0, 0, 0, 3, 0, 0, 0, 5, 8, 0, 0, 0, 0], deflateSync(Buffer.alloc(50e6, 1)));
    await expect(readVolume(bomb)).rejects.toThrow(DataError);
    await expect(
      readVolume(png([127, 255, 255, 255, 127, 255, 255, 255, 8, 0, 0, 0, 0], deflateSync(Buffer.alloc(4)))),
    ).rejects.toThrow(/limit|impossible/);
    await expect(
      readVolume(png([0, 0, 0, 30, 0, 0, 0, 5, 8, 0, 0, 0, 0], deflateSync(Buffer.alloc(20)))),
    ).rejects.toThrow(/truncated/);
    const good = png([0, 0, 0, 1, 0, 0, 0, 1, 8, 0, 0, 0, 0], deflateSync(Buffer.alloc(2)));
    await expect(readVolume(good.subarray(0, good.length - 6))).rejects.toThrow(/does not end/);
    good[18]! ^= 1;
    await expect(readVolume(good)).rejects.toThrow(/checksum of "IHDR"/);
  });

  it("stack slices in counting order on a last axis", async () => {
    const stack = join(folder, "stack");
    mkdirSync(stack);
    for (const n of [2, 10, 1]) {
      const slice: Volume = {
        ...volume([2, 2]),
        data: Uint8Array.from([n, n + 1, n + 2, n + 3]),
        dtype: "uint8",
        shape: [2, 2],
      };
      await writeVolume(join(stack, `slice${n}.png`), slice);
    }
    const read = await readVolume(stack);
    expect(read.shape).toEqual([2, 2, 3]);
    expect(Array.from(read.data)).toEqual([1, 2, 10, 2, 3, 11, 3, 4, 12, 4, 5, 13]);
    await writeVolume(join(stack, "slice11.png"), { ...volume([2, 3]), data: new Uint8Array(6), dtype: "uint8" });
    await expect(readVolume(stack)).rejects.toThrow(
      /slice11\.png is uint8 of \[2, 3\], slice1\.png is uint8 of \[2, 2\]/,
    );
    mkdirSync(join(folder, "bare"));
    await expect(readVolume(join(folder, "bare"))).rejects.toThrow(/without PNG or DICOM files/);
  });

  it("say what is wrong with a DICOM file and that series are read by their folder", async () => {
    const series = join(folder, "series");
    mkdirSync(series);
    const file = new Uint8Array(200);
    file.set(ascii("DICM"), 128);
    writeFileSync(join(series, "1.dcm"), file);
    await expect(readVolume(series)).rejects.toThrow(/1\.dcm: the DICOM header is damaged at byte 136/);
    await expect(readVolume(join(series, "1.dcm"))).rejects.toThrow(/pass the folder of its series/);
  });
});

describe("compressed NRRD", () => {
  it("says how many bytes are missing", async () => {
    const header = ascii("NRRD0004\ntype: short\ndimension: 2\nsizes: 20 30\nendian: little\nencoding: gzip\n\n");
    const data = gzipSync(shorts(Array.from({ length: 600 }, (_, n) => (n * 7919) % 997)));
    await expect(readVolume(join2(header, data.subarray(0, 500)))).rejects.toThrow(/truncated: .* needs 1200 bytes/);
  });
});
