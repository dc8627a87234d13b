import { layerNorm, linear, type Module, moduleOf, type RandomStream } from "@semiseg/nn";
import { reshape, type Tensor } from "@tensorflow/tfjs-core";

/** A feature as tokens; see {@link proxyTokens}. */
export interface ProxyTokens extends Module {
  /** `[B, ...s, channels]` -> `[B, N, channels]`, row order. */
  apply(feature: Tensor): Tensor;
}

/**
 * `LN_2(LN_1(W x + b))`: the projection and norm that make tokens, and the norm before attention.
 *
 * Variables `projection.*`, `norm.*`, `attentionNorm.*`.
 */
export function proxyTokens({ channels, random }: { channels: number; random: RandomStream }): ProxyTokens {
  const projection = linear({ inFeatures: channels, outFeatures: channels, random });
  const [norm, attentionNorm] = [layerNorm({ channels }), layerNorm({ channels })];
  return {
    ...moduleOf({ projection, norm, attentionNorm }),
    apply: (feature) => {
      const tokens = attentionNorm.apply(norm.apply(projection.apply(feature)));
      return reshape(tokens, [feature.shape[0]!, -1, channels]);
    },
  };
}
