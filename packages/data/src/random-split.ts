import { checkNumber, OptionError } from "@semiseg/errors";
import { RandomSource } from "@semiseg/random";
import type { Dataset, Splits } from "./types.js";

/** Options of {@link randomSplit}: shares of the cases; the rest trains. */
export interface RandomSplitOptions {
  /** Share in [0, 1) of the cases. */
  readonly validation: number;
  readonly test: number;
  readonly seed: number;
}

/** A seeded random split that keeps cases of one patient together; the order of the cases does not matter. */
export function randomSplit(dataset: Dataset, options: RandomSplitOptions): Splits {
  const { validation, test, seed } = options;
  checkNumber("randomSplit", "validation", validation, { min: 0, below: 1 });
  checkNumber("randomSplit", "test", test, { min: 0, below: 1 });
  if (validation + test >= 1) throw new OptionError("randomSplit: validation + test must be below 1");
  const groups = new Map<string, string[]>();
  for (const { id, patient = id } of dataset.cases) groups.set(patient, [...(groups.get(patient) ?? []), id]);
  const order = new RandomSource(seed).fork("split").shuffle([...groups.keys()].sort());
  const total = dataset.cases.length;
  const out = { train: [] as string[], validation: [] as string[], test: [] as string[] };
  for (const patient of order) {
    const part =
      out.test.length < Math.round(test * total)
        ? out.test
        : out.validation.length < Math.round(validation * total)
          ? out.validation
          : out.train;
    part.push(...groups.get(patient)!.sort());
  }
  return { train: out.train.sort(), validation: out.validation.sort(), test: out.test.sort() };
}
