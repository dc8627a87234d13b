/** Sizes of a workgroup's tile. */
export interface GemmTile {
  /** Rows of the result per workgroup. */
  readonly rows: number;
  /** Columns of the result per workgroup: 8, 16, 32 or 64. */
  readonly columns: number;
  /** Terms of the sum that are in workgroup memory at a time. */
  readonly depth: number;
  /** Threads of the workgroup, a multiple of `rows` or a divisor of it: 64 or 256, 128 where a subgroup has so many. */
  readonly threads: number;
}

/** Size of a product: `rows x terms` times `terms x columns`, its sum cut into `splits` parts. */
export interface GemmSize {
  readonly rows: number;
  readonly columns: number;
  readonly terms: number;
  readonly splits?: number;
}

/** Sizes of the subgroup matrices that a device multiplies: `rows x terms` times `terms x columns`, each 8 or 16. */
export interface MatrixShape {
  readonly rows: number;
  readonly columns: number;
  readonly terms: number;
  /** Threads of the largest subgroup; workgroups are multiples of it. */
  readonly subgroup: number;
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

/** How subgroups divide the tile where they multiply matrices: `[rows, columns]` of subgroups, each with a block or more. */
export function unitGrid({ rows, columns, threads }: GemmTile, matrix: MatrixShape): readonly [number, number] {
  const units = threads / matrix.subgroup;
  const down = Math.min(units, rows / matrix.rows);
  return [down, Math.min(units / down, columns / matrix.columns)];
}

/** Bytes of workgroup memory. */
function storageOf(tile: GemmTile, matrix: MatrixShape | null): number {
  const held = tile.depth * (tile.rows + tile.columns);
  if (!matrix) return 4 * held;
  const [down, across] = unitGrid(tile, matrix);
  // Float16 operands, one block of results per subgroup, and the counter of subgroups.
  return 2 * held + 4 * down * across * matrix.rows * matrix.columns + 4;
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
 * @param matrix - the subgroup matrices that the tile must be made up of, if they multiply it.
 */
export function candidateTiles(
  size: GemmSize,
  depths: readonly number[],
  limits: TileLimits,
  matrix: MatrixShape | null = null,
): GemmTile[] {
  const width = Math.max(tileColumns(size.columns), matrix?.columns ?? 0);
  const few = Math.max(64, matrix?.subgroup ?? 0);
  const shapes = [
    [32, few],
    [64, few],
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
        (tile) =>
          // Each thread loads at least one term of a row.
          depth * tile.rows >= tile.threads &&
          (tile.rows === 32 || tile.rows <= 2 * size.rows) &&
          (!matrix || (depth % matrix.terms === 0 && tile.threads % matrix.subgroup === 0)) &&
          tile.threads <= Math.min(limits.maxComputeInvocationsPerWorkgroup, limits.maxComputeWorkgroupSizeX) &&
          storageOf(tile, matrix) <= limits.maxComputeWorkgroupStorageSize,
      ),
  );
}
