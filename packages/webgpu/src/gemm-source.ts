import { gemmMatrixSource } from "./gemm-matrix-source.js";
import type { GemmSettings } from "./gemm-settings.js";
import { gemmThreadSource } from "./gemm-thread-source.js";
import type { GemmTile } from "./gemm-tile.js";
import { shiftOf } from "./pack-half.js";

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
   * Reads `count` consecutive terms of one row of A from term `k0` on into workgroup memory: statements that do
   * `put("kk", "value")` for `kk` from 0 to `count - 1`, given `r : Row`, `k0` and `inside` (the row exists).
   */
  readonly loadA: (count: number, put: (kk: string, value: string) => string) => string;
  /** `fn loadB(k : i32, column : i32) -> f32`, for a term and a column that exist. */
  readonly loadB: string;
  /** `fn store(row : i32, column : i32, split : i32, value : f32)`, for a row and a column that exist. */
  readonly store: string;
  /** Terms that may be in workgroup memory at a time, the default first; see {@link candidateTiles}. */
  readonly depths: readonly number[];
  /** Operands whose every number is read several times: float16 is stored for them, where it is their precision. */
  readonly reread: "" | "A" | "AB";
}

/**
 * float16 holds each operand times a power of two. Any operand may be a gradient, of any magnitude: a transposed
 * convolution's is convolved forwards.
 */
const SCALES = `
      let shift = vec2<i32>(${shiftOf("getS(0)")}, ${shiftOf("getT(0)")});
      let scale = bitcast<vec2<f32>>(vec2<u32>(127 + shift) << vec2<u32>(23u));
      // Both powers in two even parts: none of them passes float32's range where the result does not.
      let back = shift.x + shift.y;
      let unscale = bitcast<vec2<f32>>(vec2<u32>(127 - vec2<i32>(back / 2, back - back / 2)) << vec2<u32>(23u));`;

/** Operands that are stored as float16, by their letters. */
export const packedOperands = (
  { reread }: Pick<GemmParts, "reread">,
  { precision, pack }: Pick<GemmSettings, "precision" | "pack">,
): "" | "A" | "AB" => (precision === "f16" && pack ? reread : "");

/** The WGSL of a product: tiles are read into workgroup memory, multiplied there, and the next ones read. */
export function gemmSource(
  tile: GemmTile,
  parts: GemmParts,
  settings: Pick<GemmSettings, "precision" | "matrix" | "pack">,
): string {
  const { precision, matrix } = settings;
  const packed = packedOperands(parts, settings);
  const { rows, columns, depth, threads } = tile;
  const count = (depth * rows) / threads;
  const loadsOfB = Math.ceil((depth * columns) / threads);
  const half = precision === "f16";
  const put = (operand: "A" | "B", at: string, value: string): string => {
    const scale = packed.includes(operand) ? "" : ` * scale.${operand === "A" ? "x" : "y"}`;
    return `tile${operand}[${at}] = ${half ? `f16(${value}${scale})` : value};`;
  };
  const inner = matrix ? gemmMatrixSource(tile, matrix) : gemmThreadSource(tile, half);
  // Words of packHalf, read as the numbers in them: not by the getter of tfjs, which makes floats of integers.
  const unpacked = [...packed].map(
    (operand) =>
      `fn get${operand}(i : i32) -> f32 { return f32(bitcast<vec2<f16>>(Packed${operand}[i >> 1u])[i & 1]); }`,
  );
  return `
    ${unpacked.join("\n")}
    ${parts.functions ?? ""}
    ${parts.row}
    ${parts.loadB}
    ${parts.store}
    var<workgroup> tileA : array<${precision}, ${depth * rows}>;
    var<workgroup> tileB : array<${precision}, ${depth * columns}>;
    ${inner.declarations ?? ""}
    fn main(index : i32) {
      let group = i32(workgroupId.x + numWorkgroups.x * (workgroupId.y + numWorkgroups.y * workgroupId.z));
      let thread = i32(localIndex);${half ? SCALES : ""}
      let columnTile = group % uniforms.columnTiles;
      let rowTile = (group / uniforms.columnTiles) % uniforms.rowTiles;
      let split = group / (uniforms.columnTiles * uniforms.rowTiles);
      let firstRow = rowTile * ${rows};
      let firstColumn = columnTile * ${columns};
      let loadRow = firstRow + thread % ${rows};
      // Threads of the same row take one part of the terms each.
      let part = thread / ${rows};
      let inside = loadRow < uniforms.rows && split < uniforms.splits;
      let r = rowOf(select(0, loadRow, inside));
      ${inner.begin}
      for (var step = 0; step < uniforms.steps; step++) {
        let start = (split * uniforms.steps + step) * ${depth};
        {
          let k0 = start + part * ${count};
          let at = part * ${count * rows} + thread % ${rows};
          ${parts.loadA(count, (kk, value) => put("A", `at + ${kk} * ${rows}`, value))}
        }
        for (var i = 0; i < ${loadsOfB}; i++) {
          let e = thread + i * ${threads};
          let k = start + e / ${columns};
          let column = firstColumn + e % ${columns};
          var value = 0.0;
          if (k < uniforms.terms && column < uniforms.columns) { value = loadB(k, column); }
          ${depth * columns < threads ? `if (e < ${depth * columns}) { ${put("B", "e", "value")} }` : put("B", "e", "value")}
        }
        workgroupBarrier();
        ${inner.multiply}
        workgroupBarrier();
      }
      ${inner.end}
    }`;
}
