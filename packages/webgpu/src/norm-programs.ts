import type { WebGPUBackend } from "@tensorflow/tfjs-backend-webgpu";
import type { TensorInfo } from "@tensorflow/tfjs-core";
import { runFlat } from "./flat-program.js";

/** Sizes of a normalisation of `[N, ...S, C]`. */
export interface NormSizes {
  readonly samples: number;
  /** Per sample. */
  readonly voxels: number;
  readonly channels: number;
  /** 0: statistics of a channel over all samples; otherwise of a group of channels in a sample. */
  readonly groups: number;
  readonly epsilon: number;
  readonly relu: boolean;
}

/** Threads that share the voxels of a sample and channel: enough to fill a device, few enough to add up quickly. */
const chunksOf = ({ voxels }: NormSizes): number => Math.min(128, Math.ceil(voxels / 32));
const cellsOf = ({ samples, channels, groups }: NormSizes): number => (groups === 0 ? channels : samples * groups);

const UNIFORMS =
  "samples : i32, voxels : i32, channels : i32, groups : i32, width : i32, chunks : i32, cells : i32, epsilon : f32,";

const functionsOf = ({ groups }: NormSizes): string => `
  // Where the statistics of a sample's channel are.
  fn cellOf(n : i32, c : i32) -> i32 { return ${groups === 0 ? "c" : "n * uniforms.groups + c / uniforms.width"}; }`;

/** A flat program with the sizes as uniforms. */
function each(
  backend: WebGPUBackend,
  key: string,
  inputs: Readonly<Record<string, TensorInfo>>,
  shape: readonly number[],
  sizes: NormSizes,
  body: string,
): TensorInfo {
  const { samples, voxels, channels, groups, epsilon, relu } = sizes;
  const numbers = [samples, voxels, channels, groups, groups === 0 ? 1 : channels / groups];
  return runFlat(backend, {
    key: `norm_${key}_${groups === 0}_${relu}`,
    inputs,
    shape,
    dtype: "float32",
    uniforms: UNIFORMS,
    values: [
      ...[...numbers, chunksOf(sizes), cellsOf(sizes)].map((n) => ({ type: "int32", data: [n] })),
      { type: "float32", data: [epsilon] },
    ],
    functions: functionsOf(sizes),
    body,
  });
}

/** `n`, `chunk` and `c` of a thread that walks over every `chunks`-th voxel, so that neighbours read neighbours. */
const CHUNK = `let own = index % (uniforms.samples * uniforms.chunks * uniforms.channels);
  let c = own % uniforms.channels;
  let chunk = (own / uniforms.channels) % uniforms.chunks;
  let n = own / (uniforms.channels * uniforms.chunks);
  let first = n * uniforms.voxels;`;
const VOXELS = "for (var v = chunk; v < uniforms.voxels; v += uniforms.chunks)";
const AT = "let i = (first + v) * uniforms.channels + c;";

/** Runs a body for every chunk of a cell: its channels, and all samples where they share statistics. */
const overCell = (sizes: NormSizes, body: string): string =>
  sizes.groups === 0
    ? `let c = cell; for (var n = 0; n < uniforms.samples; n++) { for (var chunk = 0; chunk < uniforms.chunks; chunk++) { ${body} } }`
    : `let n = cell / uniforms.groups;
       for (var j = 0; j < uniforms.width; j++) {
         let c = (cell % uniforms.groups) * uniforms.width + j;
         for (var chunk = 0; chunk < uniforms.chunks; chunk++) { ${body} }
       }`;
const PART = "let part = (n * uniforms.chunks + chunk) * uniforms.channels + c;";

/**
 * Mean and inverse standard deviation of every cell. Chunks have mean and sum of squared deviations of their own, which are
 * joined: sums of squares of whole volumes would lose the variance to rounding.
 *
 * @returns `mean` and `inverseStd`, `[C]` or `[N, groups]`.
 */
export function normStatistics(backend: WebGPUBackend, x: TensorInfo, sizes: NormSizes): [TensorInfo, TensorInfo] {
  const { samples, channels, groups } = sizes;
  const parts = each(
    backend,
    "parts",
    { x },
    [2, samples, chunksOf(sizes), channels],
    sizes,
    `${CHUNK}
     var sum = 0.0; var count = 0.0;
     ${VOXELS} { ${AT} sum += getX(i); count += 1.0; }
     let mean = sum / max(count, 1.0);
     if (index < uniforms.size / 2) { setOutputAtIndex(index, mean); return; }
     var squares = 0.0;
     ${VOXELS} { ${AT} let d = getX(i) - mean; squares += d * d; }
     setOutputAtIndex(index, squares);`,
  );
  const joined = (key: string, result: string): TensorInfo =>
    each(
      backend,
      key,
      { parts },
      groups === 0 ? [channels] : [samples, groups],
      sizes,
      `let cell = index; var count = 0.0; var mean = 0.0; var squares = 0.0;
       let half = uniforms.samples * uniforms.chunks * uniforms.channels;
       ${overCell(
         sizes,
         `${PART}
          let own = f32((uniforms.voxels - chunk + uniforms.chunks - 1) / uniforms.chunks);
          let d = getParts(part) - mean;
          let all = count + own;
          squares += getParts(half + part) + d * d * count * own / all;
          mean += d * own / all;
          count = all;`,
       )}
       setOutputAtIndex(index, ${result});`,
    );
  const mean = joined("mean", "mean");
  const inverseStd = joined("inverse", "inverseSqrt(squares / count + uniforms.epsilon)");
  backend.disposeData(parts.dataId);
  return [mean, inverseStd];
}

