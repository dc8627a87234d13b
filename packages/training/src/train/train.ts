import { join } from "node:path";
import { CompatibilityError, checkNumber, OptionError } from "@semiseg/errors";
import { checkBatch, ExponentialMovingAverage, type Method } from "@semiseg/method";
import { type Network, type Optimizer, RandomStream } from "@semiseg/nn";
import type { InferenceOptions } from "../inference/predict-volume.js";
import { disposeCheckpoint, latestCheckpoint, pruneCheckpoints, saveCheckpoint } from "../run/checkpoint.js";
import { type ProgressBar, type ProgressStream, progressBar } from "../run/progress-bar.js";
import { openRun } from "../run/run-folder.js";
import { DivergenceError } from "../run/training-error.js";
import { measurePseudoLabels } from "./measure-pseudo-labels.js";
import { openRunLog } from "./run-log.js";
import { type Best, captureRun, restoreRun } from "./run-state.js";
import { type StepResult, trainStep } from "./train-step.js";
import type { TrainingData } from "./training-data.js";
import { validate } from "./validate.js";

/** Options of {@link train}. */
export interface TrainOptions {
  readonly method: Method;
  readonly data: TrainingData;
  readonly optimizer: Optimizer;
  /** Optimizer steps of the whole run, resumed parts included. */
  readonly maxSteps: number;
  /** Folder of the run; created if missing. */
  readonly run: string;
  /** Go on with the run in the folder, from its last whole checkpoint. Default false: a used folder is refused. */
  readonly resume?: boolean;
  /** Seed of dropout, noise and everything else that terms draw. Default 0. */
  readonly seed?: number;
  /** Plain JSON written to `config.json`, whatever rebuilds the run. */
  readonly config?: unknown;
  /** Steps between checkpoints, default 200; the last step always has one. `keep`: how many recent ones stay, default 2. */
  readonly checkpoint?: { readonly every?: number; readonly keep?: number };
  /** Evaluate on `data.validation` every so many steps and after the last, and keep the best checkpoint. */
  readonly validation?: {
    readonly every: number;
    /** Only the first so many cases. */
    readonly cases?: number;
    readonly inference?: InferenceOptions;
  };
  /**
   * Log precision and recall of the labels given to `data.hidden`, every so many steps and after the last. Trains on none
   * of it and chooses nothing by it.
   */
  readonly pseudoLabels?: { readonly every: number; readonly inference?: InferenceOptions };
  /** Also log the norm of each term's own gradient (one more backward pass per term). Default false. */
  readonly gradientNorms?: boolean;
  /** Where progress is shown; false for none. Default stderr. */
  readonly progress?: ProgressStream | false;
  /** Aborting it saves a checkpoint after the current step and returns. */
  readonly signal?: AbortSignal;
  /** Called after each step, for curves and tests. */
  readonly onStep?: (step: number, result: StepResult) => void;
  /** Called with warnings, e.g. a damaged checkpoint that was passed over. Default: a line above the progress bar. */
  readonly onWarning?: (message: string) => void;
}

/** How a run ended. */
export interface TrainResult {
  /** Steps done. */
  readonly step: number;
  readonly reason: "finished" | "stopped";
  /** Best validation per network, empty without validation. */
  readonly best: Readonly<Record<string, Best>>;
  readonly run: string;
}

/** Networks that are evaluated: the student, and the teacher where there is one. */
export function evaluatedNetworks(method: Method): Record<string, Network> {
  return { student: method.student, ...(method.teacher ? { teacher: method.teacher.network } : {}) };
}

/**
 * Lets what waits for the event loop run. Where an engine has its values at once and data needs no worker, a step is never
 * really waited for: signals (Ctrl-C, a cluster's warning) would be heard after the last step only.
 */
const nextTurn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

const quiet: ProgressBar = { update: () => {}, note: () => {}, finish: () => {} };

/**
 * Trains a method into a run's folder: per step a batch, the terms' gradients, the optimizer, the teacher, the terms'
 * own state, and a line in the log.
 *
 * A step depends on weights, optimizer, term states and its own number only (batches and random streams are functions
 * of seed and step), so a run that was killed at any moment and resumed has the losses of an uninterrupted one, bit by
 * bit on the same engine.
 *
 * @throws OptionError for wrong options or a folder in use; CompatibilityError when the terms need another batch, before
 * the first step; DivergenceError when a loss or gradient is not finite (the last checkpoint is from before);
 * DiskFullError; CheckpointError when nothing whole is there to resume.
 */
