import { CheckpointError } from "@semiseg/errors";
import { loadStateDict, type Network } from "@semiseg/nn";
import {
  checkpointPath,
  checkpointSteps,
  disposeCheckpoint,
  latestCheckpoint,
  loadCheckpoint,
} from "../run/checkpoint.js";
import { runPaths } from "../run/run-folder.js";
import type { Best } from "../train/run-state.js";
import type { EvaluatedModel } from "./evaluation.js";

/** The models that a run holds: student and teacher, each of the last step and best on validation. */
export async function runModels(run: string, warn: (message: string) => void = () => {}): Promise<EvaluatedModel[]> {
  const { checkpoints } = runPaths(run);
  const last = await latestCheckpoint(checkpoints, warn);
  if (!last) throw new CheckpointError(`${run}: there is no checkpoint`);
  const networks = (["student", "teacher"] as const).filter((network) => last.tensors[network]);
  disposeCheckpoint(last);
  const best = (last.state["best"] ?? {}) as Readonly<Record<string, Best>>;
  const steps = checkpointSteps(checkpoints);
  return networks.flatMap((network) => {
    const models: EvaluatedModel[] = [{ network, selected: "last", step: last.step }];
    const step = best[network]?.step;
    if (step !== undefined && steps.includes(step)) models.push({ network, selected: "best", step });
    return models;
  });
}

/** Loads one model's weights into a network of the same architecture. */
export async function loadWeights(network: Network, run: string, model: EvaluatedModel): Promise<void> {
  const path = checkpointPath(runPaths(run).checkpoints, model.step);
  const checkpoint = await loadCheckpoint(path, [model.network]);
  try {
    const dict = checkpoint.tensors[model.network];
    if (!dict) throw new CheckpointError(`${path} has no ${model.network} weights`);
    loadStateDict(network, dict);
  } finally {
    disposeCheckpoint(checkpoint);
  }
}
