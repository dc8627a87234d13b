#!/usr/bin/env node
// One training step, SemiSeg beside PyTorch CPU, interleaved in one run. `npm run bench:train-step -- --help`
import { cpus } from "node:os";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { busyCores, lineWorker, median, provenance, python, writeResult } from "../lib.mjs";

const SHAPES = {
  "vnet-2x48x64x64": { network: "vnet", batch: 2, size: [48, 64, 64], filters: 16 },
  "vnet-4x64x64x64": { network: "vnet", batch: 4, size: [64, 64, 64], filters: 16 },
  "unet-2x48x64x64": { network: "unet", batch: 2, size: [48, 64, 64], filters: 16 },
  "vnet-2x112x112x80": { network: "vnet", batch: 2, size: [112, 112, 80], filters: 16 },
};
const { values } = parseArgs({
  options: {
    shape: { type: "string", multiple: true, default: ["vnet-2x48x64x64"] },
    rounds: { type: "string", default: "7" },
    threads: { type: "string", default: String(cpus().length) },
    out: { type: "string" },
    "no-default-layout": { type: "boolean", default: false },
    help: { type: "boolean", default: false },
  },
});
if (values.help) {
  console.log(`bench:train-step [--shape NAME]... [--rounds 7] [--threads N] [--out FILE] [--no-default-layout]
Shapes: ${Object.keys(SHAPES).join(", ")}, or all.
The PyTorch side runs in $SEMISEG_PYTHON (default python3), which needs: pip install torch`);
  process.exit(0);
}

/** Multiply-adds of the convolutions of one step (forward, input gradient, filter gradient), in GFLOP. */
function stepGflop({ network, batch, size, filters }) {
  const voxels = batch * size.reduce((a, b) => a * b, 1);
  const at = (level) => voxels / 8 ** level;
  const f = (level) => filters * 2 ** level;
  const conv = (level, kernel, inputs, outputs, passes = 3) => 2 * passes * at(level) * kernel * inputs * outputs;
  let flop = conv(0, 27, 1, filters, 2) + conv(0, 1, filters, 2);
  if (network === "vnet") {
    for (const [level, repeats] of [
      [1, 2],
      [2, 3],
      [3, 3],
      [4, 3],
    ])
      flop += repeats * conv(level, 27, f(level), f(level));
    for (const [level, repeats] of [
      [0, 1],
      [1, 2],
      [2, 3],
      [3, 3],
    ])
      flop += repeats * conv(level, 27, f(level), f(level));
    for (let level = 1; level <= 4; level++) flop += 2 * conv(level, 8, f(level - 1), f(level));
  } else {
    flop += conv(0, 27, f(0), f(0));
    for (let level = 1; level <= 4; level++)
      flop += conv(level, 27, f(level - 1), f(level)) + conv(level, 27, f(level), f(level));
    for (let level = 0; level < 4; level++)
      flop += conv(level, 27, f(level) + f(level + 1), f(level)) + conv(level, 27, f(level), f(level));
  }
  return flop / 1e9;
}

const threads = Number(values.threads);
const rounds = Number(values.rounds);
const names = values.shape.includes("all") ? Object.keys(SHAPES) : values.shape;
const results = [];
const here = (file) => fileURLToPath(new URL(file, import.meta.url));

