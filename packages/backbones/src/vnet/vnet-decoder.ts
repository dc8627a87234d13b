import { type ApplyOptions, channelDropout, type Module, moduleOf } from "@semiseg/nn";
import { add, type Tensor } from "@tensorflow/tfjs-core";
import { attentionGate } from "../attention-gate.js";
import type { VNetConfig, VNetDecoderKind } from "./vnet-config.js";
import type { Parts } from "./vnet-parts.js";

const NAMES = [
  { up: "five", block: "six", gate: "four", repeats: 3 },
  { up: "six", block: "seven", gate: "three", repeats: 3 },
  { up: "seven", block: "eight", gate: "two", repeats: 2 },
  { up: "eight", block: "nine", gate: "one", repeats: 1 },
] as const;

/** What a decoder gives, coarse to fine. */
export interface VNetDecoded {
  readonly logits: Tensor;
  /** u5..u8: after the addition of the skip, before the block. */
  readonly sums: readonly Tensor[];
  /** x6..x9. */
  readonly outputs: readonly Tensor[];
  /** x4a..x1a; empty without gates. */
  readonly gated: readonly Tensor[];
}

/** A decoder of x1..x5. */
export interface VNetDecoder extends Module {
  apply(encoded: readonly Tensor[], options?: ApplyOptions): VNetDecoded;
}

/** Four steps of [up, add the skip, block], then the classifier. `prefix` keeps the initial weights of decoders apart. */
export function vnetDecoder(
  config: Required<VNetConfig>,
  parts: Parts,
  kind: VNetDecoderKind,
  prefix = "",
): VNetDecoder {
  const { baseFilters, outChannels, attentionGates, dropout, spatialDims } = config;
  const steps = NAMES.map((names, i) => {
    const width = baseFilters * 2 ** (3 - i);
    // The finest gate compares in 2f channels, not f / 2, as the method's authors have it.
    const intermediate = i === 3 ? 2 * baseFilters : Math.max(1, width / 2);
    return {
      names,
      up: parts.up(`${prefix}block_${names.up}_up`, 2 * width, kind),
      block: parts.block(`${prefix}block_${names.block}`, names.repeats, width, width),
      gate: attentionGates
        ? attentionGate({
            spatialDims,
            channels: width,
            intermediate,
            random: parts.random(`${prefix}gate_${names.gate}`),
          })
        : undefined,
    };
  });
  const classifier = parts.classifier(`${prefix}out_conv`, baseFilters, outChannels);
  const drop = channelDropout({ rate: dropout });
  const children: Record<string, Module | undefined> = {};
  for (const { names, up, block, gate } of steps) {
    children[`block_${names.up}_up`] = up;
    children[`gate_${names.gate}`] = gate;
    children[`block_${names.block}`] = block;
  }
  children["out_conv"] = classifier;
  return {
    ...moduleOf(children),
    apply: (encoded, options) => {
      const [sums, outputs, gated]: [Tensor[], Tensor[], Tensor[]] = [[], [], []];
      let x = encoded[4]!;
      for (const [i, { up, block, gate }] of steps.entries()) {
        const risen = up.apply(x, options);
        const skip = gate ? gate.apply(risen, encoded[3 - i]!, options) : encoded[3 - i]!;
        if (gate) gated.push(skip);
        sums.push(add(risen, skip));
        x = block.apply(sums[i]!, options);
        if (i === 3 && dropout > 0 && options?.training) x = drop.apply(x, options);
        outputs.push(x);
      }
      return { logits: classifier.apply(x), sums, outputs, gated };
    },
  };
}
