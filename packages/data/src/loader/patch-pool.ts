import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { Worker } from "node:worker_threads";
import { DataError, OptionError, SemisegError } from "@semiseg/errors";
import type { Patch } from "../transforms/apply-patch.js";
import { CaseStore } from "./case-store.js";
import { makePatch, type PatchSetup, type PatchTask } from "./patch-task.js";

/** Makes patches here or in worker threads. */
export interface PatchPool {
  make(task: PatchTask): Promise<Patch>;
  close(): Promise<void>;
  /** Threads at work; 0 = the calling thread. */
  readonly workers: number;
}

/** Works in the calling thread. */
export function localPool(setup: PatchSetup): PatchPool {
  const store = new CaseStore(setup.dataset, setup.preprocess, setup.storeBytes, setup.cacheFolder);
  return { make: (task) => makePatch(store, setup, task), close: async () => {}, workers: 0 };
}

interface Answer {
  readonly key: number;
  readonly image?: Float32Array;
  readonly labels?: Uint8Array | null;
  readonly strong?: Float32Array;
  readonly error?: { readonly name: string; readonly message: string; readonly code: string; readonly stack?: string };
}

function rebuilt(error: NonNullable<Answer["error"]>): Error {
  if (error.code === "DATA") return new DataError(error.message);
  if (error.code === "OPTION") return new OptionError(error.message);
  return new SemisegError(error.message, error.code, { cause: error.stack });
}

/**
 * A pool of threads. A case always goes to the same thread, so each keeps its own share of the prepared cases and none
 * is prepared twice. Null where the worker file isn't there (running from sources): work in the calling thread then.
 */
export function threadPool(setup: PatchSetup, count: number, workerUrl: URL): PatchPool | null {
  if (count === 0 || !existsSync(fileURLToPath(workerUrl))) return null;
  const waiting = new Map<
    number,
    { worker: Worker; resolve: (patch: Patch) => void; reject: (error: Error) => void }
  >();
  let nextKey = 0;
  let closed = false;
  const fail = (worker: Worker, error: Error) => {
    for (const [key, entry] of waiting)
      if (entry.worker === worker) {
        waiting.delete(key);
        entry.reject(error);
      }
  };
  const workers = Array.from({ length: count }, () => {
    const share = { ...setup, storeBytes: Math.floor(setup.storeBytes / count) };
    const worker = new Worker(workerUrl, { workerData: share });
    worker.unref(); // A run that ends must not be kept alive by its loader.
    worker.on("message", ({ key, image, labels, strong, error }: Answer) => {
      const entry = waiting.get(key);
      waiting.delete(key);
      if (waiting.size === 0) for (const w of workers) w.unref();
      if (error) entry?.reject(rebuilt(error));
      else entry?.resolve({ image: image!, labels: labels ?? null, ...(strong ? { strong } : {}) });
    });
    worker.on("error", (error) => fail(worker, error as Error));
    worker.on("exit", (code) => {
      if (!closed) fail(worker, new SemisegError(`a data loading thread ended with code ${code}`, "WORKER"));
    });
    return worker;
  });
  const home = new Map(setup.dataset.cases.map((c, n) => [c.id, n % count]));
  return {
    workers: count,
    make: (task) =>
      new Promise((resolve, reject) => {
        if (closed) return reject(new SemisegError("the batch loader is closed", "CLOSED"));
        const worker = workers[home.get(task.id) ?? 0]!;
        const key = nextKey++;
        waiting.set(key, { worker, resolve, reject });
        worker.ref();
        worker.postMessage({ key, task });
      }),
    async close() {
      closed = true;
      for (const worker of workers) fail(worker, new SemisegError("the batch loader was closed", "CLOSED"));
      await Promise.all(workers.map((worker) => worker.terminate()));
    },
  };
}
