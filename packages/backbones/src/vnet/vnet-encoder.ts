import { type ApplyOptions, channelDropout, type Module, moduleOf } from "@semiseg/nn";
import type { Tensor } from "@tensorflow/tfjs-core";
import type { VNetConfig } from "./vnet-config.js";
import type { Parts } from "./vnet-parts.js";

const STAGES = ["one", "two", "three", "four", "five"] as const;
const REPEATS = [1, 2, 3, 3, 3] as const;

/** x1..x5, fine to coarse. */
export interface VNetEncoder extends Module {
  apply(x: Tensor, options?: ApplyOptions): Tensor[];
}

/** The five encoder stages, with hooks. */
export function vnetEncoder(config: Required<VNetConfig>, parts: Parts): VNetEncoder {
  const { inChannels, baseFilters, hooks, dropout } = config;
  const widths = STAGES.map((_, i) => baseFilters * 2 ** i);
  const blocks = STAGES.map((stage, i) =>
    parts.block(`block_${stage}`, REPEATS[i]!, i === 0 ? inChannels : widths[i]!, widths[i]!),
  );
  const downs = STAGES.slice(0, -1).map((stage, i) => parts.down(`block_${stage}_dw`, widths[i]!));
  const drop = channelDropout({ rate: dropout });
  const children: Record<string, Module> = {};
  for (const [i, stage] of STAGES.entries()) {
    children[`block_${stage}`] = blocks[i]!;
    const down = downs[i];
    if (down) children[`block_${stage}_dw`] = down;
  }
  for (const [stage, hook] of Object.entries(hooks)) children[`hooks.${stage}`] = hook;
  return {
    ...moduleOf(children),
    apply: (x, options) => {
      const outputs: Tensor[] = [];
      for (const [i, block] of blocks.entries()) {
        let y = block.apply(i === 0 ? x : downs[i - 1]!.apply(outputs[i - 1]!, options), options);
        if (i === 4 && dropout > 0 && options?.training) y = drop.apply(y, options);
        outputs.push(hooks[`x${i + 1}`]?.apply(y, options) ?? y);
      }
      return outputs;
    },
  };
}
