/** Sizes of a workgroup's tile. */
export interface GemmTile {
  /** Rows of the result per workgroup. */
  readonly rows: number;
  /** Columns of the result per workgroup: 8, 16, 32 or 64. */
  readonly columns: number;
  /** Terms of the sum that are in workgroup memory at a time. */
  readonly depth: number;
  /** Threads of the workgroup, a multiple of `rows` or a divisor of it: 64 or 256. */
  readonly threads: number;
}

/** Size of a product: `rows x terms` times `terms x columns`, its sum cut into `splits` parts. */
export interface GemmSize {
  readonly rows: number;
  readonly columns: number;
  readonly terms: number;
  readonly splits?: number;
}

/** What a device lets a workgroup have; `device.limits` is one. */
export type TileLimits = Pick<
  GPUSupportedLimits,
  "maxComputeInvocationsPerWorkgroup" | "maxComputeWorkgroupSizeX" | "maxComputeWorkgroupStorageSize"
>;

/** Results that a thread keeps in registers. With twice as many, compilers of software drivers do not come to an end. */
const MOST_PER_THREAD = 32;

/** The largest depth. A part of a cut sum is a multiple of it, so that the tile does not change what is added to what. */
const PART_TERMS = 32;

/** Terms of one part of a sum that is cut into `splits` parts. */
export const partOf = (terms: number, splits: number): number => Math.ceil(terms / splits / PART_TERMS) * PART_TERMS;

/** The columns of a tile that is not mostly empty. */
export const tileColumns = (columns: number): number => [8, 16, 32, 64].find((n) => n >= Math.min(columns, 64))!;

/** How a workgroup's threads divide the tile: `[rows, columns]` of threads. */
export function threadGrid({ threads, columns }: GemmTile): readonly [number, number] {
  const across = Math.min(columns, threads === 64 ? 8 : 16);
  return [threads / across, across];
}

/** A tile's name in keys and in storage. */
export const tileName = ({ rows, columns, depth, threads }: GemmTile): string =>
  `${rows}x${columns}x${depth}/${threads}`;

/** The sizes that share a tile: powers of two near them. */
export function sizeClass({ rows, columns, terms }: GemmSize): GemmSize {
  const near = (n: number) => 2 ** Math.round(Math.log2(n));
  return { rows: near(rows), columns: columns > 64 ? near(columns) : tileColumns(columns), terms: near(terms) };
}

/**
 * The tiles that a product of a class of sizes may use on a device, at most eight, the default first. All of them add up
 * the same terms in the same order: results differ in speed only.
 *
 * @param size - see {@link sizeClass}.
 * @param depths - powers of two from 4 to 32, the default first.
 */
export function candidateTiles(size: GemmSize, depths: readonly number[], limits: TileLimits): GemmTile[] {
  const width = tileColumns(size.columns);
  const shapes = [
    [32, 64],
    [64, 64],
    [64, 256],
    [128, 256],
  ] as const;
  return depths.flatMap((depth) =>
    shapes
      .map(
        ([rows, threads]): GemmTile => ({
          rows,
          threads,
          depth,
          columns: Math.min(width, (MOST_PER_THREAD * threads) / rows),
        }),
      )
      .filter(
        ({ rows, columns, threads }) =>
          // Each thread loads at least one term of a row.
          depth * rows >= threads &&
          (rows === 32 || rows <= 2 * size.rows) &&
          threads <= Math.min(limits.maxComputeInvocationsPerWorkgroup, limits.maxComputeWorkgroupSizeX) &&
          4 * depth * (rows + columns) <= limits.maxComputeWorkgroupStorageSize,
      ),
  );
}
