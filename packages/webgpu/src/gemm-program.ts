import { type WebGPUBackend, webgpu_util } from "@tensorflow/tfjs-backend-webgpu";
import type { TensorInfo } from "@tensorflow/tfjs-core";

/** Sizes of a workgroup's tile. */
export interface GemmTile {
  /** Rows of the result per workgroup of 64 threads: 32 or 64. */
  readonly rows: number;
  /** Columns of the result per workgroup: 8, 16, 32 or 64. */
  readonly columns: number;
  /** Terms of the sum that are in workgroup memory at a time. */
  readonly depth: number;
}

/** What a product multiplies, as WGSL. Tensors are flat: `getA(i)` and `getB(i)` read them. */
export interface GemmParts {
  /** Everything that changes the source besides the tile. */
  readonly key: string;
  /** Declarations of uniforms, each ended by a comma. */
  readonly uniforms: string;
  /** Functions that the parts below call. */
  readonly functions?: string;
  /** Fills `Row`, the struct of what a row of A needs: `fn rowOf(row : i32) -> Row`. */
  readonly row: string;
  /**
   * Reads `depth` consecutive terms of one row of A from term `k0` on into workgroup memory: statements that call
   * `putA(kk, value)` for `kk` from 0 to `depth - 1`, given `r : Row`, `k0` and `inside` (the row exists).
   */
  readonly loadA: (depth: number) => string;
  /** `fn loadB(k : i32, column : i32) -> f32`, for a term and a column that exist. */
  readonly loadB: string;
  /** `fn store(row : i32, column : i32, split : i32, value : f32)`, for a row and a column that exist. */
  readonly store: string;
}

/** Size of a product: `rows x terms` times `terms x columns`, its sum cut into `splits` parts. */
export interface GemmSize {
  readonly rows: number;
  readonly columns: number;
  readonly terms: number;
  readonly splits?: number;
}

const THREADS = 64;
const range = (n: number): number[] => Array.from({ length: n }, (_, i) => i);

/**
 * The widest tile that is not mostly empty. 32 rows: with 64, lavapipe's compiler does not come to an end, and what the
 * tests cannot run is not shipped.
 */
export function tileFor({ columns }: GemmSize, depth = 16): GemmTile {
  return { rows: 32, columns: [8, 16, 32, 64].find((n) => n >= Math.min(columns, 64))!, depth };
}

