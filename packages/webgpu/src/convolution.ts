import { type WebGPUBackend, webgpu_util } from "@tensorflow/tfjs-backend-webgpu";
import type { TensorInfo } from "@tensorflow/tfjs-core";
import { runGemm } from "./gemm-program.js";
import { gemmSettings } from "./gemm-settings.js";
import { partOf, tileColumns } from "./gemm-tile.js";

/** A 3-D convolution, channels last: kernel `[kd, kh, kw, inChannels, outChannels]`. */
export interface Convolution {
  readonly batch: number;
  /** Spatial sizes of the input. */
  readonly input: readonly [number, number, number];
  readonly output: readonly [number, number, number];
  readonly kernel: readonly [number, number, number];
  readonly inChannels: number;
  readonly outChannels: number;
  readonly strides: readonly [number, number, number];
  /** Zeros before the first voxel. */
  readonly padding: readonly [number, number, number];
  readonly dilations: readonly [number, number, number];
}

const product = (sizes: readonly number[]): number => sizes.reduce((a, b) => a * b, 1);
const vec = (sizes: readonly number[]) => ({ type: "int32", data: [...sizes, 0] });

const UNIFORMS =
  "inSize : vec4<i32>, outSize : vec4<i32>, kernel : vec4<i32>, strides : vec4<i32>, padding : vec4<i32>, dilations : vec4<i32>, channels : vec2<i32>,";
const uniformsOf = (c: Convolution) => [
  vec(c.input),
  vec(c.output),
  vec(c.kernel),
  vec(c.strides),
  vec(c.padding),
  vec(c.dilations),
  { type: "int32", data: [c.inChannels, c.outChannels] },
];

const positionOf = (size: string): string => `
  let x = row % ${size}.z; let yz = row / ${size}.z;
  let y = yz % ${size}.y; let nz = yz / ${size}.y;
  let z = nz % ${size}.x; let n = nz / ${size}.x;`;
const ROW = "struct Row { n : i32, z : i32, y : i32, x : i32, }";
const TAP = `fn tapOf(t : i32) -> vec3<i32> {
  let x = t % uniforms.kernel.z; let zy = t / uniforms.kernel.z;
  return vec3<i32>(zy / uniforms.kernel.y, zy % uniforms.kernel.y, x);
}`;

/**
 * Terms that share a kernel position, so that it is worked out once for all of them; terms of several otherwise. Subgroup
 * matrices take so many terms at a time.
 */
const depthsOf = (backend: WebGPUBackend, channels: number): { depths: number[]; whole: boolean } => {
  const terms = gemmSettings(backend).matrix?.terms ?? 1;
  const depths = [16, 32, 8, 4].filter((n) => channels % n === 0 && n % terms === 0);
  return depths.length > 0 ? { depths: depths.slice(0, 2), whole: true } : { depths: [16, 32], whole: false };
};

/** Reads `count` terms of a row: of one kernel position (`whole`), or of as many as they belong to. */
function loadTerms(channels: string, whole: boolean) {
  return (count: number, put: (kk: string, value: string) => string): string =>
    whole
      ? `let tap = k0 / ${channels}; let first = k0 % ${channels};
         let place = placeOf(r, tapOf(tap));
         let there = inside && k0 < uniforms.terms && place >= 0;
         for (var kk = 0; kk < ${count}; kk++) {
           var value = 0.0;
           if (there) { value = getA(place * ${channels} + first + kk); }
           ${put("kk", "value")}
         }`
      : `for (var kk = 0; kk < ${count}; kk++) {
           let k = k0 + kk;
           var value = 0.0;
           if (inside && k < uniforms.terms) {
             let place = placeOf(r, tapOf(k / ${channels}));
             if (place >= 0) { value = getA(place * ${channels} + k % ${channels}); }
           }
           ${put("kk", "value")}
         }`;
}

/** A voxel is then read by several outputs, and a gradient for several filter values. */
const severalTaps = ({ kernel, strides }: Convolution): boolean => kernel.some((k, i) => k > strides[i]!);

