import type { Network } from "@semiseg/nn";
import type { EvaluationCases } from "../evaluation/evaluation-cases.js";
import { predictCase } from "../evaluation/predict-case.js";
import type { InferenceOptions } from "../inference/predict-volume.js";
import { meanOfKnown } from "./mean-of-known.js";
import type { ValidationRecord } from "./run-log.js";

/** Dice of every class of a case; NaN for a class that neither has. */
export function diceByClass(truth: Uint8Array, predicted: Uint8Array, numClasses: number): number[] {
  const both = new Float64Array(numClasses);
  const sizes = new Float64Array(numClasses);
  for (let i = 0; i < truth.length; i++) {
    const [t, p] = [truth[i]!, predicted[i]!];
    if (t === p) both[t]!++;
    sizes[t]!++;
    sizes[p]!++;
  }
  return Array.from(both, (overlap, c) => (sizes[c]! > 0 ? (2 * overlap) / sizes[c]! : Number.NaN));
}

/**
 * Dice on the validation cases in the geometry of their files, per network: mean over cases per foreground class, then
 * over classes. Student and teacher alike.
 */
export async function validate(
  networks: Readonly<Record<string, Network>>,
  cases: EvaluationCases,
  step: number,
  options: { readonly inference: InferenceOptions; readonly limit?: number | undefined },
): Promise<ValidationRecord> {
  const start = performance.now();
  const ids = cases.ids.slice(0, options.limit ?? cases.ids.length);
  const classes = cases.classNames.length;
  const found: Record<string, number[][]> = Object.fromEntries(Object.keys(networks).map((name) => [name, []]));
  for (const id of ids) {
    const { raw, prepared } = await cases.read(id);
    if (!raw.label) continue;
    for (const [name, network] of Object.entries(networks)) {
      const { labels } = await predictCase([network], prepared, options.inference);
      found[name]!.push(diceByClass(raw.label.data as Uint8Array, labels, classes));
    }
  }
  const perClass = Object.fromEntries(
    Object.entries(found).map(([name, rows]) => [
      name,
      Array.from({ length: classes - 1 }, (_, c) => meanOfKnown(rows.map((row) => row[c + 1]!))),
    ]),
  );
  return {
    step,
    dice: Object.fromEntries(Object.entries(perClass).map(([name, values]) => [name, meanOfKnown(values)])),
    perClass,
    cases: ids.length,
    seconds: (performance.now() - start) / 1000,
  };
}
