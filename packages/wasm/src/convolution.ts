import type { KernelModule } from "./kernel-module.js";

/** Sizes of a 3-D convolution, channels last; what tfjs's `computeConv3DInfo` gives. */
export interface ConvolutionSizes {
  readonly batch: number;
  /** Input depth, height, width. */
  readonly input: readonly [number, number, number];
  readonly inChannels: number;
  readonly output: readonly [number, number, number];
  readonly outChannels: number;
  readonly kernel: readonly [number, number, number];
  /** The same along every axis. */
  readonly stride: number;
  /** Zeros before the first voxel, along each axis. */
  readonly padding: readonly [number, number, number];
}

const up4 = (n: number): number => (n + 3) & ~3;
const volume = ([a, b, c]: readonly [number, number, number]): number => a * b * c;

/** [taps, ci, co] with co filled up to a multiple of 4. */
function packWeights(target: Float32Array, weights: Float32Array, rows: number, co: number): void {
  const co4 = up4(co);
  if (co === co4) target.set(weights);
  else {
    target.fill(0);
    for (let r = 0; r < rows; r++) target.set(weights.subarray(r * co, (r + 1) * co), r * co4);
  }
}

/** Convolution of `[N,D,H,W,Ci]` with `[kd,kh,kw,Ci,Co]`; the result is a view of kernel memory: copy it at once. */
export function conv3d(m: KernelModule, x: Float32Array, filter: Float32Array, s: ConvolutionSizes): Float32Array {
  const { batch, inChannels: ci, outChannels: co, kernel, stride } = s;
  const padded = s.output.map((n, i) => Math.max((n - 1) * stride + kernel[i]!, s.padding[i]! + s.input[i]!)) as [
    number,
    number,
    number,
  ];
  const taps = volume(kernel);
  const count = batch * volume(s.output) * co;
  const [px, pp, pw, po, pi] = m.allocate(
    x.length,
    batch * volume(padded) * ci,
    taps * ci * up4(co),
    count,
    kernel[0] * kernel[1],
  ) as [number, number, number, number, number];
  m.floats(px, x.length).set(x);
  packWeights(m.floats(pw, taps * ci * up4(co)), filter, taps * ci, co);
  const same = padded.every((n, i) => n === s.input[i]);
  if (!same) m.pad(px, pp, batch, ...s.input, ci, ...padded, ci, ...s.padding, 1);
  m.conv3d(
    same ? px : pp,
    pw,
    po,
    pi,
    ...padded,
    ci,
    ...s.output,
    co,
    ...kernel,
    stride,
    0,
    batch * s.output[0] * s.output[1],
  );
  return m.floats(po, count);
}

/** Gradient of {@link conv3d} in its filter. */
export function filterGradient(m: KernelModule, x: Float32Array, dy: Float32Array, s: ConvolutionSizes): Float32Array {
  const { batch, inChannels: ci, outChannels: co, kernel, stride } = s;
  const [ci4, co4] = [up4(ci), up4(co)];
  const padded = s.output.map((n, i) => Math.max((n - 1) * stride + kernel[i]!, s.padding[i]! + s.input[i]!)) as [
    number,
    number,
    number,
  ];
  const taps = volume(kernel);
  const positions = batch * volume(s.output);
  const [px, pp, pg, pg4, pw] = m.allocate(
    x.length,
    batch * volume(padded) * ci4,
    dy.length,
    positions * co4,
    taps * ci4 * co4,
  ) as [number, number, number, number, number];
  m.floats(px, x.length).set(x);
  m.floats(pg, dy.length).set(dy);
  m.floats(pw, taps * ci4 * co4).fill(0);
  m.pad(px, pp, batch, ...s.input, ci, ...padded, ci4, ...s.padding, 1);
  let gradient = pg;
  if (co !== co4) {
    m.pad(pg, pg4, batch, ...s.output, co, ...s.output, co4, 0, 0, 0, 1);
    gradient = pg4;
  }
  m.filterGradient(
    pp,
    gradient,
    pw,
    ...padded,
    ci4,
    ...s.output,
    co4,
    ...kernel,
    stride,
    0,
    batch * s.output[0] * s.output[1],
  );
  const filled = m.floats(pw, taps * ci4 * co4);
  if (ci === ci4 && co === co4) return filled;
  const out = new Float32Array(taps * ci * co);
  for (let t = 0; t < taps; t++)
    for (let i = 0; i < ci; i++) {
      const from = (t * ci4 + i) * co4;
      out.set(filled.subarray(from, from + co), (t * ci + i) * co);
    }
  return out;
}

/** Gradient of {@link conv3d} in its input: also a transposed convolution. */
export function inputGradient(
  m: KernelModule,
  dy: Float32Array,
  filter: Float32Array,
  s: ConvolutionSizes,
): Float32Array {
  const { batch, inChannels: ci, outChannels: co, kernel, stride } = s;
  const taps = volume(kernel);
  const tiles =
    stride > 1 && kernel.every((k, i) => k === stride && s.padding[i] === 0 && s.output[i]! * k === s.input[i]!);
  if (tiles) {
    // Every input voxel is seen by one output voxel: one 1x1x1 convolution [Co] -> [taps*Ci], then a rearrangement.
    const columns = taps * ci;
    const positions = batch * volume(s.output);
    const [pg, pw, pp, pi, po] = m.allocate(
      dy.length,
      co * up4(columns),
      positions * columns,
      1,
      positions * columns,
    ) as [number, number, number, number, number];
    m.floats(pg, dy.length).set(dy);
    const weights = m.floats(pw, co * up4(columns));
    for (let t = 0; t < columns; t++) for (let c = 0; c < co; c++) weights[c * up4(columns) + t] = filter[t * co + c]!;
    m.conv3d(pg, pw, pp, pi, ...s.output, co, ...s.output, columns, 1, 1, 1, 1, 0, batch * s.output[0] * s.output[1]);
    m.interleave(pp, po, batch, ...s.output, ...kernel, ci);
    return m.floats(po, positions * columns);
  }
  // A convolution of dy, zeros between its voxels where stride > 1, with the mirrored, transposed filter.
  const flipped = new Float32Array(filter.length);
  for (let t = 0; t < taps; t++)
    for (let i = 0; i < ci; i++)
      for (let c = 0; c < co; c++) flipped[((taps - 1 - t) * co + c) * ci + i] = filter[(t * ci + i) * co + c]!;
  const before = kernel.map((k, i) => k - 1 - s.padding[i]!) as [number, number, number];
  const padded = s.input.map((n, i) => n + kernel[i]! - 1) as [number, number, number];
  const spread = s.output.map((n) => (n - 1) * stride + 1);
  const fits = padded.every((n, i) => before[i]! >= 0 && before[i]! + spread[i]! <= n);
  if (!fits) throw new RangeError("padding wider than the kernel");
  const count = batch * volume(s.input) * ci;
  const [pg, pp, pw, po, pi] = m.allocate(
    dy.length,
    batch * volume(padded) * co,
    taps * co * up4(ci),
    count,
    kernel[0] * kernel[1],
  ) as [number, number, number, number, number];
  m.floats(pg, dy.length).set(dy);
  packWeights(m.floats(pw, taps * co * up4(ci)), flipped, taps * co, ci);
  m.pad(pg, pp, batch, ...s.output, co, ...padded, co, ...before, stride);
  m.conv3d(pp, pw, po, pi, ...padded, co, ...s.input, ci, ...kernel, 1, 0, batch * s.input[0] * s.input[1]);
  return m.floats(po, count);
}
