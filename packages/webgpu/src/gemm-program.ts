import { type WebGPUBackend, webgpu_util } from "@tensorflow/tfjs-backend-webgpu";
import type { TensorInfo } from "@tensorflow/tfjs-core";
import { type ConvolutionPrecision, gemmSettings } from "./gemm-settings.js";
import { candidateTiles, type GemmSize, type GemmTile, partOf, sizeClass, threadGrid, tileName } from "./gemm-tile.js";
import { largestExponent } from "./largest-exponent.js";

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
  /** The operand that may be a gradient, of any magnitude: float16 holds it times a power of two. */
  readonly scaled?: "A" | "B";
}

/** In float16: what is put into workgroup memory and taken out of it. */
const HALF = `
  // Finite values beyond the largest half become the largest half; infinities and NaN stay, to be seen in the result.
  fn toTile(v : f32) -> f16 {
    let finite = (bitcast<u32>(v) & 0x7f800000u) != 0x7f800000u;
    return f16(select(v, clamp(v, -65504.0, 65504.0), finite));
  }
  fn fromTile(v : f16) -> f32 { return f32(v); }`;
const FLOAT = `
  fn toTile(v : f32) -> f32 { return v; }
  fn fromTile(v : f32) -> f32 { return v; }`;
/** Brings the largest magnitude to 2^14: an exact multiplication, and far from both ends of what float16 holds. */
const SCALE = `
      let shift = clamp(141 - i32(getS(0)), -126, 126);
      let scale = bitcast<f32>(u32(127 + shift) << 23u);
      let unscale = bitcast<f32>(u32(127 - shift) << 23u);`;

const sizeOf = (shape: readonly number[]): number => shape.reduce((a, b) => a * b, 1);
const range = (n: number): number[] => Array.from({ length: n }, (_, i) => i);

function source(tile: GemmTile, parts: GemmParts, precision: ConvolutionPrecision): string {
  const { rows, columns, depth, threads } = tile;
  const [down, across] = threadGrid(tile);
  const [rowsEach, columnsEach] = [rows / down, columns / across];
  const count = (depth * rows) / threads;
  const accumulators = range(rowsEach).flatMap((i) => range(columnsEach).map((j) => `c${i}_${j}`));
  const loadsOfB = Math.ceil((depth * columns) / threads);
  const scaled = precision === "f16" ? parts.scaled : undefined;
  const put = (operand: "A" | "B", at: string, value: string): string =>
    `tile${operand}[${at}] = toTile(${value}${scaled === operand ? " * scale" : ""});`;
  return `
    ${precision === "f16" ? HALF : FLOAT}
    ${parts.functions ?? ""}
    ${parts.row}
    ${parts.loadB}
    ${parts.store}
    var<workgroup> tileA : array<${precision}, ${depth * rows}>;
    var<workgroup> tileB : array<${precision}, ${depth * columns}>;
    fn main(index : i32) {
      let group = i32(workgroupId.x + numWorkgroups.x * (workgroupId.y + numWorkgroups.y * workgroupId.z));
      let thread = i32(localIndex);${scaled ? SCALE : ""}
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
      ${accumulators.map((c) => `var ${c} = 0.0;`).join(" ")}
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
        for (var kk = 0; kk < ${depth}; kk++) {
          let a = kk * ${rows} + (thread / ${across}) * ${rowsEach};
          let b = kk * ${columns} + (thread % ${across}) * ${columnsEach};
          ${range(rowsEach)
            .map((i) => `let a${i} = fromTile(tileA[a + ${i}]);`)
            .join(" ")}
          ${range(columnsEach)
            .map((j) => `let b${j} = fromTile(tileB[b + ${j}]);`)
            .join(" ")}
          ${range(rowsEach)
            .flatMap((i) => range(columnsEach).map((j) => `c${i}_${j} = fma(a${i}, b${j}, c${i}_${j});`))
            .join(" ")}
        }
        workgroupBarrier();
      }
      if (split < uniforms.splits) {
        let row = firstRow + (thread / ${across}) * ${rowsEach};
        let column = firstColumn + (thread % ${across}) * ${columnsEach};
        ${range(rowsEach)
          .flatMap((i) =>
            range(columnsEach).map(
              (j) =>
                `if (row + ${i} < uniforms.rows && column + ${j} < uniforms.columns) { store(row + ${i}, column + ${j}, split, c${i}_${j}${scaled ? " * unscale" : ""}); }`,
            ),
          )
          .join("\n")}
      }
    }`;
}

