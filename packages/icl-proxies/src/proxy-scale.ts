import { OptionError } from "@semiseg/errors";
import { type ApplyOptions, gelu, layerNorm, linear, type Module, moduleOf } from "@semiseg/nn";
import { add, concat, mul, reshape, slice, type Tensor, tensor } from "@tensorflow/tfjs-core";
import { mapHead } from "./map-head.js";
import { proxyAttention } from "./proxy-attention.js";
import type { ProxyScaleConfig } from "./proxy-modules-config.js";
import { proxyTokens } from "./proxy-tokens.js";
import { recomputed } from "./recomputed.js";
import { tokenMixing } from "./token-mixing.js";

/** What one scale gives. */
export interface ProxyScaleOutput {
  /** Logits `[B, ...s, K]`. */
  readonly map: Tensor;
  /** The proxies after this scale `[B, K, C]`; null without a proxy branch. */
  readonly proxies: Tensor | null;
}

/** One scale of SSPA or USCL. */
export interface ProxyScale extends Module {
  apply(feature: Tensor, proxies: Tensor, options: ApplyOptions): ProxyScaleOutput;
}

/**
 * Tokens, attention of the proxies to them, map branch and, with `updates`, the branch that makes new proxies.
 * Parts that USCL would never train are not created without it.
 */
export function proxyScale(config: ProxyScaleConfig, updates: boolean): ProxyScale {
  const { spatialDims, channels, heads, recomputeAbove, stochasticDepth, trueResidual, compatScramble, random } =
    config;
  const dense = (name: string, inFeatures: number, outFeatures: number) =>
    linear({ inFeatures, outFeatures, random: random.fork(name) });
  const tokens = proxyTokens({ channels, random: random.fork("tokens") });
  const queryNorm = layerNorm({ channels });
  const attention = proxyAttention({
    channels,
    heads,
    values: updates,
    compatScramble,
    random: random.fork("attention"),
  });
  const mixing = tokenMixing(config);
  const head = mapHead({ spatialDims, heads, random: random.fork("map") });
  const perceptron = updates
    ? {
        norm: layerNorm({ channels }),
        linear1: dense("perceptron 1", channels, 4 * channels),
        linear2: dense("perceptron 2", 4 * channels, channels),
      }
    : null;

  /** Stochastic depth: a factor per sample, `[B, 1, 1]`, plus `more`; or a number where nothing is dropped. */
  const kept = (
    samples: number,
    branch: string,
    { training, random: stream }: ApplyOptions,
    more = 0,
  ): Tensor | number => {
    if (!training || stochasticDepth === 0) return 1 + more;
    const draws = stream!.fork(branch).uniform(samples);
    const factors = Float32Array.from(draws, (u) => (u < stochasticDepth ? 0 : 1 / (1 - stochasticDepth)) + more);
    return tensor(factors, [samples, 1, 1]);
  };
  /** `x + drop(x)`: what the released code has where a residual connection is meant. */
  const doubled = (x: Tensor, branch: string, options: ApplyOptions): Tensor =>
    mul(x, kept(x.shape[0]!, branch, options, 1));

  const run = (feature: Tensor, proxies: Tensor, options: ApplyOptions): ProxyScaleOutput => {
    const [samples, space] = [feature.shape[0]!, feature.shape.slice(1, -1)];
    const { scores, attended } = attention.attend({
      proxies: queryNorm.apply(proxies),
      tokens: tokens.apply(feature),
      ...(trueResidual ? {} : { scoreFactor: kept(feature.shape[0]!, "scores", options, 1) }),
    });
    const classes = scores.shape[2]!;
    let maps = reshape(scores, [samples, ...space, classes * heads]);
    if (mixing) maps = add(maps, mixing.apply(maps, kept(samples, "mixing", options)));
    const map = head.apply(maps, options);
    if (!attended || !perceptron) return { map, proxies: null };

    const q = trueResidual
      ? add(proxies, mul(attended, kept(samples, "attended", options)))
      : doubled(attended, "attended", options);
    const inner = perceptron.linear2.apply(gelu(perceptron.linear1.apply(perceptron.norm.apply(q))));
    return { map, proxies: add(q, mul(inner, kept(samples, "perceptron", options))) };
  };

  const module = moduleOf({
    tokens,
    queryNorm,
    attention,
    ...(perceptron
      ? {
          "perceptron.norm": perceptron.norm,
          "perceptron.linear1": perceptron.linear1,
          "perceptron.linear2": perceptron.linear2,
        }
      : {}),
    ...(mixing ? { mixing } : {}),
    map: head,
  });
  const trainable = module.variables.filter((variable) => variable.trainable);

  return {
    ...module,
    apply: (feature, proxies, options) => {
      if (options.training && stochasticDepth > 0 && !options.random)
        throw new OptionError(
          "proxy modules: a training pass with stochasticDepth needs options.random, a RandomStream; pass one, or stochasticDepth: 0",
        );
      // Tokens and scores are many times what comes out: large ones are computed again in the backward pass, not kept.
      if (4 * feature.size < recomputeAbove) return run(feature, proxies, options);
      const joined = recomputed({ inputs: [feature, proxies], variables: trainable }, ([f, p], again) => {
        const output = run(f!, p!, again ? { ...options, updateBuffers: false } : options);
        return concat([output.map, ...(output.proxies ? [output.proxies] : [])].map((t) => reshape(t, [-1])));
      });
      const shape = [...feature.shape.slice(0, -1), proxies.shape[1]!];
      const size = shape.reduce((a, b) => a * b, 1);
      const updated = [feature.shape[0]!, proxies.shape[1]!, channels];
      return {
        map: reshape(slice(joined, [0], [size]), shape),
        proxies: updates ? reshape(slice(joined, [size], [joined.size - size]), updated) : null,
      };
    },
  };
}
