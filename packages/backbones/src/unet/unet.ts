import {
  type ApplyOptions,
  type Module,
  maxPool,
  moduleOf,
  type NetworkProvides,
  RandomStream,
  resizeLinear,
} from "@semiseg/nn";
import { concat, type Tensor, tanh, tidy } from "@tensorflow/tfjs-core";
import { attentionGate } from "../attention-gate.js";
import { type Backbone, checkInput, cloneHooks, pyTorchLoader, withWeightsOf } from "../backbone.js";
import { unet2dParts } from "./unet-2d-parts.js";
import { unet3dParts } from "./unet-3d-parts.js";
import { type ResolvedUNetConfig, resolveUNetConfig, type UNetConfig } from "./unet-config.js";

/** A U-Net; `config` holds every option with its default. */
export interface UNet extends Backbone {
  readonly config: Readonly<Omit<ResolvedUNetConfig, "hooks">> & Readonly<Record<string, unknown>>;
}

function providesOf(config: ResolvedUNetConfig): NetworkProvides {
  const at = (name: string, level: number) => ({ name, stride: 2 ** level, channels: config.baseFilters * 2 ** level });
  const decoder = [3, 2, 1, 0].map((level, i) => at(`d${i + 1}`, level));
  return {
    spatialDims: config.spatialDims,
    inChannels: config.inChannels,
    classes: config.outChannels,
    dropout: config.dropout.some((rate) => rate > 0),
    normalization: config.normalization,
    divisor: 16,
    encoder: [0, 1, 2, 3, 4].map((level) => at(`e${level + 1}`, level)),
    decoder,
    gated: config.attentionGates ? [3, 2, 1, 0].map((level) => at(`e${level + 1}a`, level)) : [],
    scales: config.deepSupervision
      ? decoder.map((feature, i) => ({ feature, head: i === 3 ? "logits" : `scale${i}` }))
      : [],
    embedding: decoder[3]!,
    heads: [...config.heads, ...(config.deepSupervision ? ["scale0", "scale1", "scale2"] : [])],
  };
}

/**
 * The U-Nets of the field, five stages of two 3^d convolutions, max pooling, concatenated skips.
 *
 * - 2-D (SSL4MIS, ICL on ACDC): batch norm, LeakyReLU 0.01, dropout inside the encoder's blocks, 1^2 convolution and
 *   bilinear upsampling with aligned corners, 3^2 classifier.
 * - 3-D (UG-MCL, ICL on BraTS): instance norm without affine, ReLU, trilinear upsampling with half-pixel centres,
 *   dropout after the bottleneck and before the classifier, 1^3 classifier, Kaiming-normal kernels.
 *
 * Features: `e1`..`e5` encoder stages (3-D: `e5` after its dropout), `d1`..`d4` decoder stages, deepest first (3-D: `d4`
 * after its dropout), `e4a`..`e1a` gated skips. Sizes must be multiples of 16.
 */
export function unet(config: UNetConfig = {}): UNet {
  const resolved = resolveUNetConfig(config);
  const { spatialDims, inChannels, outChannels, baseFilters, deepSupervision, heads, hooks } = resolved;
  const random = new RandomStream(resolved.seed);
  const parts = spatialDims === 2 ? unet2dParts(resolved) : unet3dParts(resolved);
  const widths = [0, 1, 2, 3, 4].map((i) => baseFilters * 2 ** i);
  const pool = maxPool();

  const encoder = widths.map((width, i) => parts.encoder(i, i === 0 ? inChannels : widths[i - 1]!, width));
  const decoder = [3, 2, 1, 0].map((level, step) => {
    const [skip, below] = [widths[level]!, widths[level + 1]!];
    const before = parts.before(step, below, skip);
    const gate = resolved.attentionGates
      ? attentionGate({
          spatialDims,
          channels: skip,
          gateChannels: before ? skip : below,
          intermediate: Math.max(1, skip / 2),
          random: random.fork(`gate_d${step + 1}`),
        })
      : undefined;
    return { level, before, gate, block: parts.decoder(step, before ? 2 * skip : skip + below, skip) };
  });
  const { classifierName, classifierSize } = parts;
  const classifier = parts.classifier(classifierName, classifierSize, baseFilters, outChannels);
  const distance = heads.includes("distance")
    ? parts.classifier("distance", classifierSize, baseFilters, outChannels - 1)
    : undefined;
  const scaleHeads = deepSupervision
    ? [3, 2, 1].map((level, i) => parts.classifier(`scale${i}`, 1, widths[level]!, outChannels))
    : [];

  const children: Record<string, Module | undefined> = {};
  for (const block of encoder) Object.assign(children, block.children);
  for (const [step, { before, gate, block }] of decoder.entries()) {
    if (before) children[before.name] = before.layer;
    children[`gate_d${step + 1}`] = gate;
    Object.assign(children, block.children);
  }
  children[classifierName] = classifier;
  children["distance"] = distance;
  for (const [i, head] of scaleHeads.entries()) children[`scale${i}`] = head;
  for (const [stage, hook] of Object.entries(hooks)) children[`hooks.${stage}`] = hook;
  const module = moduleOf(children);

  const dropped = (x: Tensor, options?: ApplyOptions): Tensor =>
    parts.dropout && options?.training ? parts.dropout.apply(x, options) : x;

  const forward = (x: Tensor, options?: ApplyOptions) => {
    const features: Record<string, Tensor> = {};
    const encoded: Tensor[] = [];
    for (const [i, block] of encoder.entries()) {
      let y = block.apply(i === 0 ? x : pool.apply(encoded[i - 1]!), options);
      if (i === 4) y = dropped(y, options);
      y = hooks[`e${i + 1}`]?.apply(y, options) ?? y;
      encoded.push(y);
      features[`e${i + 1}`] = y;
    }
    let y = encoded[4]!;
    for (const [step, { level, before, gate, block }] of decoder.entries()) {
      const plain = encoded[level]!;
      const risen = resizeLinear(before ? before.layer.apply(y) : y, plain.shape.slice(1, -1), {
        alignCorners: parts.alignCorners,
      });
      const skip = gate ? gate.apply(risen, plain, options) : plain;
      if (gate) features[`e${level + 1}a`] = skip;
      y = block.apply(concat([skip, risen], skip.rank - 1), options);
      if (step === 3) y = dropped(y, options);
      features[`d${step + 1}`] = y;
    }
    const outputs: Record<string, Tensor> = {};
    if (distance) outputs["distance"] = tanh(distance.apply(y));
    for (const [i, head] of scaleHeads.entries()) outputs[`scale${i}`] = head.apply(features[`d${i + 1}`]!);
    return { logits: classifier.apply(y), features, heads: outputs };
  };

  const { hooks: _, ...plain } = resolved;
  return {
    ...module,
    config: plain,
    provides: providesOf(resolved),
    fromPyTorch: pyTorchLoader(module, ["hooks.", "gate_", "distance.", "scale"]),
    clone: () => withWeightsOf(unet({ ...resolved, hooks: cloneHooks("unet", hooks) }), module),
    apply: (x, options) => {
      checkInput("unet", x, spatialDims, inChannels, 16);
      return tidy(() => forward(x, options));
    },
  };
}
