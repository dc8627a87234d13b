import { type ProxyModulesConfig, type ProxyScaleConfig, proxyScales } from "./proxy-modules-config.js";

/** Trainable parameters of the two modules. */
export interface ProxyParameterCount {
  /** Of SSPA. */
  readonly adaptor: number;
  /** Of USCL. */
  readonly learner: number;
  /** Of the token mixing, in each of the two. */
  readonly mixing: number;
  /** Of either module as released: both with every part, those that no gradient ever reaches included. */
  readonly released: number;
}

const norm = (n: number): number => 2 * n;
const dense = (inputs: number, outputs: number): number => inputs * outputs + outputs;

function mixingOf({ spatialDims, tokenMixing, mixingGrid, size }: ProxyScaleConfig): number {
  if (tokenMixing === "none") return 0;
  const n = tokenMixing === "full" ? size!.reduce((a, b) => a * b, 1) : mixingGrid ** spatialDims;
  return norm(n) + 2 * dense(n, n);
}

/** Tokens, queries, keys and the map head: what both modules have. */
const shared = ({ spatialDims, channels: c, heads: h }: ProxyScaleConfig): number =>
  dense(c, c) + 3 * norm(c) + 2 * dense(c, c) + 3 ** spatialDims * h + h * h + 2 * norm(h) + dense(h, 1);

/** Values, output projection and perceptron. */
const proxyBranch = ({ channels: c }: ProxyScaleConfig): number =>
  2 * dense(c, c) + norm(c) + dense(c, 4 * c) + dense(4 * c, c);

/**
 * Counts parameters from options alone, nothing is allocated: whatever `memoryLimit` says. The running statistics of
 * batch norm are not parameters.
 *
 * @throws OptionError for options out of range.
 */
export function proxyParameterCount(config: Omit<ProxyModulesConfig, "memoryLimit">): ProxyParameterCount {
  const scales = proxyScales("proxyParameterCount", { ...config, memoryLimit: Number.MAX_VALUE });
  const total = (of: (scale: ProxyScaleConfig) => number): number => scales.reduce((n, scale) => n + of(scale), 0);
  const proxies = config.numClasses * scales[0]!.channels;
  const projections = scales.slice(1).reduce((n, { channels }, i) => n + dense(scales[i]!.channels, channels), 0);
  const last = scales.at(-1)!.channels;
  const mixing = total(mixingOf);
  const learner = total(shared) + mixing;
  const adaptor = learner + total(proxyBranch) + proxies + projections;
  return { adaptor, learner, mixing, released: adaptor + dense(last, Math.floor(last / 2)) };
}
