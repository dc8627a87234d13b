import { dropout } from "@semiseg/nn";
import { tidy } from "@tensorflow/tfjs-core";
import type { ResolvedUNetConfig } from "./unet-config.js";
import { type UNetBlock, type UNetParts, unetTools } from "./unet-parts.js";

/** Parts of the 3-D U-Net of UG-MCL and ICL, under the names of its public PyTorch code. */
export function unet3dParts(config: ResolvedUNetConfig): UNetParts {
  const tools = unetTools(config);
  const block = (name: string, inChannels: number, outChannels: number): UNetBlock => {
    const first = tools.unit(`${name}.conv1`, inChannels, outChannels, "relu");
    const second = tools.unit(`${name}.conv2`, outChannels, outChannels, "relu");
    return {
      children: {
        [`${name}.conv1.0`]: first.conv,
        [`${name}.conv1.1`]: first.norm,
        [`${name}.conv2.0`]: second.conv,
        [`${name}.conv2.1`]: second.norm,
      },
      apply: (x, options) => tidy(() => second.apply(first.apply(x, options), options)),
    };
  };
  const rate = config.dropout[0]!;
  return {
    alignCorners: false,
    dropout: rate > 0 ? dropout({ rate }) : null,
    classifierName: "final",
    classifierSize: 1,
    encoder: (stage, inChannels, outChannels) =>
      block(stage === 4 ? "center" : `conv${stage + 1}`, inChannels, outChannels),
    decoder: (step, inChannels, outChannels) => block(`up_concat${4 - step}.conv`, inChannels, outChannels),
    before: () => undefined,
    classifier: tools.convolution,
  };
}
