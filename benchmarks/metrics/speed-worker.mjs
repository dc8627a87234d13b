/** Our side of speed.mjs: answers each line "task volume" with the seconds it took and the numbers it found. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { averageSurfaceDistance, dice, distanceTransform, evaluateCase, hausdorffDistance } from "@semiseg/metrics";

const folder = process.argv[2];
const { shape, spacing, names } = JSON.parse(readFileSync(join(folder, "volumes.json"), "utf8"));
const size = shape.reduce((a, b) => a * b, 1);
const volumes = {};
for (const name of names) {
  const bytes = readFileSync(join(folder, `${name}.bin`));
  volumes[name] = [new Uint8Array(bytes.subarray(0, size)), new Uint8Array(bytes.subarray(size))];
  volumes[`${name}-inverted`] = [volumes[name][0].map((v) => 1 - v), volumes[name][1]];
}
const peak = () => process.resourceUsage().maxRSS / 1024;
const three = (dialect) => (yTrue, yPred) => {
  const pair = { yTrue, yPred, shape, spacing, dialect };
  return [dice(pair), hausdorffDistance({ ...pair, percentile: 95 }), averageSurfaceDistance(pair)];
};
const tasks = {
  medpy: three("medpy"),
  "surface-distance": three("deepmind"),
  case: (yTrue, yPred) => {
    const rows = evaluateCase({ yTrue, yPred, shape, spacing, numClasses: 2 });
    return ["dice", "hd95", "asd"].map((metric) => rows.find((row) => row.metric === metric).value);
  },
  edt: (yTrue) => {
    const distances = distanceTransform(yTrue, shape, { spacing });
    return () => [distances.reduce((a, b) => Math.max(a, b), 0)];
  },
};
console.log(JSON.stringify({ peak: peak() }));
for await (const line of createInterface({ input: process.stdin })) {
  const [task, name] = line.split(" ");
  const start = performance.now();
  const found = tasks[task](...volumes[name]);
  const seconds = (performance.now() - start) / 1000;
  console.log(JSON.stringify({ seconds, values: typeof found === "function" ? found() : found, peak: peak() }));
}
