/**
 * Time and memory of Dice, HD95 and ASD of one pair of 256 x 256 x 128 masks with 10 % foreground, and of the distance
 * transform, against medpy, surface-distance and edt (one thread): a process for each, rounds interleaved.
 *
 *   npm run build && SEMISEG_PYTHON=python3 node benchmarks/metrics/speed.mjs [--rounds 5] [--volumes organ,scattered] [--result NAME] [--save]
 *
 * `organ`: one ellipsoid, so that its box is a fifth of the volume; `scattered`: blobs all over it.
 */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { RandomSource } from "@semiseg/random";
import { busyCores, lineWorker, median, provenance, python, writeResult } from "../lib.mjs";

const { values: options } = parseArgs({
  options: {
    rounds: { type: "string", default: "5" },
    volumes: { type: "string", default: "organ,scattered" },
    save: { type: "boolean", default: false },
    result: { type: "string", default: "metrics-speed" },
  },
});
const here = dirname(fileURLToPath(import.meta.url));
const folder = mkdtempSync(join(tmpdir(), "semiseg-speed-"));
const shape = [128, 256, 256];
const spacing = [2, 1, 1];
const size = shape.reduce((a, b) => a * b, 1);
const random = new RandomSource(3);

/** Ellipsoids `[centre, radii]` as a mask. */
function mask(ellipsoids) {
  const out = new Uint8Array(size);
  for (const [c, r] of ellipsoids) {
    const [from, to] = [0, 1].map((end) =>
      c.map((n, a) => Math.max(0, Math.min(shape[a], Math.floor(n + (2 * end - 1) * r[a]) + end))),
    );
    for (let z = from[0]; z < to[0]; z++)
      for (let y = from[1]; y < to[1]; y++)
        for (let x = from[2]; x < to[2]; x++)
          if (((z - c[0]) / r[0]) ** 2 + ((y - c[1]) / r[1]) ** 2 + ((x - c[2]) / r[2]) ** 2 <= 1)
            out[(z * shape[1] + y) * shape[2] + x] = 1;
  }
  return out;
}
const blobs = Array.from({ length: 260 }, () => [
  shape.map((n) => random.next() * n),
  [7, 11, 11].map((r) => r * (0.6 + 0.8 * random.next())),
]);
const volumes = {
  organ: [
    mask([
      [
        [64, 128, 128],
        [37, 74, 74],
      ],
    ]),
    mask([
      [
        [66, 131, 126],
        [36, 72, 75],
      ],
    ]),
  ],
  scattered: [mask(blobs), mask(blobs.slice(3).map(([c, r]) => [c.map((n) => n + random.next() * 2), r]))],
};
const names = options.volumes.split(",");
for (const name of names) writeFileSync(join(folder, `${name}.bin`), Buffer.concat(volumes[name]));
writeFileSync(join(folder, "volumes.json"), JSON.stringify({ shape, spacing, names }));

const peers = ["medpy", "surface-distance", "edt"];
const ours = () => lineWorker(process.execPath, [join(here, "speed-worker.mjs"), folder]);
const theirs = () => lineWorker(python, [join(here, "speed_worker.py"), folder]);
const workers = {};
for (const peer of peers) workers[peer] = await theirs();
for (const task of ["medpy", "surface-distance", "case", "edt"]) workers[`semiseg ${task}`] = await ours();
const plan = [
  ...names.flatMap((volume) => [
    {
      what: "Dice, HD95 and ASD",
      volume,
      tasks: ["medpy", "surface-distance", "semiseg medpy", "semiseg surface-distance", "semiseg case"],
    },
  ]),
  ...[...names, `${names[0]}-inverted`].map((volume) => ({
    what: "distance transform",
    volume,
    tasks: ["edt", "semiseg edt"],
  })),
];
const busyCoresBefore = await busyCores();
const results = plan.map((item) => ({
  ...item,
  seconds: Object.fromEntries(item.tasks.map((task) => [task, []])),
  values: {},
}));
// The just-in-time compiler warms up; the peers have none.
for (const { volume, tasks } of results)
  for (const task of tasks)
    if (task.startsWith("semiseg ")) await workers[task].ask(`${task.replace("semiseg ", "")} ${volume}`);
const share = (bytes) => Number((bytes.reduce((a, b) => a + b, 0) / size).toFixed(4));
const about = provenance();
let last;
for (let round = 1; round <= Number(options.rounds); round++) {
  for (const { volume, tasks, seconds, values } of results)
    for (const task of tasks) {
      const answer = await workers[task].ask(`${task.replace("semiseg ", "")} ${volume}`);
      values[task] = answer.values;
      workers[task].peak = answer.peak;
      seconds[task].push(answer.seconds);
      console.error(round, volume, task, answer.seconds.toFixed(3));
    }
  last = summary(round);
  // After each round, so that a run that is cut short leaves what it has.
  if (options.save) writeResult(join(here, `../results/${options.result}.json`), last);
}
console.log(JSON.stringify(last, null, 2));
for (const worker of Object.values(workers)) worker.close();
rmSync(folder, { recursive: true });

function summary(rounds) {
  return {
    benchmark: "metrics-speed",
    ...about,
    shape,
    spacing,
    foreground: Object.fromEntries(names.map((name) => [name, volumes[name].map(share)])),
    rounds,
    busyCoresBefore,
    results: results.map(({ what, volume, seconds, values }) => {
      const medians = Object.fromEntries(
        Object.entries(seconds).map(([task, list]) => [task, Number(median(list).toFixed(4))]),
      );
      const mine = (task) => medians[`semiseg ${task}`];
      const timesFaster =
        what === "distance transform"
          ? { edt: medians.edt / mine("edt") }
          : {
              "medpy, three calls": medians.medpy / mine("medpy"),
              "medpy, evaluateCase": medians.medpy / mine("case"),
              "surface-distance, three calls": medians["surface-distance"] / mine("surface-distance"),
            };
      return { what, volume, secondsMedian: medians, timesFaster, values };
    }),
    addedPeakMiB: Object.fromEntries(
      Object.entries(workers).map(([name, { hello, peak }]) => [name, Math.round(peak - hello.peak)]),
    ),
  };
}
