import type { RandomSource } from "@semiseg/random";
import type { AugmentOptions } from "../types.js";
import { biasExponents } from "./bias-field.js";
import type { IntensityChange } from "./patch-record.js";

/** Decides the intensity changes of a patch, in the order bias field, brightness, gamma, blur, noise. */
export function drawIntensity(options: AugmentOptions, rank: number, random: RandomSource): IntensityChange[] {
  const drawn: { [Kind in IntensityChange["kind"]]?: IntensityChange } = {};
  const between = ([low, high]: readonly [number, number], source: RandomSource) => low + (high - low) * source.next();
  const uniform: readonly [number, number] = [1, 1];
  // Every draw is made whether used or not, so that switching one change on leaves the others as they were.
  for (const kind of ["brightness", "gamma", "noise"] as const) {
    const range = options[kind];
    const used = random.next() < (options[`${kind}Probability`] ?? 0.5);
    const [low, high] = range ?? uniform;
    const value =
      kind === "gamma" ? Math.exp(between([Math.log(low), Math.log(high)], random)) : between([low, high], random);
    const seed = random.bits();
    if (!range || !used) continue;
    if (kind === "brightness") drawn.brightness = { kind, factor: value };
    else if (kind === "gamma") drawn.gamma = { kind, exponent: value };
    else drawn.noise = { kind, deviation: value, seed };
  }
  const blur = random.fork("blur");
  if (options.blur && blur.next() < (options.blurProbability ?? 0.5))
    drawn.blur = { kind: "blur", sigma: between(options.blur, blur) };
  const bias = random.fork("bias");
  if (options.biasField && bias.next() < (options.biasFieldProbability ?? 0.5)) {
    const strength = between(options.biasField, bias);
    const coefficients = biasExponents(rank).map(() => 2 * bias.next() - 1);
    drawn.bias = { kind: "bias", strength, coefficients };
  }
  return (["bias", "brightness", "gamma", "blur", "noise"] as const).flatMap((kind) => drawn[kind] ?? []);
}
