import { checkNumber } from "@semiseg/errors";
import { ORGAN_NAMES, resolvePhantomOptions } from "../phantom/phantom-options.js";
import type { CaseRef, Dataset } from "../types.js";
import type { PhantomConfig } from "./dataset-config.js";
import { resolveSplits } from "./dataset-files.js";

export function openPhantom(config: PhantomConfig): Dataset {
  const options = resolvePhantomOptions(config);
  const counts = [config.train ?? 24, config.validation ?? 4, config.test ?? 8] as const;
  for (const [n, part] of [0, 1, 2].map((n) => [counts[n], ["train", "validation", "test"][n]] as const))
    checkNumber("data set 'phantom'", part!, n, { integer: true, min: part === "train" ? 1 : 0 });
  const total = counts[0] + counts[1] + counts[2];
  const cases: CaseRef[] = Array.from({ length: total }, (_, index) => {
    const id = `phantom_${String(index).padStart(3, "0")}`;
    return { id, image: `phantom:${index}`, label: `phantom:${index}`, index };
  });
  const ids = cases.map((c) => c.id);
  const own = {
    train: ids.slice(0, counts[0]),
    validation: ids.slice(counts[0], counts[0] + counts[1]),
    test: ids.slice(counts[0] + counts[1]),
  };
  const splits = resolveSplits("", config.splits ?? own, cases);
  return {
    name: config.name ?? `phantom-${options.modality}`,
    kind: "phantom",
    spatialDims: options.shape.length as 2 | 3,
    channels: 1,
    classNames: ["background", ...ORGAN_NAMES.slice(0, options.organs)],
    cases,
    ...(splits ? { splits } : {}),
    config: { ...config, ...options },
    preprocess: config.preprocess ?? { normalize: "zscore" },
  };
}
