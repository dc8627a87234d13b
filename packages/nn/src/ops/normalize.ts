import { FUSED_NORM, FUSED_NORM_GRAD, type FusedNormAttrs, hasKernel } from "@semiseg/kernels";
import {
  add,
  engine,
  mean,
  mul,
  type NamedAttrMap,
  relu,
  reshape,
  rsqrt,
  square,
  step,
  sub,
  sum,
  type Tensor,
  zerosLike,
} from "@tensorflow/tfjs-core";
import { product } from "./spatial.js";
import { withGradient } from "./with-gradient.js";

/** How the elements of `[N,...S,C]` share statistics: a view of the tensor and the axes that are averaged. */
function viewOf(shape: readonly number[], groups: number) {
  const channels = shape.at(-1)!;
  const voxels = product(shape.slice(1, -1));
  if (groups === 0)
    return { view: [shape[0]! * voxels, channels], axes: [0], affine: [channels], statistics: [channels] };
  const statistics = [shape[0]!, groups];
  if (groups === channels) return { view: [shape[0]!, voxels, channels], axes: [1], affine: [channels], statistics };
  if (groups === 1 && voxels === 1) return { view: [shape[0]!, channels], axes: [1], affine: [channels], statistics };
  const width = channels / groups;
  return { view: [shape[0]!, voxels, groups, width], axes: [1, 3], affine: [groups, width], statistics };
}

const keptShape = (view: readonly number[], axes: readonly number[]): number[] =>
  view.map((n, i) => (axes.includes(i) ? 1 : n));

/** FUSED_NORM of plain ops. */
function composedForward(x: Tensor, gamma: Tensor, beta: Tensor, attrs: FusedNormAttrs): Tensor[] {
  const { view, axes, affine, statistics } = viewOf(x.shape, attrs.groups);
  const values = reshape(x, view);
  const average = mean(values, axes, true);
  const centered = sub(values, average);
  const inverseStd = rsqrt(add(mean(square(centered), axes, true), attrs.epsilon));
  const y = add(mul(centered, mul(inverseStd, reshape(gamma, affine))), reshape(beta, affine));
  return [reshape(attrs.relu ? relu(y) : y, x.shape), reshape(average, statistics), reshape(inverseStd, statistics)];
}

/** FUSED_NORM_GRAD of plain ops. */
function composedBackward(dy: Tensor, saved: readonly Tensor[], attrs: FusedNormAttrs): Tensor[] {
  const [x, gamma, beta, average, inverseStd] = saved as [Tensor, Tensor, Tensor, Tensor, Tensor];
  const { view, axes, affine } = viewOf(x.shape, attrs.groups);
  const kept = keptShape(view, axes);
  const inverse = reshape(inverseStd, kept);
  const normalized = mul(sub(reshape(x, view), reshape(average, kept)), inverse);
  const scale = reshape(gamma, affine);
  let g = reshape(dy, view);
  if (attrs.relu) g = mul(g, step(add(mul(normalized, scale), reshape(beta, affine))));
  const rows = [x.size / gamma.size, gamma.size];
  const dBeta = sum(reshape(g, rows), 0);
  const dGamma = sum(reshape(mul(g, normalized), rows), 0);
  const dNormalized = mul(g, scale);
  const dx = mul(
    inverse,
    sub(
      sub(dNormalized, mean(dNormalized, axes, true)),
      mul(normalized, mean(mul(dNormalized, normalized), axes, true)),
    ),
  );
  return [reshape(dx, x.shape), dGamma, dBeta];
}

/** What {@link normalize} takes beside the attributes of FUSED_NORM. */
export interface NormalizeOptions extends FusedNormAttrs {
  /**
   * A per-channel constant that was not added to `x`. Statistics over voxels cancel it exactly, so it changes nothing
   * here and its gradient is 0; it is an input so that an optimizer sees that gradient.
   */
  readonly inputBias?: Tensor | undefined;
  /** Called once with mean and 1/std (FUSED_NORM's shapes) before they are freed. */
  readonly onStatistics?: (mean: Tensor, inverseStd: Tensor) => void;
}

/** Normalisation by the input's own statistics, one kernel where the engine has FUSED_NORM. */
export function normalize(x: Tensor, gamma: Tensor, beta: Tensor, options: NormalizeOptions): Tensor {
  const { epsilon, groups, relu: rectify, inputBias, onStatistics } = options;
  const attrs: FusedNormAttrs = { epsilon, groups, relu: rectify };
  const kernelAttrs = { ...attrs } as unknown as NamedAttrMap;
  const fused = hasKernel(FUSED_NORM) && hasKernel(FUSED_NORM_GRAD);
  return withGradient(inputBias ? [x, gamma, beta, inputBias] : [x, gamma, beta], (_, save) => {
    const [y, average, inverseStd] = (
      fused ? engine().runKernel(FUSED_NORM, { x, gamma, beta }, kernelAttrs) : composedForward(x, gamma, beta, attrs)
    ) as [Tensor, Tensor, Tensor];
    onStatistics?.(average, inverseStd);
    save([x, gamma, beta, average, inverseStd, ...(inputBias ? [inputBias] : [])]);
    return {
      value: y,
      gradFunc: (dy, saved) => {
        const [sx, sGamma, sBeta, mean, inverse, bias] = saved as [Tensor, Tensor, Tensor, Tensor, Tensor, Tensor?];
        const inputs = { dy, x: sx, gamma: sGamma, beta: sBeta, mean, inverseStd: inverse };
        const gradients = fused
          ? (engine().runKernel(FUSED_NORM_GRAD, inputs, kernelAttrs) as Tensor[])
          : composedBackward(dy, saved, attrs);
        return bias ? [...gradients, zerosLike(bias)] : gradients;
      },
    };
  });
}
