/**
 * Do @semiseg/metrics and medpy, MONAI, surface-distance and scipy give the same numbers? 1,000 random pairs of masks of
 * five kinds, in two and three dimensions, mostly with anisotropic spacing.
 *
 *   npm run build && SEMISEG_PYTHON=python3 node benchmarks/metrics/agreement.mjs [--save]
 *
 * Python needs what agreement.py says. --save writes benchmarks/results/metrics-agreement.json. Fails above 1e-6.
 */
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import {
  averageSurfaceDistance,
  connectedComponents,
  dice,
  distanceTransform,
  hausdorffDistance,
  jaccard,
  normalizedSurfaceDice,
  precision,
  recall,
  relativeVolumeDifference,
  specificity,
} from "@semiseg/metrics";
import { RandomSource } from "@semiseg/random";
import { provenance, python, writeResult } from "../lib.mjs";
import { kinds, maskPair } from "./masks.mjs";

const LIMIT = 1e-6;
const here = dirname(fileURLToPath(import.meta.url));
const folder = mkdtempSync(join(tmpdir(), "semiseg-metrics-"));
const random = new RandomSource(2026);
const side = (low, high) => low + Math.floor(random.next() * (high - low + 1));
const steps = [0.5, 0.7, 1, 1.3, 2, 3.3];
const step = () => steps[side(0, steps.length - 1)];

const pairs = Array.from({ length: 1000 }, (_, n) => {
  const rank = n % 2 === 0 ? 3 : 2;
  const shape = Array.from({ length: rank }, () => (rank === 3 ? side(4, 24) : side(6, 48)));
  const isotropic = random.next() < 0.2;
  const spacing = isotropic ? shape.map(() => 1) : shape.map(step);
  const kind = kinds[(n >> 1) % kinds.length];
  const [yTrue, yPred] = maskPair(kind, shape, n + 1);
  return { kind, shape, spacing, tolerance: [0, 0.9, 1.7, 2.95][side(0, 3)], yTrue, yPred };
});
writeFileSync(join(folder, "pairs.json"), JSON.stringify(pairs.map(({ yTrue, yPred, ...pair }) => pair)));
writeFileSync(join(folder, "masks.bin"), Buffer.concat(pairs.flatMap(({ yTrue, yPred }) => [yTrue, yPred])));
execFileSync(python, [join(here, "agreement.py"), folder], { stdio: ["ignore", "inherit", "inherit"] });
const reference = JSON.parse(readFileSync(join(folder, "reference.json"), "utf8"));
rmSync(folder, { recursive: true });

const ours = {
  dice: (pair) => dice(pair),
  jaccard: (pair) => jaccard(pair),
  precision: (pair) => precision(pair),
  recall: (pair) => recall(pair),
  specificity: (pair) => specificity(pair),
  rvd: (pair) => relativeVolumeDifference(pair),
  hd: (pair) => hausdorffDistance(pair),
  hd95: (pair) => hausdorffDistance({ ...pair, percentile: 95 }),
  asd: (pair) => averageSurfaceDistance({ ...pair, symmetric: false }),
  assd: (pair) => averageSurfaceDistance({ ...pair, symmetric: true }),
  nsd: (pair) => normalizedSurfaceDice(pair),
  "truth to prediction": (pair) =>
    averageSurfaceDistance({ ...pair, yTrue: pair.yPred, yPred: pair.yTrue, symmetric: false }),
  "distance transform, largest": ({ yTrue, shape, spacing }) =>
    distanceTransform(yTrue, shape, { spacing }).reduce((a, b) => Math.max(a, b), 0),
  "distance transform, sum": ({ yTrue, shape, spacing }) =>
    distanceTransform(yTrue, shape, { spacing }).reduce((a, b) => a + b, 0),
  "components by faces": ({ yTrue, shape }) =>
    connectedComponents(yTrue, shape, { connectivity: shape.length === 3 ? 6 : 4 }).count,
  "components by corners": ({ yTrue, shape }) => connectedComponents(yTrue, shape).count,
};
const distance = new Set(["hd", "hd95", "asd", "assd", "truth to prediction"]);

const table = {};
const failures = [];
/** Where a library gives no finite number: what it gives, what we give, how often. */
const conventions = {};
for (const [library, results] of Object.entries(reference.results)) {
  const dialect = library === "scipy" ? "medpy" : library.split(" ")[0];
  for (const [n, pair] of pairs.entries()) {
    const [hasTruth, hasPrediction] = [pair.yTrue.includes(1), pair.yPred.includes(1)];
    const state = hasTruth && hasPrediction ? "" : hasTruth || hasPrediction ? "one empty" : "both empty";
    for (const [metric, expected] of Object.entries(results[n])) {
      if (library === "scipy" && !pair.yTrue.includes(0) && metric.startsWith("distance")) continue;
      const value = ours[metric]({ ...pair, dialect });
      const relative = metric.endsWith("sum") ? Math.max(1, Math.abs(value)) : 1;
      const noBackground = metric === "specificity" && !pair.yTrue.includes(0);
      const undefinedThere = typeof expected === "string" || (state !== "" && distance.has(metric));
      const difference = Math.abs(value - expected) / relative;
      if (undefinedThere || noBackground || (state === "both empty" && difference > LIMIT)) {
        const key = `${metric}, ${noBackground ? "no background" : state}: ${library} ${expected}, here ${value}`;
        conventions[key] = (conventions[key] ?? 0) + 1;
        if (distance.has(metric) !== Number.isNaN(value) || (state === "" && !noBackground)) failures.push({ n, key });
        continue;
      }
      table[library] ??= {};
      table[library][metric] ??= { pairs: 0, maxAbsoluteDifference: 0 };
      const row = table[library][metric];
      row.pairs++;
      row.maxAbsoluteDifference = Math.max(row.maxAbsoluteDifference, difference);
      if (!(difference <= LIMIT) && library !== "monai single")
        failures.push({
          n,
          kind: pair.kind,
          shape: pair.shape,
          spacing: pair.spacing,
          library,
          metric,
          value,
          expected,
        });
    }
  }
}

const count = (f) => pairs.filter(f).length;
const result = {
  benchmark: "metrics-agreement",
  ...provenance(),
  libraries: reference.versions,
  pairs: Object.fromEntries(kinds.map((kind) => [kind, count((pair) => pair.kind === kind)])),
  threeDimensional: count(({ shape }) => shape.length === 3),
  anisotropic: count(({ spacing }) => new Set(spacing).size > 1),
  limit: LIMIT,
  notes: {
    monai: "its single precision replaced by double, so that rules are compared and not rounding",
    "monai single": "as it comes; its values have 24 bits, which is 2e-6 mm at 30 mm",
    "distance transform, sum": "relative to the sum",
  },
  agreement: table,
  conventions,
  failures,
};
console.log(JSON.stringify(result, null, 2));
if (process.argv.includes("--save")) writeResult(join(here, "../results/metrics-agreement.json"), result);
process.exitCode = failures.length > 0 ? 1 : 0;
