import { parentPort } from "node:worker_threads";
import { type LabelBatch, labelDistances } from "./label-distances.js";

/** What the thread is sent: a batch, where to write the maps, and a flag to raise (1 done, 2 failed). */
export interface DistanceMapTask extends LabelBatch {
  readonly labels: Int32Array;
  readonly out: Float32Array;
  readonly flag: Int32Array;
}

parentPort?.on("message", (task: DistanceMapTask) => {
  let state = 2;
  try {
    labelDistances(task, task.out);
    state = 1;
  } finally {
    Atomics.store(task.flag, 0, state);
    Atomics.notify(task.flag, 0);
  }
});
