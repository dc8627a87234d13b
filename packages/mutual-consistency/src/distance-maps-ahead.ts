import type { Worker } from "node:worker_threads";
import type { DistanceMapTask } from "./distance-map-worker.js";
import { type LabelBatch, labelDistances } from "./label-distances.js";

/** Distance maps that are being made. */
export interface DistanceMaps {
  /** Values of `[N, ...S, C-1]`; waits for them if need be. */
  values(): Float32Array;
}

/** How long a thread may take before the maps are made here after all, in milliseconds. */
const PATIENCE = 60_000;

const threads = new Map<string, Worker | null>();

/** The thread that makes maps, or null where there is none: browsers, and packages run from their sources. */
function workerThread(file: URL): Worker | null {
  const known = threads.get(file.href);
  if (known !== undefined) return known;
  threads.set(file.href, null);
  const node = globalThis.process?.getBuiltinModule;
  if (!node || typeof SharedArrayBuffer === "undefined") return null;
  if (!node("node:fs").existsSync(node("node:url").fileURLToPath(file))) return null;
  const worker = new (node("node:worker_threads").Worker)(file);
  // A program that ends must not be kept alive by it.
  worker.unref();
  worker.on("error", () => threads.set(file.href, null));
  threads.set(file.href, worker);
  return worker;
}

/**
 * Begins making the signed distance maps of a batch of labels in a thread of their own, so that they cost a training step
 * no time while a network is at work; without threads they are made when asked for.
 *
 * @param file - the thread's module; for tests.
 */
export function distanceMapsAhead(
  { labels, shape, numClasses }: LabelBatch,
  file: URL = new URL("./distance-map-worker.js", import.meta.url),
): DistanceMaps {
  const length = labels.length * (numClasses - 1);
  let done: Float32Array | undefined;
  const here = (): Float32Array => {
    done = new Float32Array(length);
    labelDistances({ labels, shape, numClasses }, done);
    return done;
  };
  const worker = workerThread(file);
  if (!worker) return { values: () => done ?? here() };
  const shared = new Int32Array(new SharedArrayBuffer(4 * labels.length));
  shared.set(labels);
  const out = new Float32Array(new SharedArrayBuffer(4 * length));
  const flag = new Int32Array(new SharedArrayBuffer(4));
  const task: DistanceMapTask = { labels: shared, shape, numClasses, out, flag };
  worker.postMessage(task);
  return {
    values: () => {
      if (done) return done;
      Atomics.wait(flag, 0, 0, PATIENCE);
      if (Atomics.load(flag, 0) !== 1) return here();
      done = out;
      return done;
    },
  };
}