/** FNV-1a: tiles that were timed with other programs are not those of this one. */
function digest(text: string): string {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  return (hash >>> 0).toString(36);
}
const digests = new Map<string, string>();
function digestOf(parts: GemmParts, tile: GemmTile, precision: ConvolutionPrecision): string {
  const key = `${parts.key} ${precision}`;
  const known = digests.get(key);
  if (known !== undefined) return known;
  const made = digest(source(tile, parts, precision));
  digests.set(key, made);
  return made;
}

/**
 * Multiplies two matrices that are read through index functions, as convolutions are (implicit GEMM), with tiles in
 * workgroup memory. The tensors are flat views, so any rank works.
 */
export function runGemm(
  backend: WebGPUBackend,
  inputs: readonly [TensorInfo, TensorInfo],
  outputSize: number,
  size: GemmSize,
  parts: GemmParts,
  uniforms: readonly { readonly type: string; readonly data: number[] }[],
): TensorInfo {
  const { precision, tiles, seen } = gemmSettings(backend);
  const near = sizeClass(size);
  const candidates = candidateTiles(near, parts.depths, backend.device.limits);
  const name = `${parts.key} ${precision} ${near.rows}x${near.columns}x${near.terms} ${parts.depths.join(",")} ${digestOf(parts, candidates[0]!, precision)}`;
  // What storage holds may be anything: only a tile that this product can have is used.
  const tuned = candidates.find((tile) => tileName(tile) === tiles.get(name));
  const tile = tuned ?? candidates[0]!;
  const [a, b] = inputs.map(({ dataId, dtype, shape }) => ({ dataId, dtype, shape: [sizeOf(shape)] }));
  if (!tuned && seen && !seen.has(name))
    seen.set(name, {
      candidates,
      work: size.rows * size.columns * size.terms,
      operands: [a!.shape[0]!, b!.shape[0]!],
      run: (others) => runGemm(backend, others, outputSize, size, parts, uniforms),
    });
  const { rows, columns, terms, splits = 1 } = size;
  const [rowTiles, columnTiles] = [Math.ceil(rows / tile.rows), Math.ceil(columns / tile.columns)];
  const steps = Math.ceil((splits === 1 ? terms : partOf(terms, splits)) / tile.depth);
  const dispatchLayout = webgpu_util.flatDispatchLayout([outputSize]);
  const exponent =
    precision === "f16" && parts.scaled ? largestExponent(backend, parts.scaled === "A" ? a! : b!) : null;
  const program = {
    variableNames: exponent ? ["A", "B", "S"] : ["A", "B"],
    outputShape: [outputSize],
    workgroupSize: [tile.threads, 1, 1] as [number, number, number],
    dispatchLayout,
    // Beyond the limit of one dimension tfjs spreads the groups over several.
    dispatch: [rowTiles * columnTiles * splits, 1, 1] as [number, number, number],
    uniforms: `rows : i32, columns : i32, terms : i32, splits : i32, steps : i32, rowTiles : i32, columnTiles : i32, ${parts.uniforms}`,
    shaderKey: `semiseg_gemm_${parts.key}_${precision}_${tileName(tile)}`,
    getUserCode: () => source(tile, parts, precision),
  };
  const numbers = [rows, columns, terms, splits, steps, rowTiles, columnTiles];
  const operands = exponent ? [a!, b!, exponent] : [a!, b!];
  const out = backend.runWebGPUProgram(program, operands, "float32", [
    ...numbers.map((n) => ({ type: "int32", data: [n] })),
    ...uniforms.map(({ type, data }) => ({ type, data })),
  ]);
  if (exponent) backend.disposeData(exponent.dataId);
  return out;
}