export async function train(options: TrainOptions): Promise<TrainResult> {
  const { method, data, optimizer, maxSteps, resume = false, seed = 0, signal, validation, pseudoLabels } = options;
  const { every = 200, keep = 2 } = options.checkpoint ?? {};
  checkNumber("train", "maxSteps", maxSteps, { integer: true, min: 1 });
  checkNumber("train", "checkpoint.every", every, { integer: true, min: 1 });
  checkNumber("train", "checkpoint.keep", keep, { integer: true, min: 1 });
  if (validation) checkNumber("train", "validation.every", validation.every, { integer: true, min: 1 });
  if (validation && !data.validation)
    throw new OptionError("train: validation needs validation cases in data.validation, received none");
  if (pseudoLabels) checkNumber("train", "pseudoLabels.every", pseudoLabels.every, { integer: true, min: 1 });
  if (pseudoLabels && !data.hidden)
    throw new OptionError("train: pseudoLabels needs unlabelled cases with labels in data.hidden, received none");
  const classes = method.student.provides.classes;
  if (classes !== data.classNames.length)
    throw new CompatibilityError(
      `train: the student has ${classes} classes, the data ${data.classNames.length} (${data.classNames.join(", ")})`,
    );
  const random = new RandomStream(seed).fork("train");
  const run = openRun({ folder: options.run, resume, config: options.config, split: data.manifest });
  let bar = quiet;
  const warn = options.onWarning ?? ((message: string) => bar.note(message));
  try {
    const found = resume ? await latestCheckpoint(run.checkpoints, warn) : null;
    let best: Record<string, Best> = {};
    let step = 0;
    if (found) {
      const progress = restoreRun(method, optimizer, found);
      [step, best] = [progress.step, { ...progress.best }];
      disposeCheckpoint(found);
    }
    const log = openRunLog(run, step, resume);
    if (options.progress !== false)
      bar = progressBar({
        total: maxSteps,
        start: step,
        label: method.name,
        ...(options.progress ? { stream: options.progress } : {}),
      });
    const networks = evaluatedNetworks(method);
    const average = method.teacher
      ? new ExponentialMovingAverage(method.student, method.teacher.network, method.teacher.config)
      : null;
    const save = async (): Promise<void> => {
      log.sync();
      await saveCheckpoint(run.checkpoints, captureRun(method, optimizer, { step, best }));
      pruneCheckpoints(
        run.checkpoints,
        keep,
        Object.values(best).map((item) => item.step),
      );
    };
    try {
      log.event(found ? "resumed" : "started", step, { maxSteps, seed });
      let saved = found ? step : -1;
      while (step < maxSteps) {
        await nextTurn();
        if (signal?.aborted) break;
        const began = performance.now();
        const batch = await data.loader.next(step);
        const labeled = batch.labelsShape[0]!;
        checkBatch(method, { labeled, unlabeled: batch.imageShape[0]! - labeled });
        const result = await trainStep({
          method,
          optimizer,
          average,
          batch,
          step,
          maxSteps,
          random,
          gradientNorms: options.gradientNorms ?? false,
        });
        const seconds = (performance.now() - began) / 1000;
        log.step(step, result, { lr: optimizer.rate(step), stepsPerSecond: 1 / seconds, waitedMs: batch.waitedMs });
        options.onStep?.(step, result);
        step++;
        const weighted = Object.entries(result.terms).map(([name, term]) => [name, term.weighted] as const);
        bar.update(step, { loss: result.loss, ...(weighted.length > 1 ? Object.fromEntries(weighted) : {}) });
        if (pseudoLabels && data.hidden && (step % pseudoLabels.every === 0 || step === maxSteps)) {
          const record = await measurePseudoLabels(networks, data.hidden, step, {
            inference: pseudoLabels.inference ?? {},
          });
          if (record) log.pseudoLabels(record);
        }
        if (validation && data.validation && (step % validation.every === 0 || step === maxSteps)) {
          const record = await validate(networks, data.validation, step, {
            inference: validation.inference ?? {},
            limit: validation.cases,
          });
          log.validation(record);
          const shown = Object.entries(record.dice).map(([name, dice]) => `${name} ${dice.toFixed(4)}`);
          bar.note(`step ${step}: validation Dice ${shown.join(", ")} (${record.seconds.toFixed(1)} s)`);
          let better = false;
          for (const [name, dice] of Object.entries(record.dice))
            if (!Number.isNaN(dice) && !(dice <= (best[name]?.dice ?? -1))) {
              best[name] = { step, dice };
              better = true;
            }
          if (better) {
            await save();
            saved = step;
          }
        }
        if (saved !== step && (step % every === 0 || step === maxSteps)) {
          await save();
          saved = step;
        }
      }
      if (saved !== step) await save();
      const reason = step < maxSteps ? "stopped" : "finished";
      log.event(reason, step);
      return { step, reason, best, run: options.run };
    } catch (error) {
      if (error instanceof DivergenceError)
        log.event("diverged", error.step, { terms: error.terms, message: error.message });
      throw error;
    } finally {
      bar.finish();
      log.close();
    }
  } finally {
    run.release();
  }
}

/** The line to show after a run was stopped. */
export const resumeHint = (run: string): string => `go on with: semiseg train --resume ${join(run)}`;
