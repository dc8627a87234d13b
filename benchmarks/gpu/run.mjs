#!/usr/bin/env node
// One V-Net training step on a GPU: SemiSeg on CUDA and on WebGPU beside PyTorch on the same card, interleaved in one run.
// node benchmarks/gpu/run.mjs --help
import { execFileSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { lineWorker, median, provenance, python, writeResult } from "../lib.mjs";

const { values } = parseArgs({
  options: {
    batch: { type: "string", default: "4" },
    size: { type: "string", default: "112,112,80" },
    filters: { type: "string", default: "16" },
    engines: { type: "string", default: "cuda,cuda-stock,cuda-bf16,cuda-f16,webgpu,webgpu-f16,torch,torch-amp" },
    rounds: { type: "string", default: "15" },
    warmup: { type: "string", default: "3" },
    "tune-seconds": { type: "string", default: "120" },
    minutes: { type: "string", default: "8" },
    out: { type: "string", default: fileURLToPath(new URL("../results/gpu-step.json", import.meta.url)) },
    help: { type: "boolean", default: false },
  },
});
if (values.help) {
  console.log(`bench:gpu [--batch 4] [--size 112,112,80] [--filters 16] [--rounds 15] [--warmup 3]
          [--engines cuda,cuda-stock,cuda-bf16,cuda-f16,webgpu,webgpu-f16,torch,torch-amp] [--tune-seconds 120] [--minutes 8] [--out FILE]
Ends after --minutes with the rounds done by then. Engines that cannot start are listed with the reason. PyTorch runs in
$SEMISEG_PYTHON (default python3). WebGPU takes a software adapter where there is no other, and says so. Before they are measured its
convolutions are tuned, for --tune-seconds at most each; webgpu-f16 needs an adapter with shader-f16.`);
  process.exit(0);
}
const shape = {
  network: "vnet",
  batch: Number(values.batch),
  size: values.size.split(",").map(Number),
  filters: Number(values.filters),
};
const ends = Date.now() + 60_000 * Number(values.minutes);
const here = (file) => fileURLToPath(new URL(file, import.meta.url));
const semiseg = (engine, precision, env) =>
  lineWorker(
    process.execPath,
    [here("../train-step/semiseg-worker.mjs"), JSON.stringify({ ...shape, engine, precision })],
    env,
  );
const torch = (amp) =>
  lineWorker(python, [
    here("../train-step/torch_worker.py"),
    JSON.stringify({ ...shape, layout: "channels_last_3d", threads: 4, device: "cuda", tf32: true, amp }),
  ]);
const START = {
  cuda: () => semiseg("cuda", "float32"),
  // What our own CUDA kernels bring.
  "cuda-stock": () => semiseg("cuda", "float32", { SEMISEG_NATIVE_OPS: "off" }),
  "cuda-bf16": () => semiseg("cuda", "bfloat16"),
  "cuda-f16": () => semiseg("cuda", "float16"),
  webgpu: () => semiseg("webgpu", "float32"),
  "webgpu-f16": () => semiseg("webgpu", "float16"),
  torch: () => torch(false),
  "torch-amp": () => torch(true),
};

/** What the driver says of the card, and how much memory processes hold on it. */
function nvidia(query, ...more) {
  try {
    return execFileSync("nvidia-smi", [`--query-${query}`, "--format=csv,noheader,nounits", ...more], {
      encoding: "utf8",
      stdio: ["ignore", "pipe", "ignore"],
    })
      .trim()
      .split("\n")
      .map((line) => line.split(", "));
  } catch {
    return null;
  }
}

const workers = {};
const unavailable = {};
for (const name of values.engines.split(",")) {
  if (!START[name]) throw new RangeError(`--engines: '${name}' is not one of ${Object.keys(START).join(", ")}`);
  try {
    const worker = await START[name]();
    const tuning = name.startsWith("webgpu") ? await worker.ask(`tune ${values["tune-seconds"]}`) : undefined;
    const { loss } = await worker.ask(`run ${values.warmup}`);
    workers[name] = { ...worker, loss, tuning };
  } catch (error) {
    unavailable[name] = error.message;
  }
}
const names = Object.keys(workers);
if (names.length === 0) throw new Error(`no engine could start: ${JSON.stringify(unavailable)}`);
const seconds = Object.fromEntries(names.map((name) => [name, []]));
let rounds = 0;
for (; rounds < Number(values.rounds) && (rounds === 0 || Date.now() < ends); rounds++)
  for (let i = 0; i < names.length; i++) {
    // Another order each round.
    const name = names[(i + rounds) % names.length];
    const answer = await workers[name].ask("run 1");
    seconds[name].push(...answer.seconds);
    workers[name].last = answer;
  }
const memory = nvidia("compute-apps=pid,used_memory");
const medians = Object.fromEntries(names.map((name) => [name, median(seconds[name])]));
const ratios = (base) =>
  medians[base] === undefined
    ? undefined
    : Object.fromEntries(names.map((name) => [name, medians[name] / medians[base]]));
writeResult(values.out, {
  benchmark: "gpu-step",
  ...provenance(),
  gpu: nvidia("gpu=name,driver_version,memory.total")?.map(([name, driver, mib]) => ({
    name,
    driver,
    mib: Number(mib),
  })),
  shape: `${shape.batch}x${shape.size.join("x")}, V-Net with ${shape.filters} filters`,
  engines: Object.fromEntries(
    names.map((name) => [
      name,
      {
        ...workers[name].hello,
        tuning: workers[name].tuning,
        firstLoss: workers[name].loss,
        lastLoss: workers[name].last.loss,
        gpuMiB: Number(memory?.find(([pid]) => Number(pid) === workers[name].pid)?.[1] ?? Number.NaN),
      },
    ]),
  ),
  unavailable,
  rounds,
  secondsMedian: medians,
  secondsAll: seconds,
  ratioToTorch: ratios("torch"),
  ratioToTorchAmp: ratios("torch-amp"),
});
for (const name of names) console.log(`${name.padEnd(10)} ${(1000 * medians[name]).toFixed(1)} ms a step`);
for (const [name, reason] of Object.entries(unavailable)) console.log(`${name.padEnd(10)} not measured: ${reason}`);
console.log(`written: ${values.out}`);
for (const worker of Object.values(workers)) worker.close();
