import { dropout, type Module } from "@semiseg/nn";
import { tidy } from "@tensorflow/tfjs-core";
import type { ResolvedUNetConfig } from "./unet-config.js";
import { type UNetBlock, type UNetParts, unetTools } from "./unet-parts.js";

/** Parts of the 2-D U-Net of SSL4MIS, under its names. */
export function unet2dParts(config: ResolvedUNetConfig): UNetParts {
  const tools = unetTools(config);
  const block = (name: string, inChannels: number, outChannels: number, rate: number): UNetBlock => {
    const first = tools.unit(`${name}.0`, inChannels, outChannels, "leakyRelu");
    const second = tools.unit(`${name}.1`, outChannels, outChannels, "leakyRelu");
    const drop = dropout({ rate });
    // PyTorch counts [conv, norm, activation, dropout, conv, norm, activation].
    const at = first.norm ? [0, 1, 4, 5] : [0, -1, 3, -1];
    const children: Record<string, Module | undefined> = {
      [`${name}.conv_conv.${at[0]}`]: first.conv,
      [`${name}.conv_conv.${at[1]}`]: first.norm,
    };
    children[`${name}.conv_conv.${at[2]}`] = second.conv;
    if (second.norm) children[`${name}.conv_conv.${at[3]}`] = second.norm;
    return {
      children,
      apply: (x, options) =>
        tidy(() => {
          const y = first.apply(x, options);
          return second.apply(rate > 0 && options?.training ? drop.apply(y, options) : y, options);
        }),
    };
  };
  return {
    alignCorners: true,
    dropout: null,
    classifierName: "decoder.out_conv",
    classifierSize: 3,
    encoder: (stage, inChannels, outChannels) =>
      block(
        stage === 0 ? "encoder.in_conv" : `encoder.down${stage}.maxpool_conv.1`,
        inChannels,
        outChannels,
        config.dropout[stage]!,
      ),
    decoder: (step, inChannels, outChannels) => block(`decoder.up${step + 1}.conv`, inChannels, outChannels, 0),
    before: (step, inChannels, outChannels) => {
      const name = `decoder.up${step + 1}.conv1x1`;
      return { name, layer: tools.convolution(name, 1, inChannels, outChannels) };
    },
    classifier: tools.convolution,
  };
}