for (const name of names) {
  const shape = SHAPES[name];
  if (!shape) throw new Error(`unknown shape '${name}': choose from ${Object.keys(SHAPES).join(", ")}`);
  const torch = (layout) =>
    lineWorker(python, [here("torch_worker.py"), JSON.stringify({ ...shape, layout, threads })], {
      OMP_NUM_THREADS: String(threads),
    });
  const workers = {
    semiseg: await lineWorker(process.execPath, [here("semiseg-worker.mjs"), JSON.stringify(shape)], {
      TF_NUM_INTRAOP_THREADS: String(threads),
    }),
    "torch channels_last_3d": await torch("channels_last_3d"),
    ...(values["no-default-layout"] ? {} : { "torch default layout": await torch("contiguous") }),
  };
  const times = Object.fromEntries(Object.keys(workers).map((key) => [key, []]));
  const cpuTimes = Object.fromEntries(Object.keys(workers).map((key) => [key, []]));
  const memory = {};
  const losses = {};
  let disturbed = 0;
  for (const worker of Object.values(workers)) await worker.ask("run 2");
  for (let round = 0; round < rounds; round++) {
    for (const [key, worker] of Object.entries(workers)) {
      const before = await busyCores();
      const { seconds, cpuSeconds, peakBytes, loss } = await worker.ask("run 1");
      const after = await busyCores();
      if (Math.max(before, after) > 0.15 * cpus().length) disturbed++;
      times[key].push(...seconds);
      cpuTimes[key].push(...cpuSeconds);
      memory[key] = peakBytes;
      losses[key] = loss;
    }
    process.stderr.write(
      `\r${name}: round ${round + 1}/${rounds} ${Object.entries(times)
        .map(([key, t]) => `${key} ${median(t).toFixed(3)} s`)
        .join(", ")}   `,
    );
  }
  process.stderr.write("\n");
  const { gflops: coreGflops } = await workers["torch channels_last_3d"].ask("peak");
  const peakGflops = coreGflops * threads;
  const { profile } = await workers.semiseg.ask("profile");
  for (const row of profile)
    if (row.gflop > 0) {
      row.gflopsPerCpuSecond = (row.gflop / row.cpuMilliseconds) * 1000;
      row.fractionOfMatmul = row.gflopsPerCpuSecond / coreGflops;
    }
  const gflop = stepGflop(shape);
  const seconds = Object.fromEntries(Object.entries(times).map(([key, t]) => [key, median(t)]));
  const cpuSeconds = Object.fromEntries(Object.entries(cpuTimes).map(([key, t]) => [key, median(t)]));
  const cpuRatio = cpuSeconds.semiseg / cpuSeconds["torch channels_last_3d"];
  const ratio = seconds.semiseg / seconds["torch channels_last_3d"];
  const paired = times.semiseg.map((t, i) => t / times["torch channels_last_3d"][i]);
  results.push({
    shape: name,
    ...shape,
    parameters: Object.fromEntries(Object.entries(workers).map(([key, w]) => [key, w.hello.parameters])),
    engine: `${workers.semiseg.hello.engine} ${workers.semiseg.hello.version}`,
    torch: workers["torch channels_last_3d"].hello.version,
    secondsMedian: seconds,
    secondsAll: times,
    cpuSecondsMedian: cpuSeconds,
    cpuSecondsAll: cpuTimes,
    cpuRatioToChannelsLast: cpuRatio,
    ratioToChannelsLast: ratio,
    ratioPairedMedian: median(paired),
    peakBytes: memory,
    gflopPerStep: gflop,
    gflopsPerSecond: gflop / seconds.semiseg,
    matmulGflopsPerSecond: peakGflops,
    note: "GFLOP by the definition of the convolutions, padding included: Winograd kernels need fewer, so fractions of the matrix product's rate may exceed 1. CPU seconds are of all threads; those of a library that spins at barriers grow when others keep the cores busy, except at one thread.",
    fractionOfMatmul: gflop / seconds.semiseg / peakGflops,
    disturbedMeasurements: `${disturbed} of ${rounds * Object.keys(workers).length} began or ended with more than 15 % of the cores busy elsewhere`,
    profile,
  });
  console.log(
    `${name}: SemiSeg ${seconds.semiseg.toFixed(3)} s, ${Object.entries(seconds)
      .filter(([k]) => k !== "semiseg")
      .map(([k, s]) => `${k} ${s.toFixed(3)} s`)
      .join(
        ", ",
      )}; ratio to channels_last_3d ${ratio.toFixed(2)} (paired ${median(paired).toFixed(2)}), of CPU time ${cpuRatio.toFixed(2)}; ${(gflop / seconds.semiseg).toFixed(0)} GFLOP/s of ${peakGflops.toFixed(0)}; peak ${Object.entries(
      memory,
    )
      .map(([k, b]) => `${k} ${(b / 2 ** 20).toFixed(0)} MiB`)
      .join(", ")}`,
  );
  for (const row of profile.slice(0, 12))
    console.log(
      `  ${row.kernel.padEnd(34)} ${row.milliseconds.toFixed(1).padStart(8)} ms ${row.cpuMilliseconds.toFixed(1).padStart(8)} ms CPU ${String(row.calls).padStart(4)} calls${row.gflop > 0 ? ` ${row.gflopsPerCpuSecond.toFixed(0)} GFLOP/s a core, ${row.fractionOfMatmul.toFixed(2)} of the matrix product's` : ""}`,
    );
  if (disturbed) console.log(`  note: ${results.at(-1).disturbedMeasurements}`);
  for (const worker of Object.values(workers)) worker.close();
}
const out = values.out ?? here("../results/train-step.json");
writeResult(out, {
  benchmark: "train-step",
  ...provenance(),
  threads,
  rounds,
  allocator: { semiseg: "TensorFlow default", torch: "glibc malloc default" },
  results,
});
console.log(`written: ${out}`);