/** `x` [N, D, H, W, Ci] convolved with `filter`: [N, D', H', W', Co]. */
export function convolve(backend: WebGPUBackend, x: TensorInfo, filter: TensorInfo, c: Convolution): TensorInfo {
  const size = { rows: c.batch * product(c.output), columns: c.outChannels, terms: product(c.kernel) * c.inChannels };
  const { depths, whole } = depthsOf(backend, c.inChannels);
  return runGemm(
    backend,
    [x, filter],
    size.rows * size.columns,
    size,
    {
      key: `conv_${whole}`,
      depths,
      reread: severalTaps(c) ? "A" : "",
      uniforms: UNIFORMS,
      functions: `${ROW} ${TAP}
        fn placeOf(r : Row, t : vec3<i32>) -> i32 {
          let p = vec3<i32>(r.z, r.y, r.x) + t * uniforms.dilations.xyz;
          if (any(p < vec3<i32>(0)) || any(p >= uniforms.inSize.xyz)) { return -1; }
          return ((r.n * uniforms.inSize.x + p.x) * uniforms.inSize.y + p.y) * uniforms.inSize.z + p.z;
        }`,
      row: `fn rowOf(row : i32) -> Row { ${positionOf("uniforms.outSize")}
        let s = uniforms.strides; let p = uniforms.padding;
        return Row(n, z * s.x - p.x, y * s.y - p.y, x * s.z - p.z); }`,
      loadA: loadTerms("uniforms.channels.x", whole),
      loadB: "fn loadB(k : i32, column : i32) -> f32 { return getB(k * uniforms.columns + column); }",
      store:
        "fn store(row : i32, column : i32, split : i32, value : f32) { setOutputAtIndex(row * uniforms.columns + column, value); }",
    },
    uniformsOf(c),
  );
}

/** Kernel and stride are equal and the output covers the input, so that every voxel belongs to one kernel position. */
const isTiling = ({ input, output, kernel, strides, padding, dilations }: Convolution): boolean =>
  kernel.every(
    (k, i) => k === strides[i] && padding[i] === 0 && dilations[i] === 1 && output[i]! * k === input[i] && k > 0,
  );

/** Gradient of the input, also a transposed convolution: `dy` [N, D', H', W', Co] to [N, D, H, W, Ci]. */
export function convolveInputGradient(
  backend: WebGPUBackend,
  dy: TensorInfo,
  filter: TensorInfo,
  c: Convolution,
): TensorInfo {
  const outputSize = c.batch * product(c.input) * c.inChannels;
  const { depths, whole } = depthsOf(backend, c.outChannels);
  if (isTiling(c)) {
    // One plain product: a row per output voxel, a column per kernel position and input channel.
    const size = {
      rows: c.batch * product(c.output),
      columns: product(c.kernel) * c.inChannels,
      terms: c.outChannels,
    };
    return runGemm(
      backend,
      [dy, filter],
      outputSize,
      size,
      {
        key: "tiles",
        depths,
        reread: "",
        uniforms: UNIFORMS,
        functions: `struct Row { first : i32, } ${TAP}`,
        row: "fn rowOf(row : i32) -> Row { return Row(row * uniforms.terms); }",
        loadA: (count, put) => `for (var kk = 0; kk < ${count}; kk++) {
          var value = 0.0;
          if (inside && k0 + kk < uniforms.terms) { value = getA(r.first + k0 + kk); }
          ${put("kk", "value")}
        }`,
        loadB: "fn loadB(k : i32, column : i32) -> f32 { return getB(column * uniforms.terms + k); }",
        store: `fn store(row : i32, column : i32, split : i32, value : f32) {
          ${positionOf("uniforms.outSize")}
          let t = tapOf(column / uniforms.channels.x);
          let p = vec3<i32>(z, y, x) * uniforms.strides.xyz + t;
          let place = ((n * uniforms.inSize.x + p.x) * uniforms.inSize.y + p.y) * uniforms.inSize.z + p.z;
          setOutputAtIndex(place * uniforms.channels.x + column % uniforms.channels.x, value);
        }`,
      },
      uniformsOf(c),
    );
  }
  const size = { rows: c.batch * product(c.input), columns: c.inChannels, terms: product(c.kernel) * c.outChannels };
  return runGemm(
    backend,
    [dy, filter],
    outputSize,
    size,
    {
      key: `input_${whole}`,
      depths,
      reread: severalTaps(c) ? "A" : "",
      uniforms: UNIFORMS,
      functions: `${ROW} ${TAP}
        fn placeOf(r : Row, t : vec3<i32>) -> i32 {
          let q = vec3<i32>(r.z, r.y, r.x) - t * uniforms.dilations.xyz;
          let s = uniforms.strides.xyz;
          let p = q / s;
          if (any(q < vec3<i32>(0)) || any(p * s != q) || any(p >= uniforms.outSize.xyz)) { return -1; }
          return ((r.n * uniforms.outSize.x + p.x) * uniforms.outSize.y + p.y) * uniforms.outSize.z + p.z;
        }`,
      row: `fn rowOf(row : i32) -> Row { ${positionOf("uniforms.inSize")}
        let p = uniforms.padding;
        return Row(n, z + p.x, y + p.y, x + p.z); }`,
      loadA: loadTerms("uniforms.channels.y", whole),
      loadB: `fn loadB(k : i32, column : i32) -> f32 {
        let co = uniforms.channels.y;
        return getB(((k / co) * uniforms.channels.x + column) * co + k % co); }`,
      store:
        "fn store(row : i32, column : i32, split : i32, value : f32) { setOutputAtIndex(row * uniforms.columns + column, value); }",
    },
    uniformsOf(c),
  );
}

