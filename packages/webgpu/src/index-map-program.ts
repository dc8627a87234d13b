import type { WebGPUBackend } from "@tensorflow/tfjs-backend-webgpu";
import type { DataType, TensorInfo } from "@tensorflow/tfjs-core";
import { runFlat } from "./flat-program.js";

/** Where one output coordinate comes from along one axis. */
export type AxisMap =
  /** `before` values of padding, then the input; outside it, the constant. */
  | { readonly kind: "pad"; readonly before: number }
  /** Mirrored at the border; `symmetric` repeats the border value. */
  | { readonly kind: "mirror"; readonly before: number; readonly symmetric: boolean }
  /** `begin + step * o`. */
  | { readonly kind: "stride"; readonly begin: number; readonly step: number }
  /** `o mod size`. */
  | { readonly kind: "tile" };

const source = (axis: number, map: AxisMap): string => {
  const u = `uniforms.axis${axis}`; // (output size, input size, p, q)
  if (map.kind === "pad")
    return `let i${axis} = o${axis} - ${u}.z; inside = inside && i${axis} >= 0 && i${axis} < ${u}.y;`;
  if (map.kind === "stride") return `let i${axis} = ${u}.z + o${axis} * ${u}.w;`;
  if (map.kind === "tile") return `let i${axis} = o${axis} % ${u}.y;`;
  return `var i${axis} = o${axis} - ${u}.z;
    if (i${axis} < 0) { i${axis} = -i${axis} - ${u}.w; }
    else if (i${axis} >= ${u}.y) { i${axis} = 2 * (${u}.y - 1) - i${axis} + ${u}.w; }`;
};

const parameters = (map: AxisMap): [number, number] => {
  if (map.kind === "pad") return [map.before, 0];
  if (map.kind === "mirror") return [map.before, map.symmetric ? 1 : 0];
  if (map.kind === "stride") return [map.begin, map.step];
  return [0, 0];
};

/**
 * One program for every op that only moves values: pad, mirror pad, strided slice, reverse, tile.
 */
export function indexMap(
  backend: WebGPUBackend,
  x: TensorInfo,
  outShape: readonly number[],
  maps: readonly AxisMap[],
  constant = 0,
  dtype: DataType = x.dtype,
): TensorInfo {
  if (outShape.includes(0)) return backend.makeTensorInfo([...outShape], dtype);
  const axes = maps.map((_, axis) => axis);
  return runFlat(backend, {
    key: `indexMap_${maps.map((map) => map.kind).join("_")}`,
    inputs: { x },
    shape: outShape,
    dtype,
    uniforms: `constant : f32, ${axes.map((axis) => `axis${axis} : vec4<i32>,`).join(" ")}`,
    values: [
      { type: "float32", data: [constant] },
      ...axes.map((axis) => ({ type: "int32", data: [outShape[axis]!, x.shape[axis]!, ...parameters(maps[axis]!)] })),
    ],
    body: `
      var rest = index;
      var inside = true;
      ${axes
        .toReversed()
        .map((axis) => `let o${axis} = rest % uniforms.axis${axis}.x; rest = rest / uniforms.axis${axis}.x;`)
        .join("\n")}
      ${axes.map((axis) => source(axis, maps[axis]!)).join("\n")}
      var at = 0;
      ${axes.map((axis) => `at = at * uniforms.axis${axis}.y + i${axis};`).join("\n")}
      if (inside) { setOutputAtIndex(index, getX(at)); } else { setOutputAtIndex(index, uniforms.constant); }`,
  });
}
