#!/usr/bin/env node
// Signed distance maps of a batch of 4 masks of 112x112x80, SemiSeg beside SciPy, interleaved in one run, one thread each.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { lineWorker, median, provenance, python, writeResult } from "../lib.mjs";

const { values } = parseArgs({
  options: {
    rounds: { type: "string", default: "9" },
    out: { type: "string" },
    help: { type: "boolean", default: false },
  },
});
if (values.help) {
  console.log(`bench:distance-maps [--rounds 9] [--out FILE]
The SciPy side runs in $SEMISEG_PYTHON (default python3), which needs: pip install scipy`);
  process.exit(0);
}
const here = (file) => fileURLToPath(new URL(file, import.meta.url));
const shape = [4, 112, 112, 80];

/** An atrium-like body: three overlapping ellipsoids with a bumpy surface, another one in every sample. */
function body(n) {
  const [d, h, w] = shape.slice(1);
  const out = new Uint8Array(d * h * w);
  const parts = [
    [56, 56, 40, 26, 20, 18],
    [38 + 3 * n, 62, 44, 14, 12, 16],
    [72 - 2 * n, 44, 34, 12, 16, 12],
  ];
  for (let i = 0; i < out.length; i++) {
    const [z, y, x] = [Math.floor(i / (h * w)), Math.floor(i / w) % h, i % w];
    const bump = 1 + 0.12 * Math.sin(z * 0.55 + n) * Math.cos(y * 0.45) + 0.08 * Math.sin(x * 0.6 - n);
    out[i] = parts.some(([a, b, c, p, q, r]) => Math.hypot((z - a) / p, (y - b) / q, (x - c) / r) < bump) ? 1 : 0;
  }
  return out;
}

const folder = mkdtempSync(join(tmpdir(), "distance-maps-"));
try {
  const file = join(folder, "masks");
  writeFileSync(file, Buffer.concat(Array.from({ length: shape[0] }, (_, n) => body(n))));
  const workers = {
    semiseg: await lineWorker(process.execPath, [here("semiseg-worker.mjs"), JSON.stringify(shape), file]),
    scipy: await lineWorker(python, [here("scipy_worker.py"), JSON.stringify(shape), file], { OMP_NUM_THREADS: "1" }),
  };
  const maps = {};
  for (const [key, worker] of Object.entries(workers)) {
    await worker.ask(`save ${join(folder, key)}`);
    maps[key] = new Float32Array(new Uint8Array(readFileSync(join(folder, key))).buffer);
  }
  const difference = maps.semiseg.reduce((most, v, i) => Math.max(most, Math.abs(v - maps.scipy[i])), 0);
  const times = { semiseg: [], scipy: [] };
  const cpu = { semiseg: [], scipy: [] };
  for (let round = 0; round < Number(values.rounds); round++)
    for (const key of round % 2 ? ["scipy", "semiseg"] : ["semiseg", "scipy"]) {
      const { seconds, cpuSeconds } = await workers[key].ask("run");
      times[key].push(seconds);
      cpu[key].push(cpuSeconds);
    }
  for (const worker of Object.values(workers)) worker.close();
  const result = {
    shape,
    foregroundShare: readFileSync(file).reduce((sum, v) => sum + v, 0) / shape.reduce((a, b) => a * b, 1),
    versions: { semiseg: workers.semiseg.hello.version, scipy: workers.scipy.hello.version },
    secondsMedian: { semiseg: median(times.semiseg), scipy: median(times.scipy) },
    processorSecondsMedian: { semiseg: median(cpu.semiseg), scipy: median(cpu.scipy) },
    secondsAll: times,
    ratio: median(times.semiseg) / median(times.scipy),
    ratioPairedMedian: median(times.semiseg.map((t, i) => t / times.scipy[i])),
    ratioOfProcessorTime: median(cpu.semiseg) / median(cpu.scipy),
    largestDifference: difference,
  };
  writeResult(values.out ?? here("../results/distance-maps.json"), {
    benchmark: "distance-maps",
    ...provenance(),
    rounds: Number(values.rounds),
    ...result,
  });
  console.log(
    `4 maps of 112x112x80: SemiSeg ${result.secondsMedian.semiseg.toFixed(3)} s, SciPy ${result.secondsMedian.scipy.toFixed(3)} s; ratio ${result.ratio.toFixed(2)} (paired ${result.ratioPairedMedian.toFixed(2)}, processor time ${result.ratioOfProcessorTime.toFixed(2)}); largest difference ${difference.toExponential(1)}`,
  );
} finally {
  rmSync(folder, { recursive: true, force: true });
}
