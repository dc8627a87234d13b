import { parentPort, workerData } from "node:worker_threads";
import { SemisegError } from "@semiseg/errors";
import { CaseStore } from "./loader/case-store.js";
import { makePatch, type PatchSetup, type PatchTask } from "./loader/patch-task.js";

// Runs in a worker thread of `createBatchLoader`: a task comes in, a patch or an error goes back.
const setup = workerData as PatchSetup;
const store = new CaseStore(setup.dataset, setup.preprocess, setup.storeBytes, setup.cacheFolder);

parentPort?.on("message", async ({ key, task }: { key: number; task: PatchTask }) => {
  try {
    const { image, labels, strong } = await makePatch(store, setup, task);
    const transfer = [
      image.buffer,
      ...(labels ? [labels.buffer] : []),
      ...(strong ? [strong.buffer] : []),
    ] as ArrayBuffer[];
    parentPort?.postMessage({ key, image, labels, strong }, transfer);
  } catch (error) {
    const { name, message, stack } = error as Error;
    const code = error instanceof SemisegError ? error.code : "UNEXPECTED";
    parentPort?.postMessage({ key, error: { name, message, code, stack } });
  }
});
