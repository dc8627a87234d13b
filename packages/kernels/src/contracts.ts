/**
 * Fused kernels. Each is registered by an engine (`@semiseg/runtime` for `tensorflow`, `@semiseg/webgpu` for `webgpu`)
 * under its name; layers call `engine().runKernel(name, inputs, attrs)` when `hasKernel(name)` and fall back to plain
 * tfjs ops otherwise. Layout is channels last; all tensors are float32 unless said.
 */

/**
 * Training-mode normalisation with an optional ReLU.
 * inputs { x: [N,...S,C], gamma: [C], beta: [C] }, attrs { epsilon, groups, relu } -> [y, mean, inverseStd].
 * `groups` 0: batch norm (statistics over N and S; mean, inverseStd: [C]); `groups` > 0: group norm, instance norm
 * when groups = C (statistics per sample; mean, inverseStd: [N, groups]).
 */
export const FUSED_NORM = "SemisegFusedNorm";

/**
 * Gradient of {@link FUSED_NORM}.
 * inputs { dy, x, gamma, beta, mean, inverseStd }, attrs as the forward kernel -> [dx, dGamma, dBeta].
 */
export const FUSED_NORM_GRAD = "SemisegFusedNormGrad";

/** Attributes of {@link FUSED_NORM} and {@link FUSED_NORM_GRAD}. */
export interface FusedNormAttrs {
  readonly epsilon: number;
  readonly groups: number;
  readonly relu: boolean;
}

/** Gradient of (leaky) ReLU: inputs { dy, y }, attrs { slope } (default 0) -> dy where y > 0, slope * dy elsewhere. */
export const RELU_GRAD = "SemisegReluGrad";

/**
 * One optimizer update of many variables: SGD with momentum and coupled weight decay.
 * inputs { variable0.., gradient0.., velocity0.. }, attrs { count, learningRate, momentum, weightDecay, nesterov }
 * -> [new variables.., new velocities..].
 */
export const FUSED_SGD = "SemisegFusedSgd";

/**
 * AdamW: inputs { variable0.., gradient0.., first0.., second0.. }, attrs { count, learningRate, beta1, beta2, epsilon,
 * weightDecay, step } (updates done, this one included) -> [new variables.., new first.., new second..].
 */
export const FUSED_ADAMW = "SemisegFusedAdamw";

/** decay * target + (1 - decay) * source: inputs { target0.., source0.. }, attrs { count, decay } -> [new targets..]. */
export const FUSED_EMA = "SemisegFusedEma";

/**
 * Cross-entropy between the softmaxes v, a of the rows of two matrices.
 * inputs { zV: [R, M], zA: [R, M] } -> [rows: [R], gV: [R, M], gA: [R, M]]: sum_j a_j ln(v_j + 1e-8) of each row, and the
 * gradients of its negative in zV and zA.
 */
export const FUSED_CORRELATION_ROWS = "SemisegFusedCorrelationRows";

/**
 * Softmax cross-entropy and soft Dice sums in one pass over the voxels.
 * inputs { logits: [N,...S,C], labels: int32 [N,...S] } -> [crossEntropySum: [], intersection: [C], squares: [C], sums: [C], counts: [C]]
 * with p = softmax(logits): intersection_c = sum p_c y_c, squares_c = sum p_c^2, sums_c = sum p_c, counts_c = sum y_c.
 */
export const FUSED_SEGMENTATION_SUMS = "SemisegFusedSegmentationSums";

/** Gradient of {@link FUSED_SEGMENTATION_SUMS}: inputs { logits, labels, dCrossEntropy, dIntersection, dSquares, dSums } -> dLogits. */
export const FUSED_SEGMENTATION_SUMS_GRAD = "SemisegFusedSegmentationSumsGrad";

/**
 * Separable resizing of the spatial axes: inputs { x: [N,...S,C] } (rank 4 or 5), attrs {@link FusedResizeAttrs} with
 * `shape` that of the result -> y.
 */
export const FUSED_RESIZE = "SemisegFusedResize";

/** Adjoint of {@link FUSED_RESIZE}: inputs { dy }, attrs {@link FusedResizeAttrs} with `shape` that of x -> dx. */
export const FUSED_RESIZE_GRAD = "SemisegFusedResizeGrad";

/** Attributes of {@link FUSED_RESIZE} and {@link FUSED_RESIZE_GRAD}. */
export interface FusedResizeAttrs {
  readonly shape: readonly number[];
  /** Linear interpolation with half-pixel centres or with corners that coincide, or means over equal cells. */
  readonly rule: "linear" | "aligned" | "area";
}

/** Affine map of the last axis: inputs { x: [..., I], weight: [O, I], bias?: [O] } -> x weight^T + bias, [..., O]. */
export const FUSED_LINEAR = "SemisegFusedLinear";

/** Gradient of {@link FUSED_LINEAR}: inputs { dy, x, weight } -> [dx, dWeight, dBias]. */
export const FUSED_LINEAR_GRAD = "SemisegFusedLinearGrad";

/**
 * `crossEntropy CE + dice Dice` of soft targets over the voxels of a mask, with its gradient: inputs { logits: [...S, C],
 * target: [...S, C], mask?: float32 [...S] }, attrs { crossEntropy, dice, background, smooth } -> [loss: [],
 * dLogits: [...S, C]]. CE is the mean over the masked voxels (none: 0), Dice the mean of
 * `1 - (2 sum p t + smooth) / (sum p + sum t + smooth)` over the classes, the first one only with `background`.
 */
export const FUSED_SOFT_TARGET = "SemisegFusedSoftTarget";

/** Exact Gaussian error linear unit: inputs { x } -> x (1 + erf(x / sqrt 2)) / 2. */
export const FUSED_GELU = "SemisegFusedGelu";

/** Gradient of {@link FUSED_GELU}: inputs { dy, x } -> dx. */
export const FUSED_GELU_GRAD = "SemisegFusedGeluGrad";

/**
 * Normalisation of the last axis of every row by itself: inputs { x: [..., C], gamma: [C], beta: [C] }, attrs { epsilon }
 * -> [y, mean: [rows], inverseStd: [rows]].
 */
export const FUSED_LAYER_NORM = "SemisegFusedLayerNorm";

/** Gradient of {@link FUSED_LAYER_NORM}: inputs { dy, x, gamma, beta, mean, inverseStd }, attrs { epsilon } -> [dx, dGamma, dBeta]. */
export const FUSED_LAYER_NORM_GRAD = "SemisegFusedLayerNormGrad";
