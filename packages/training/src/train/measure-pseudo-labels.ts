import type { Network } from "@semiseg/nn";
import type { EvaluationCases } from "../evaluation/evaluation-cases.js";
import { predictCase } from "../evaluation/predict-case.js";
import type { InferenceOptions } from "../inference/predict-volume.js";
import { meanOfKnown } from "./mean-of-known.js";
import type { PseudoLabelRecord } from "./run-log.js";

/**
 * How far the labels that student and teacher give to unlabelled training cases can be trusted, where the data set has
 * labels that the run hides: of the voxels given a class, the share that has it (precision), and of the voxels of a
 * class, the share that is given it (recall); over the voxels of all cases, then the mean over foreground classes.
 * For the log alone: nothing of it reaches the losses, nor the choice of the best weights.
 *
 * @param cases - unlabelled cases with their hidden labels; cases without one are passed over.
 * @returns null when no case has a label.
 */
export async function measurePseudoLabels(
  networks: Readonly<Record<string, Network>>,
  cases: EvaluationCases,
  step: number,
  options: { readonly inference: InferenceOptions },
): Promise<PseudoLabelRecord | null> {
  const start = performance.now();
  const classes = cases.classNames.length;
  const counts = new Map(
    Object.keys(networks).map((name) => [
      name,
      { right: new Float64Array(classes), given: new Float64Array(classes), there: new Float64Array(classes) },
    ]),
  );
  let measured = 0;
  for (const id of cases.ids) {
    const { raw, prepared } = await cases.read(id);
    if (!raw.label) continue;
    const truth = raw.label.data;
    measured++;
    for (const [name, network] of Object.entries(networks)) {
      const { labels } = await predictCase([network], prepared, options.inference);
      const { right, given, there } = counts.get(name)!;
      for (let i = 0; i < labels.length; i++) {
        const [t, p] = [truth[i]!, labels[i]!];
        if (t === p) right[t]!++;
        given[p]!++;
        there[t]!++;
      }
    }
  }
  if (measured === 0) return null;
  const share = (of: "given" | "there"): Record<string, number> =>
    Object.fromEntries(
      [...counts].map(([name, count]) => [
        name,
        meanOfKnown(
          Array.from(count.right, (right, c) => (count[of][c]! > 0 ? right / count[of][c]! : Number.NaN)).slice(1),
        ),
      ]),
    );
  return {
    step,
    precision: share("given"),
    recall: share("there"),
    cases: measured,
    seconds: (performance.now() - start) / 1000,
  };
}
