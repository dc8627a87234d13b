import { layerNorm, linear, type Module, moduleOf, type RandomStream } from "@semiseg/nn";
import { add, matMul, mean, mul, reshape, rsqrt, square, sub, type Tensor, type Tensor2D } from "@tensorflow/tfjs-core";

/** A feature as tokens; see {@link proxyTokens}. */
export interface ProxyTokens extends Module {
  /** `[B, ...s, channels]` -> `[B, N, channels]`, row order. */
  apply(feature: Tensor): Tensor;
}

/** Less its mean over the first axis: of a projection's weights or bias, over what it gives. */
const centered = (x: Tensor): Tensor => sub(x, mean(x, 0, true));

const inverseDeviation = (rows: Tensor): Tensor => rsqrt(add(mean(square(rows), -1, true), 1e-5));

/**
 * `LN_2(LN_1(W x + b))`: the projection and norm that make tokens, and the norm before attention.
 *
 * Means over channels are taken of the weights, not of the many rows they would make: centred weights give centred rows,
 * and the first norm's gain and second centring go into a second product. The numbers are the same.
 *
 * Variables `projection.*`, `norm.*`, `attentionNorm.*`.
 */
export function proxyTokens({ channels, random }: { channels: number; random: RandomStream }): ProxyTokens {
  const projection = linear({ inFeatures: channels, outFeatures: channels, random });
  const [norm, attentionNorm] = [layerNorm({ channels }), layerNorm({ channels })];
  const affine = ({ named }: Module): [Tensor, Tensor] => [named.get("weight")!, named.get("bias")!];
  return {
    ...moduleOf({ projection, norm, attentionNorm }),
    apply: (feature) => {
      const rows = reshape(feature, [-1, channels]) as Tensor2D;
      const product = (w: Tensor, b: Tensor): Tensor => add(matMul(rows, w as Tensor2D, false, true), b);
      const [weight, bias] = [centered(projection.weight), centered(projection.bias!)];
      const [gain1, shift1] = affine(norm);
      const [gain2, shift2] = affine(attentionNorm);
      const inverse = inverseDeviation(product(weight, bias));
      const gained = product(centered(mul(weight, reshape(gain1, [channels, 1]))), centered(mul(bias, gain1)));
      const first = add(mul(gained, inverse), centered(shift1));
      const second = add(mul(mul(first, inverseDeviation(first)), gain2), shift2);
      return reshape(second, [feature.shape[0]!, -1, channels]);
    },
  };
}
