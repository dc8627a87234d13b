import { type Module, moduleOf, type NetworkOutput, type NetworkProvides } from "@semiseg/nn";
import { type Tensor, tanh, tidy } from "@tensorflow/tfjs-core";
import { type Backbone, checkInput, cloneHooks, pyTorchLoader, withWeightsOf } from "../backbone.js";
import { resolveVNetConfig, type VNetConfig } from "./vnet-config.js";
import { type VNetDecoder, vnetDecoder } from "./vnet-decoder.js";
import { vnetEncoder } from "./vnet-encoder.js";
import { type Part, vnetParts } from "./vnet-parts.js";

/** A V-Net; `config` holds every option with its default. */
export interface VNet extends Backbone {
  readonly config: Readonly<Omit<Required<VNetConfig>, "hooks">> & Readonly<Record<string, unknown>>;
}

function providesOf(config: Required<VNetConfig>): NetworkProvides {
  const { baseFilters: f, attentionGates, deepSupervision, decoders, heads } = config;
  const at = (name: string, level: number) => ({ name, stride: 2 ** level, channels: f * 2 ** level });
  const scales = [3, 2, 1, 0].map((level, i) => ({
    feature: at(`u${i + 5}`, level),
    head: level === 0 ? "logits" : `scale${i}`,
  }));
  return {
    spatialDims: config.spatialDims,
    inChannels: config.inChannels,
    classes: config.outChannels,
    dropout: config.dropout > 0,
    normalization: config.normalization,
    divisor: 16,
    encoder: [0, 1, 2, 3, 4].map((level) => at(`x${level + 1}`, level)),
    decoder: [3, 2, 1, 0].map((level, i) => at(`x${i + 6}`, level)),
    gated: attentionGates ? [3, 2, 1, 0].map((level) => at(`x${level + 1}a`, level)) : [],
    scales: deepSupervision ? scales : [],
    embedding: at("x9", 0),
    heads: [
      ...heads,
      ...(deepSupervision ? ["scale0", "scale1", "scale2"] : []),
      ...decoders.slice(1).map((_, i) => `decoder${i + 1}`),
    ],
  };
}

const named = (prefix: string, first: number, tensors: readonly Tensor[]): Record<string, Tensor> =>
  Object.fromEntries(tensors.map((tensor, i) => [`${prefix}${first + i}`, tensor]));

/**
 * The plain V-Net of UA-MT, DTC, MC-Net, CAML, DuCiSC and TAC: five stages of 1, 2, 3, 3, 3 convolutions, strided
 * convolutions between them, additive skips, channel dropout after stages 5 and 9.
 *
 * Features: `x1`..`x5` encoder stages; `u5`..`u8` decoder inputs after the skip (coarse to fine); `x6`..`x9` decoder
 * stages; `x4a`..`x1a` gated skips. `x5` and `x9` are taken after their dropout. Sizes must be multiples of 16.
 */
export function vnet(config: VNetConfig = {}): VNet {
  const resolved = resolveVNetConfig(config);
  const { spatialDims, inChannels, outChannels, baseFilters, decoders, deepSupervision, heads, hooks } = resolved;
  const parts = vnetParts(resolved);
  const encoder = vnetEncoder(resolved, parts);
  const [main, ...others] = decoders.map((kind, i) => vnetDecoder(resolved, parts, kind, i ? `decoder${i}.` : "")) as [
    VNetDecoder,
    ...VNetDecoder[],
  ];
  const scaleHeads: Part[] = deepSupervision
    ? [0, 1, 2].map((i) => parts.classifier(`scale${i}`, baseFilters * 2 ** (3 - i), outChannels))
    : [];
  const distance = heads.includes("distance") ? parts.classifier("distance", baseFilters, outChannels - 1) : undefined;

  const children: Record<string, Module | undefined> = { distance };
  for (const [i, head] of scaleHeads.entries()) children[`scale${i}`] = head;
  for (const [i, decoder] of others.entries()) children[`decoder${i + 1}`] = decoder;
  const module = moduleOf({ "": mergeOf(encoder, main), ...children });

  const { hooks: _, ...plain } = resolved;
  const net: VNet = {
    ...module,
    config: plain,
    provides: providesOf(resolved),
    fromPyTorch: pyTorchLoader(module, ["hooks.", "gate_", "distance.", "scale", "decoder"]),
    clone: () => withWeightsOf(vnet({ ...resolved, hooks: cloneHooks("vnet", hooks) }), module),
    apply: (x, options) => {
      checkInput("vnet", x, spatialDims, inChannels, 16);
      return tidy(() => {
        const encoded = encoder.apply(x, options);
        const decoded = main.apply(encoded, options);
        const outputs: Record<string, Tensor> = {};
        if (distance) outputs["distance"] = tanh(distance.apply(decoded.outputs[3]!));
        for (const [i, head] of scaleHeads.entries()) outputs[`scale${i}`] = head.apply(decoded.sums[i]!);
        for (const [i, decoder] of others.entries())
          outputs[`decoder${i + 1}`] = decoder.apply(encoded, options).logits;
        const features = {
          ...named("x", 1, encoded),
          ...named("u", 5, decoded.sums),
          ...named("x", 6, decoded.outputs),
          ...Object.fromEntries(decoded.gated.map((tensor, i) => [`x${4 - i}a`, tensor])),
        };
        const output: NetworkOutput = { logits: decoded.logits, features, heads: outputs };
        return output as NetworkOutput & Record<string, never>;
      });
    },
  };
  return net;
}

/** Two modules side by side, names unchanged. */
function mergeOf(a: Module, b: Module): Module {
  return moduleOf(Object.fromEntries([...a.named, ...b.named]));
}