const NORMALIZED = `let cell = cellOf(n, c);
  let normalized = (getX(i) - getMean(cell)) * getInverseStd(cell);`;

/** `gamma (x - mean) inverseStd + beta`, rectified where asked for. */
export function normApply(backend: WebGPUBackend, inputs: Record<string, TensorInfo>, sizes: NormSizes): TensorInfo {
  return each(
    backend,
    "apply",
    inputs,
    inputs["x"]!.shape,
    sizes,
    `let i = index; let c = i % uniforms.channels; let n = i / (uniforms.channels * uniforms.voxels);
     ${NORMALIZED}
     let y = normalized * getGamma(c) + getBeta(c);
     setOutputAtIndex(index, ${sizes.relu ? "max(y, 0.0)" : "y"});`,
  );
}

/** `[dx, dGamma, dBeta]` from `dy`, `x`, `gamma`, `beta`, `mean` and `inverseStd`. */
export function normGradient(
  backend: WebGPUBackend,
  inputs: Record<string, TensorInfo>,
  sizes: NormSizes,
): [TensorInfo, TensorInfo, TensorInfo] {
  const { samples, channels } = sizes;
  // A program's inputs are those that it reads: others would not be in its layout.
  const { dy, x, gamma, beta, mean, inverseStd } = inputs as Record<string, TensorInfo> & Record<"gamma", TensorInfo>;
  const read = { dy: dy!, x: x!, mean: mean!, inverseStd: inverseStd! };
  const passed = `${NORMALIZED}
    var g = getDy(i);
    ${sizes.relu ? "if (normalized * getGamma(c) + getBeta(c) <= 0.0) { g = 0.0; }" : ""}`;
  // Sums of the gradient, and of the gradient times the normalised values.
  const parts = each(
    backend,
    "gradient_parts",
    sizes.relu ? { ...read, gamma, beta: beta! } : read,
    [2, samples, chunksOf(sizes), channels],
    sizes,
    `${CHUNK}
     let plain = index < uniforms.size / 2;
     var sum = 0.0;
     ${VOXELS} { ${AT} ${passed} sum += select(g * normalized, g, plain); }
     setOutputAtIndex(index, sum);`,
  );
  const half = "let half = uniforms.samples * uniforms.chunks * uniforms.channels;";
  const ofChannel = (key: string, from: string): TensorInfo =>
    each(
      backend,
      key,
      { parts },
      [channels],
      sizes,
      `${half} let c = index; var sum = 0.0;
       for (var n = 0; n < uniforms.samples; n++) { for (var chunk = 0; chunk < uniforms.chunks; chunk++) {
         ${PART} sum += getParts(${from} + part);
       } }
       setOutputAtIndex(index, sum);`,
    );
  const [dBeta, dGamma] = [ofChannel("dbeta", "0"), ofChannel("dgamma", "half")];
  const means = each(
    backend,
    "gradient_means",
    { parts, gamma },
    [2, cellsOf(sizes)],
    sizes,
    `${half} let cell = index % uniforms.cells; let begin = select(half, 0, index < uniforms.cells);
     var sum = 0.0; var count = 0.0;
     ${overCell(
       sizes,
       `${PART} sum += getGamma(c) * getParts(begin + part);
        if (chunk == 0) { count += f32(uniforms.voxels); }`,
     )}
     setOutputAtIndex(index, sum / count);`,
  );
  backend.disposeData(parts.dataId);
  const dx = each(
    backend,
    "gradient",
    { ...read, gamma, means, ...(sizes.relu ? { beta: beta! } : {}) },
    x!.shape,
    sizes,
    `let i = index; let c = i % uniforms.channels; let n = i / (uniforms.channels * uniforms.voxels);
     ${passed}
     let centred = g * getGamma(c) - getMeans(cell) - normalized * getMeans(uniforms.cells + cell);
     setOutputAtIndex(index, getInverseStd(cell) * centred);`,
  );
  backend.disposeData(means.dataId);
  return [dx, dGamma, dBeta];
}