/** Workgroups that a filter gradient is cut into, so that a small filter still fills a GPU. */
const ENOUGH_GROUPS = 512;

/** Gradient of the filter [kd, kh, kw, Ci, Co]. The sum over all voxels is cut into parts, added up at the end. */
export function convolveFilterGradient(
  backend: WebGPUBackend,
  x: TensorInfo,
  dy: TensorInfo,
  c: Convolution,
): TensorInfo {
  const terms = c.batch * product(c.output);
  const whole = { rows: product(c.kernel) * c.inChannels, columns: c.outChannels, terms };
  // By the default tile and not the tuned one: the parts decide how the sum is rounded.
  const groups = Math.ceil(whole.rows / 32) * Math.ceil(whole.columns / tileColumns(whole.columns));
  const wanted = Math.max(1, Math.min(Math.ceil(ENOUGH_GROUPS / groups), Math.floor(Math.ceil(terms / 16) / 16)));
  const splits = Math.ceil(terms / partOf(terms, wanted));
  const count = whole.rows * whole.columns;
  const parts = runGemm(
    backend,
    [x, dy],
    splits * count,
    { ...whole, splits },
    {
      key: "filter",
      depths: [16, 32],
      reread: severalTaps(c) ? "AB" : "",
      uniforms: UNIFORMS,
      functions: `struct Row { channel : i32, z : i32, y : i32, x : i32, } ${TAP}`,
      row: `fn rowOf(row : i32) -> Row {
        let t = tapOf(row / uniforms.channels.x) * uniforms.dilations.xyz - uniforms.padding.xyz;
        return Row(row % uniforms.channels.x, t.x, t.y, t.z); }`,
      // Consecutive terms are consecutive voxels: one position is worked out, the others follow by carrying.
      loadA: (n, put) => `
        var ox = k0 % uniforms.outSize.z; let yz = k0 / uniforms.outSize.z;
        var oy = yz % uniforms.outSize.y; let nz = yz / uniforms.outSize.y;
        var oz = nz % uniforms.outSize.x; var on = nz / uniforms.outSize.x;
        for (var kk = 0; kk < ${n}; kk++) {
          let p = vec3<i32>(oz, oy, ox) * uniforms.strides.xyz + vec3<i32>(r.z, r.y, r.x);
          var value = 0.0;
          if (inside && k0 + kk < uniforms.terms && all(p >= vec3<i32>(0)) && all(p < uniforms.inSize.xyz)) {
            let place = ((on * uniforms.inSize.x + p.x) * uniforms.inSize.y + p.y) * uniforms.inSize.z + p.z;
            value = getA(place * uniforms.channels.x + r.channel);
          }
          ${put("kk", "value")}
          ox++;
          if (ox == uniforms.outSize.z) { ox = 0; oy++; }
          if (oy == uniforms.outSize.y) { oy = 0; oz++; }
          if (oz == uniforms.outSize.x) { oz = 0; on++; }
        }`,
      loadB: "fn loadB(k : i32, column : i32) -> f32 { return getB(k * uniforms.columns + column); }",
      store:
        "fn store(row : i32, column : i32, split : i32, value : f32) { setOutputAtIndex((split * uniforms.rows + row) * uniforms.columns + column, value); }",
    },
    uniformsOf(c),
  );
  if (splits === 1) return parts;
  const dispatchLayout = webgpu_util.flatDispatchLayout([count]);
  const workgroupSize: [number, number, number] = [64, 1, 1];
  const program = {
    variableNames: ["A"],
    outputShape: [count],
    workgroupSize,
    dispatchLayout,
    dispatch: webgpu_util.computeDispatch(dispatchLayout, [count], workgroupSize),
    size: true,
    uniforms: "splits : i32,",
    shaderKey: "semiseg_sum_splits",
    getUserCode: () => `
      fn main(index : i32) {
        if (index < uniforms.size) {
          var sum = 0.0;
          for (var i = 0; i < uniforms.splits; i++) { sum += getA(i * uniforms.size + index); }
          setOutputAtIndex(index, sum);
        }
      }`,
  };
  const out = backend.runWebGPUProgram(program, [parts], "float32", [{ type: "int32", data: [splits] }]);
  backend.disposeData(parts.dataId);
  return out;
}
