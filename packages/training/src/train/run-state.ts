import { CheckpointError } from "@semiseg/errors";
import { type Method, termModules } from "@semiseg/method";
import { loadStateDict, type Module, moduleOf, type Optimizer } from "@semiseg/nn";
import type { Tensor } from "@tensorflow/tfjs-core";
import type { Checkpoint } from "../run/checkpoint.js";
import { loadTerms, saveTerms } from "./term-state.js";

/** The best validation so far of one network. */
export interface Best {
  readonly step: number;
  /** Mean foreground Dice. */
  readonly dice: number;
}

/** What a run carries from step to step beside weights. */
export interface RunProgress {
  readonly step: number;
  readonly best: Readonly<Record<string, Best>>;
}

/** The parts of a method by checkpoint group; `student` alone is what inference needs. */
function parts(method: Method): Record<string, Module> {
  const modules = moduleOf(
    Object.fromEntries(termModules(method.terms).map(({ term, name, module }) => [`${term}/${name}`, module])),
  );
  return {
    student: method.student,
    ...(method.teacher ? { teacher: method.teacher.network } : {}),
    ...(method.auxiliary ? { auxiliary: method.auxiliary } : {}),
    ...(modules.variables.length > 0 ? { modules } : {}),
  };
}

/** Everything that the next step depends on. Tensors are the run's own and must not be disposed. */
export function captureRun(method: Method, optimizer: Optimizer, progress: RunProgress): Checkpoint {
  const terms = saveTerms(method.terms);
  const saved = optimizer.saveState();
  const tensors: Record<string, ReadonlyMap<string, Tensor>> = { optimizer: saved.tensors, terms: terms.tensors };
  for (const [group, module] of Object.entries(parts(method))) tensors[group] = module.named;
  return {
    step: progress.step,
    tensors,
    state: { method: method.name, best: progress.best, optimizer: saved.json, terms: terms.json },
  };
}

/**
 * Puts networks, term modules and term states of a checkpoint back: all of it but the optimizer.
 *
 * @throws CheckpointError when it belongs to another method or network.
 */
export function restoreMethod(method: Method, checkpoint: Checkpoint): void {
  const { state, tensors, step } = checkpoint;
  if (state["method"] !== method.name)
    throw new CheckpointError(`checkpoint belongs to the method '${String(state["method"])}', not '${method.name}'`);
  for (const [group, module] of Object.entries(parts(method))) {
    const dict = tensors[group];
    if (!dict) throw new CheckpointError(`checkpoint of step ${step} has no ${group} weights`);
    loadStateDict(module, dict);
  }
  loadTerms(method.terms, {
    json: (state["terms"] ?? {}) as Record<string, unknown>,
    tensors: tensors["terms"] ?? new Map(),
  });
}

/** Puts a checkpoint back. Throws CheckpointError when it belongs to another method or network. */
export function restoreRun(method: Method, optimizer: Optimizer, checkpoint: Checkpoint): RunProgress {
  const { state, tensors, step } = checkpoint;
  restoreMethod(method, checkpoint);
  optimizer.loadState({ json: state["optimizer"], tensors: tensors["optimizer"] ?? new Map() });
  return { step, best: (state["best"] ?? {}) as Record<string, Best> };
}