function source({ rows, columns, depth }: GemmTile, parts: GemmParts): string {
  const [rowsEach, columnsEach] = [rows / 8, columns / 8];
  const accumulators = range(rowsEach).flatMap((i) => range(columnsEach).map((j) => `c${i}_${j}`));
  const loadsOfB = Math.ceil((depth * columns) / THREADS);
  return `
    ${parts.functions ?? ""}
    ${parts.row}
    ${parts.loadB}
    ${parts.store}
    var<workgroup> tileA : array<f32, ${depth * rows}>;
    var<workgroup> tileB : array<f32, ${depth * columns}>;
    fn main(index : i32) {
      let group = i32(workgroupId.x + numWorkgroups.x * (workgroupId.y + numWorkgroups.y * workgroupId.z));
      let thread = i32(localIndex);
      let columnTile = group % uniforms.columnTiles;
      let rowTile = (group / uniforms.columnTiles) % uniforms.rowTiles;
      let split = group / (uniforms.columnTiles * uniforms.rowTiles);
      let firstRow = rowTile * ${rows};
      let firstColumn = columnTile * ${columns};
      let loadRow = firstRow + thread % ${rows};
      // With 32 rows the other half of the threads takes the second half of the terms.
      let part = thread / ${rows};
      let inside = loadRow < uniforms.rows && split < uniforms.splits;
      let r = rowOf(select(0, loadRow, inside));
      ${accumulators.map((c) => `var ${c} = 0.0;`).join(" ")}
      for (var step = 0; step < uniforms.steps; step++) {
        let start = (split * uniforms.steps + step) * ${depth};
        {
          let k0 = start + part * ${depth * (rows / THREADS)};
          let at = (part * ${depth * (rows / THREADS)}) * ${rows} + thread % ${rows};
          ${parts.loadA(depth * (rows / THREADS))}
        }
        for (var i = 0; i < ${loadsOfB}; i++) {
          let e = thread + i * ${THREADS};
          let k = start + e / ${columns};
          let column = firstColumn + e % ${columns};
          var value = 0.0;
          if (k < uniforms.terms && column < uniforms.columns) { value = loadB(k, column); }
          ${depth * columns < THREADS ? `if (e < ${depth * columns}) { tileB[e] = value; }` : "tileB[e] = value;"}
        }
        workgroupBarrier();
        for (var kk = 0; kk < ${depth}; kk++) {
          let a = kk * ${rows} + (thread / 8) * ${rowsEach};
          let b = kk * ${columns} + (thread % 8) * ${columnsEach};
          ${range(rowsEach)
            .map((i) => `let a${i} = tileA[a + ${i}];`)
            .join(" ")}
          ${range(columnsEach)
            .map((j) => `let b${j} = tileB[b + ${j}];`)
            .join(" ")}
          ${range(rowsEach)
            .flatMap((i) => range(columnsEach).map((j) => `c${i}_${j} = fma(a${i}, b${j}, c${i}_${j});`))
            .join(" ")}
        }
        workgroupBarrier();
      }
      if (split < uniforms.splits) {
        let row = firstRow + (thread / 8) * ${rowsEach};
        let column = firstColumn + (thread % 8) * ${columnsEach};
        ${range(rowsEach)
          .flatMap((i) =>
            range(columnsEach).map(
              (j) =>
                `if (row + ${i} < uniforms.rows && column + ${j} < uniforms.columns) { store(row + ${i}, column + ${j}, split, c${i}_${j}); }`,
            ),
          )
          .join("\n")}
      }
    }`;
}

/** One value of A into workgroup memory; zero outside the matrix. Used by the parts' `loadA`. */
export const putA = (rows: number, kk: string, value: string): string => `tileA[at + ${kk} * ${rows}] = ${value};`;

/**
 * Multiplies two matrices that are read through index functions, as convolutions are (implicit GEMM), with tiles in
 * workgroup memory. The tensors are flat views, so any rank works.
 */
export function runGemm(
  backend: WebGPUBackend,
  inputs: readonly [TensorInfo, TensorInfo],
  outputSize: number,
  size: GemmSize,
  tile: GemmTile,
  parts: GemmParts,
  uniforms: readonly { readonly type: string; readonly data: number[] }[],
): TensorInfo {
  const { rows, columns, terms, splits = 1 } = size;
  const [rowTiles, columnTiles] = [Math.ceil(rows / tile.rows), Math.ceil(columns / tile.columns)];
  const steps = Math.ceil(Math.ceil(terms / tile.depth) / splits);
  const groups = rowTiles * columnTiles * splits;
  const dispatchLayout = webgpu_util.flatDispatchLayout([outputSize]);
  const program = {
    variableNames: ["A", "B"],
    outputShape: [outputSize],
    workgroupSize: [THREADS, 1, 1] as [number, number, number],
    dispatchLayout,
    // Beyond the limit of one dimension tfjs spreads the groups over several.
    dispatch: [groups, 1, 1] as [number, number, number],
    uniforms: `rows : i32, columns : i32, terms : i32, splits : i32, steps : i32, rowTiles : i32, columnTiles : i32, ${parts.uniforms}`,
    shaderKey: `semiseg_gemm_${parts.key}_${tile.rows}_${tile.columns}_${tile.depth}`,
    getUserCode: () => source(tile, parts),
  };
  const flat = inputs.map((x) => ({
    dataId: x.dataId,
    dtype: x.dtype,
    shape: [x.shape.reduce((a, b) => a * b, 1)],
  }));
  const numbers = [rows, columns, terms, splits, steps, rowTiles, columnTiles];
  return backend.runWebGPUProgram(program, flat, "float32", [
    ...numbers.map((n) => ({ type: "int32", data: [n] })),
    ...uniforms.map(({ type, data }) => ({ type, data })),
  ]);
}
