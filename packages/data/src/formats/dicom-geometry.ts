import { DataError } from "@semiseg/errors";
import type { DicomHeader } from "./dicom-header.js";

/** A series in order along its normal, with its affine. */
export interface DicomGeometry {
  /** Files from the first slice to the last. */
  readonly files: readonly string[];
  /** Columns, rows, slices. */
  readonly size: readonly number[];
  readonly spacing: readonly number[];
  /** Voxel index (column, row, slice) to RAS millimetres. */
  readonly affine: readonly number[];
}

/** Share of the slice distance that gaps and sideways shifts may be off. */
const TOLERANCE = 0.02;

/**
 * Sorts the slices of a series by where they are and checks that they make a volume.
 *
 * @throws DataError for several series, several frames in a file, files without position, different grids, slices that
 * are missing, doubled or unevenly spaced, and tilted stacks.
 */
export function dicomGeometry(folder: string, headers: readonly DicomHeader[]): DicomGeometry {
  const refuse = (why: string): never => {
    throw new DataError(`${folder}: ${why}`);
  };
  const [first] = headers as readonly [DicomHeader, ...DicomHeader[]];
  const series = new Map<string, number>();
  for (const h of headers) series.set(h.series, (series.get(h.series) ?? 0) + 1);
  if (series.size > 1)
    refuse(
      `the folder holds ${series.size} DICOM series (${[...series].map(([uid, n]) => `${uid}: ${n} files`).join(", ")}); put each into a folder of its own`,
    );
  const multi = headers.find((h) => h.frames > 1);
  if (multi) refuse(`${multi.name} holds ${multi.frames} frames; multi-frame DICOM is not supported`);
  const bare = headers.find((h) => !h.position || !h.orientation);
  if (bare) refuse(`${bare.name} does not say where its slice is (Image Position and Image Orientation)`);
  const orientation = first.orientation!;
  const [dy, dx] = first.pixelSpacing ?? [1, 1];
  for (const h of headers) {
    const turned = h.orientation!.some((x, i) => Math.abs(x - orientation[i]!) > 1e-3);
    const other = h.rows !== first.rows || h.columns !== first.columns;
    const spaced = (h.pixelSpacing ?? [1, 1]).some((s, i) => Math.abs(s - [dy!, dx!][i]!) > 1e-3 * s);
    if (turned || other || spaced)
      refuse(
        `slices of different grids: ${first.name} is ${first.columns} x ${first.rows} voxels of ${dx} x ${dy} mm, ${h.name} ${h.columns} x ${h.rows} of ${[...(h.pixelSpacing ?? [1, 1])].reverse().join(" x ")} mm${turned ? ", turned" : ""}`,
      );
  }
  const [row, column] = [orientation.slice(0, 3), orientation.slice(3)];
  const normal = cross(row, column);
  const along = (h: DicomHeader) => dot(h.position!, normal);
  const sorted = [...headers].sort((a, b) => along(a) - along(b));
  const distance = headers.length > 1 ? sliceDistance(sorted, along, normal, refuse) : (first.sliceDistance ?? 1);
  const spacing = [dx!, dy!, distance];
  if (!spacing.every((s) => Number.isFinite(s) && s > 0)) refuse(`impossible spacing [${spacing.join(", ")}] mm`);
  const origin = sorted[0]!.position!;
  const affine = new Array<number>(16).fill(0);
  affine[15] = 1;
  const signs = [-1, -1, 1]; // left, posterior, superior to right, anterior, superior
  for (let r = 0; r < 3; r++) {
    [row, column, normal].forEach((axis, a) => {
      affine[4 * r + a] = signs[r]! * axis[r]! * spacing[a]! + 0;
    });
    affine[4 * r + 3] = signs[r]! * origin[r]! + 0;
  }
  return {
    files: sorted.map((h) => h.name),
    size: [first.columns, first.rows, headers.length],
    spacing,
    affine,
  };
}

/** The one distance between neighbours; refused where there is none. */
function sliceDistance(
  sorted: readonly DicomHeader[],
  along: (h: DicomHeader) => number,
  normal: readonly number[],
  refuse: (why: string) => never,
): number {
  const gaps = sorted.slice(1).map((h, i) => along(h) - along(sorted[i]!));
  const doubled = gaps.findIndex((g) => g < 1e-3);
  if (doubled >= 0)
    refuse(
      `two slices at one place (${sorted[doubled]!.name}, ${sorted[doubled + 1]!.name}): several times or contrasts in one series`,
    );
  const total = along(sorted.at(-1)!) - along(sorted[0]!);
  const mean = total / gaps.length;
  const middle = [...gaps].sort((a, b) => a - b)[gaps.length >> 1]!;
  const odd = gaps.findIndex((g) => Math.abs(g - middle) > TOLERANCE * middle);
  if (odd >= 0)
    refuse(
      `uneven slices: ${+gaps[odd]!.toPrecision(5)} mm between ${sorted[odd]!.name} and ${sorted[odd + 1]!.name}, ${+middle.toPrecision(5)} mm elsewhere; slices are missing or the series is of several parts`,
    );
  const [from, to] = [sorted[0]!.position!, sorted.at(-1)!.position!];
  const sideways = Math.hypot(...to.map((x, r) => x - from[r]! - total * normal[r]!));
  if (sideways > TOLERANCE * total)
    refuse("the slices' positions are not along their normal; a tilted series is not supported");
  return mean;
}

const dot = (a: readonly number[], b: readonly number[]): number => a.reduce((sum, x, i) => sum + x * b[i]!, 0);
const cross = ([a, b, c]: readonly number[], [d, e, f]: readonly number[]): number[] => [
  b! * f! - c! * e!,
  c! * d! - a! * f!,
  a! * e! - b! * d!,
];
