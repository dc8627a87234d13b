import { DataError } from "@semiseg/errors";
import { missingBytes } from "../bytes/byte-reader.js";

/** What is read of a DICOM file's header to place its slice. */
export interface DicomHeader {
  readonly name: string;
  /** Series Instance UID. */
  readonly series: string;
  readonly rows: number;
  readonly columns: number;
  readonly frames: number;
  /** Centre of the first voxel, mm, patient coordinates (left, posterior, superior). */
  readonly position: readonly number[] | null;
  /** Directions of a row and of a column. */
  readonly orientation: readonly number[] | null;
  /** mm between rows and between columns. */
  readonly pixelSpacing: readonly number[] | null;
  /** mm between slices as the header has it: Spacing Between Slices, else Slice Thickness. */
  readonly sliceDistance: number | null;
}

const IMPLICIT = "1.2.840.10008.1.2";
const BIG_ENDIAN = "1.2.840.10008.1.2.2";
const DEFLATED = "1.2.840.10008.1.2.1.99";
const UNDEFINED = 0xffffffff;
const PIXELS = 0x7fe00010;
/** Value representations whose length takes four bytes after two reserved ones. */
const LONG = new Set(["OB", "OD", "OF", "OL", "OV", "OW", "SQ", "SV", "UC", "UN", "UR", "UT", "UV"]);

/** The header ends beyond the given bytes: more of the file is needed. */
class NeedMore extends Error {}

/**
 * Reads the tags that place a slice (DICOM PS3.5, PS3.6), up to the pixels.
 *
 * @param bytes - the file's beginning; `size` is the length of all of it.
 * @returns null where there are no pixels (directories, reports) or more of the file is needed ('more').
 * @throws DataError when the file is damaged or ends before its pixels do.
 */
export function dicomHeader(name: string, bytes: Uint8Array, size: number): DicomHeader | null | "more" {
  try {
    return parse(name, bytes, size);
  } catch (error) {
    if (!(error instanceof NeedMore)) throw error;
    if (bytes.length < size) return "more";
    throw new DataError(`${name}: the file is truncated: its DICOM header is not whole (${size} bytes are there)`);
  }
}

interface Element {
  readonly tag: number;
  readonly at: number;
  readonly length: number;
}

function parse(name: string, bytes: Uint8Array, size: number): DicomHeader | null {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let at = 132;
  let [explicit, little] = [true, true];
  const need = (end: number) => {
    if (end > size)
      throw new DataError(`${name}: an element of the DICOM header ends beyond the file (${end - size} bytes missing)`);
    if (end > bytes.length) throw new NeedMore();
  };
  const text = (from: number, length: number): string => {
    need(from + length);
    return new TextDecoder("latin1").decode(bytes.subarray(from, from + length)).replace(/[\0 ]+$/, "");
  };
  /** The element at `at`, which moves to its value. */
  function next(): Element {
    need(at + 8);
    const tag = view.getUint16(at, little) * 0x10000 + view.getUint16(at + 2, little);
    at += 8;
    // Items and delimiters have no value representation.
    if (!explicit || tag >= 0xfffe0000) return { tag, at, length: view.getUint32(at - 4, little) };
    const vr = String.fromCharCode(bytes[at - 4]!, bytes[at - 3]!);
    if (!/^[A-Z]{2}$/.test(vr)) throw new DataError(`${name}: the DICOM header is damaged at byte ${at - 4}`);
    if (!LONG.has(vr)) return { tag, at, length: view.getUint16(at - 2, little) };
    need(at + 4);
    at += 4;
    return { tag, at, length: view.getUint32(at - 4, little) };
  }
  /** Moves behind a value; sequences of undefined length are walked through. */
  function skip({ length }: Element, depth = 0): void {
    if (length !== UNDEFINED) {
      at += length;
      if (at > size) throw missingBytes(name, "the DICOM header", at, size);
      return;
    }
    if (depth > 32) throw new DataError(`${name}: the DICOM header is nested too deeply`);
    for (;;) {
      const inner = next();
      if (inner.tag === 0xfffee0dd || inner.tag === 0xfffee00d) return;
      skip(inner, depth + 1);
    }
  }
  const found = new Map<number, string>();
  const sizes = new Map<number, number>();
  while (at < size) {
    if (
      at + 2 <= bytes.length &&
      explicit &&
      view.getUint16(at, true) !== 2 &&
      found.has(0x00020010) &&
      !found.has(0)
    ) {
      const syntax = found.get(0x00020010)!;
      found.set(0, ""); // The data set proper begins here, in the file's own syntax.
      if (syntax === DEFLATED) throw new DataError(`${name}: deflated DICOM is not supported; decompress it first`);
      [explicit, little] = [syntax !== IMPLICIT, syntax !== BIG_ENDIAN];
    }
    const element = next();
    const { tag, length } = element;
    if (tag === PIXELS) {
      if (length !== UNDEFINED && at + length > size) throw missingBytes(name, "the pixels", length, size - at);
      return headerOf(name, found, sizes);
    }
    if (tag === 0x00280010 || tag === 0x00280011) {
      need(at + 2);
      sizes.set(tag, view.getUint16(at, little));
    } else if (length <= 256 && WANTED.has(tag)) found.set(tag, text(at, length));
    skip(element);
  }
  return null;
}

/** Transfer syntax, slice thickness, distance of slices, series, position, orientation, frames, pixel spacing. */
const WANTED = new Set([
  0x00020010, 0x00180050, 0x00180088, 0x0020000e, 0x00200032, 0x00200037, 0x00280008, 0x00280030,
]);

function headerOf(name: string, found: ReadonlyMap<number, string>, sizes: ReadonlyMap<number, number>): DicomHeader {
  const numbers = (tag: number, count: number): number[] | null => {
    const values = (found.get(tag) ?? "").split("\\").map((part) => Number.parseFloat(part));
    return values.length === count && values.every(Number.isFinite) ? values : null;
  };
  return {
    name,
    series: found.get(0x0020000e) ?? "",
    rows: sizes.get(0x00280010) ?? 0,
    columns: sizes.get(0x00280011) ?? 0,
    frames: numbers(0x00280008, 1)?.[0] ?? 1,
    position: numbers(0x00200032, 3),
    orientation: numbers(0x00200037, 6),
    pixelSpacing: numbers(0x00280030, 2),
    sliceDistance: numbers(0x00180088, 1)?.[0] ?? numbers(0x00180050, 1)?.[0] ?? null,
  };
}
