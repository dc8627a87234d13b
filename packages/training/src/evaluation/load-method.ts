import { CheckpointError } from "@semiseg/errors";
import type { Method } from "@semiseg/method";
import { checkpointPath, disposeCheckpoint, latestCheckpoint, loadCheckpoint } from "../run/checkpoint.js";
import { runPaths } from "../run/run-folder.js";
import { restoreMethod } from "../train/run-state.js";

/** Options of {@link loadMethod}. */
export interface LoadMethodOptions {
  /** Optimizer steps done. Default: the last whole checkpoint. */
  readonly step?: number;
}

/**
 * Loads a run's weights into a method built from the same configuration: student, teacher, auxiliary network, modules
 * and states of terms. For looking into a trained method; a student alone is `loadWeights`.
 *
 * @returns the step of the checkpoint.
 * @throws CheckpointError when there is no such checkpoint, or it belongs to another method or network.
 */
export async function loadMethod(method: Method, run: string, options: LoadMethodOptions = {}): Promise<number> {
  const { checkpoints } = runPaths(run);
  const checkpoint =
    options.step === undefined
      ? await latestCheckpoint(checkpoints)
      : await loadCheckpoint(checkpointPath(checkpoints, options.step));
  if (!checkpoint) throw new CheckpointError(`${run}: there is no checkpoint`);
  try {
    restoreMethod(method, checkpoint);
    return checkpoint.step;
  } finally {
    disposeCheckpoint(checkpoint);
  }
}
