import { type WebGPUBackend, webgpu_util } from "@tensorflow/tfjs-backend-webgpu";
import type { TensorInfo } from "@tensorflow/tfjs-core";
import { sizeOf } from "./flat-program.js";
import { type GemmSettings, gemmSettings } from "./gemm-settings.js";
import { type GemmParts, gemmSource, packedOperands } from "./gemm-source.js";
import { candidateTiles, type GemmSize, type GemmTile, partOf, sizeClass, tileName } from "./gemm-tile.js";
import { largestExponent } from "./largest-exponent.js";
import { packHalf } from "./pack-half.js";

/** FNV-1a: tiles that were timed with other programs are not those of this one. */
function digest(text: string): string {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  return (hash >>> 0).toString(36);
}
const digests = new Map<string, string>();
function digestOf(parts: GemmParts, tile: GemmTile, settings: GemmSettings): string {
  const key = `${keyOf(parts, settings)} ${variantName(settings)} ${tileName(tile)}`;
  const known = digests.get(key);
  if (known !== undefined) return known;
  const made = digest(gemmSource(tile, parts, settings));
  digests.set(key, made);
  return made;
}

/** What of the parts changes the source. */
const keyOf = (parts: GemmParts, settings: GemmSettings): string => {
  const packed = packedOperands(parts, settings);
  return packed ? `${parts.key}_packed${packed}` : parts.key;
};

/** What of the settings changes the source. */
const variantName = ({ precision, matrix }: GemmSettings): string =>
  matrix ? `${precision}_${matrix.rows}x${matrix.columns}x${matrix.terms}_${matrix.subgroup}` : precision;

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
  const settings = gemmSettings(backend);
  const { precision, matrix, tiles, seen } = settings;
  const variant = variantName(settings);
  const near = sizeClass(size);
  const candidates = candidateTiles(near, parts.depths, backend.device.limits, matrix);
  const key = keyOf(parts, settings);
  const name = `${key} ${variant} ${near.rows}x${near.columns}x${near.terms} ${parts.depths.join(",")} ${digestOf(parts, candidates[0]!, settings)}`;
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
  const exponents = precision === "f16" ? [a!, b!].map((x) => largestExponent(backend, x)) : [];
  const packed = [...packedOperands(parts, settings)].map((_, i) => packHalf(backend, [a!, b!][i]!, exponents[i]!));
  const names = ["A", "B"].map((operand, i) => (packed[i] ? `Packed${operand}` : operand));
  const program = {
    variableNames: exponents.length > 0 ? [...names, "S", "T"] : names,
    outputShape: [outputSize],
    workgroupSize: [tile.threads, 1, 1] as [number, number, number],
    dispatchLayout,
    // Beyond the limit of one dimension tfjs spreads the groups over several.
    dispatch: [rowTiles * columnTiles * splits, 1, 1] as [number, number, number],
    uniforms: `rows : i32, columns : i32, terms : i32, splits : i32, steps : i32, rowTiles : i32, columnTiles : i32, ${parts.uniforms}`,
    shaderKey: `semiseg_gemm_${key}_${variant}_${tileName(tile)}`,
    getUserCode: () => gemmSource(tile, parts, settings),
  };
  const numbers = [rows, columns, terms, splits, steps, rowTiles, columnTiles];
  const out = backend.runWebGPUProgram(program, [packed[0] ?? a!, packed[1] ?? b!, ...exponents], "float32", [
    ...numbers.map((n) => ({ type: "int32", data: [n] })),
    ...uniforms.map(({ type, data }) => ({ type, data })),
  ]);
  for (const { dataId } of [...exponents, ...packed]) backend.disposeData(dataId);
  return out;
}
