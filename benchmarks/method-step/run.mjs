#!/usr/bin/env node
// Steps of UG-MCL, CAML and DuCiSC beside their own parts, interleaved in one run. `npm run bench:method-step -- --help`
import { existsSync, readFileSync } from "node:fs";
import { cpus } from "node:os";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { busyCores, lineWorker, median, provenance, writeResult } from "../lib.mjs";
import { bounds, methods, shares } from "./methods.mjs";

const SHAPES = {
  "2+2x48x64x48, 8 filters": { half: 2, size: [48, 64, 48], filters: 8, classes: 3 },
  "2+2x64x64x64, 16 filters": { half: 2, size: [64, 64, 64], filters: 16, classes: 2 },
  "1+1x32x32x32, 4 filters": { half: 1, size: [32, 32, 32], filters: 4, classes: 2 },
};
const { values } = parseArgs({
  options: {
    method: { type: "string", multiple: true, default: Object.keys(methods) },
    shape: { type: "string", multiple: true, default: Object.keys(SHAPES).slice(0, 2) },
    rounds: { type: "string", default: "9" },
    profile: { type: "boolean", default: false },
    out: { type: "string" },
    help: { type: "boolean", default: false },
  },
});
if (values.help) {
  console.log(`bench:method-step [--method NAME]... [--shape NAME]... [--rounds 9] [--profile] [--out FILE]
Methods: ${Object.keys(methods).join(", ")}. Shapes: ${Object.keys(SHAPES).join("; ")}.
--profile adds the time per kernel of one step.`);
  process.exit(0);
}
const here = (file) => fileURLToPath(new URL(file, import.meta.url));
const rounds = Number(values.rounds);
const results = [];

for (const name of values.shape) {
  const shape = SHAPES[name];
  if (!shape) throw new Error(`unknown shape '${name}': choose from ${Object.keys(SHAPES).join("; ")}`);
  for (const method of values.method) {
    if (!methods[method]) throw new Error(`unknown method '${method}': choose from ${Object.keys(methods).join(", ")}`);
    const worker = await lineWorker(process.execPath, [here("worker.mjs"), JSON.stringify({ ...shape, method })]);
    const { items, engine, version } = worker.hello;
    // The first call of an item fills caches and pools, the second shows a steady state.
    for (let i = 0; i < 2; i++) for (const item of items) await worker.ask(`run ${item}`);
    const times = Object.fromEntries(items.map((item) => [item, []]));
    const cpuTimes = Object.fromEntries(items.map((item) => [item, []]));
    const { gflops } = await worker.ask("matmul");
    let disturbed = 0;
    for (let round = 0; round < rounds; round++) {
      if ((await busyCores(200)) > 0.15) disturbed++;
      // A round in another order each time: what runs after what makes no difference on average.
      for (let i = 0; i < items.length; i++) {
        const item = items[(i + round) % items.length];
        const { seconds, cpuSeconds } = await worker.ask(`run ${item}`);
        times[item].push(seconds);
        cpuTimes[item].push(cpuSeconds);
      }
      process.stderr.write(`\r${method}, ${name}: round ${round + 1}/${rounds}   `);
    }
    process.stderr.write("\r");
    const memory = {};
    let peakProcessBytes = 0;
    for (const item of items) {
      const answer = await worker.ask(`memory ${item}`);
      memory[item] = answer.peakTensorBytes;
      peakProcessBytes = answer.peakProcessBytes;
    }
    const profile = values.profile ? (await worker.ask("profile step")).profile : undefined;
    worker.close();
    const seconds = Object.fromEntries(items.map((item) => [item, median(times[item])]));
    const { factor, of, seconds: bound } = bounds[method];
    const perRound = times.step.map((t, i) => {
      const own = Object.fromEntries(items.map((item) => [item, times[item][i]]));
      return t / bound(own, shape, gflops);
    });
    const cpu = Object.fromEntries(items.map((item) => [item, median(cpuTimes[item])]));
    const parts = bound(seconds, shape, gflops);
    // Processor time of a product of matrices is its wall time on every thread.
    const cpuParts = bound(cpu, shape, gflops / cpus().length);
    const share = Object.fromEntries(
      Object.entries(shares[method](seconds)).map(([part, s]) => [part, s / seconds.step]),
    );
    const result = {
      method,
      shape: name,
      ...shape,
      engine: `${engine} ${version}`,
      secondsMedian: seconds,
      secondsAll: times,
      processorSecondsMedian: cpu,
      bound: `${factor} x (${of})`,
      partsSeconds: parts,
      ratioToParts: seconds.step / parts,
      ratioPairedMedian: median(perRound),
      ratioOfProcessorTime: cpu.step / cpuParts,
      holds: seconds.step <= factor * parts,
      ratioToSupervisedStep: seconds.step / seconds["supervised step"],
      shareOfStep: share,
      peakTensorBytes: memory,
      peakProcessBytes,
      matmulGflopsPerSecond: gflops,
      disturbedRounds: `${disturbed} of ${rounds} began with more than 0.15 cores busy elsewhere`,
      ...(profile ? { profile } : {}),
    };
    results.push(result);
    console.log(
      `${method}, ${name}: step ${seconds.step.toFixed(3)} s = ${result.ratioToParts.toFixed(2)} (paired ${result.ratioPairedMedian.toFixed(2)}, processor time ${result.ratioOfProcessorTime.toFixed(2)}) x ${of} (${parts.toFixed(3)} s), bound ${factor}; ${result.ratioToSupervisedStep.toFixed(2)} supervised steps; peak tensors ${(memory.step / 2 ** 20).toFixed(0)} MiB`,
    );
    for (const item of items)
      console.log(`    ${item}: ${seconds[item].toFixed(3)} s, ${(memory[item] / 2 ** 20).toFixed(0)} MiB`);
    for (const [part, value] of Object.entries(share))
      console.log(`    ${part}: ${(100 * value).toFixed(1)} % of the step`);
    for (const row of profile?.kernels ?? [])
      console.log(
        `    ${row.kernel}: ${row.milliseconds.toFixed(1)} ms (processor ${row.processorMilliseconds.toFixed(1)}) in ${row.calls} calls`,
      );
    if (profile)
      console.log(
        `    outside kernels: ${profile.outsideKernels.toFixed(1)} of ${profile.milliseconds.toFixed(1)} ms (processor ${profile.processorOutsideKernels.toFixed(1)} of ${profile.processorMilliseconds.toFixed(1)})`,
      );
  }
}
const out = values.out ?? here("../results/method-step.json");
// What this run did not measure stays, with the commit and date it was measured at.
const key = ({ method, shape }) => `${method}/${shape}`;
const earlier = existsSync(out) ? JSON.parse(readFileSync(out, "utf8")).results : [];
const measured = results.map((result) => ({ ...result, rounds, ...provenance() }));
const all = [...earlier.filter((e) => !measured.some((m) => key(m) === key(e))), ...measured];
writeResult(out, { benchmark: "method-step", results: all.sort((a, b) => key(a).localeCompare(key(b))) });
console.log(`written: ${out}`);
