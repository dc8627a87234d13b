import { encodeJson, filterJsonLines, JsonLinesLog } from "../run/json-lines.js";
import type { RunPaths } from "../run/run-folder.js";
import { TensorboardWriter } from "../run/tensorboard-writer.js";
import type { StepResult } from "./train-step.js";

/** What a validation found: mean foreground Dice per network, and per class. */
export interface ValidationRecord {
  /** Optimizer steps done. */
  readonly step: number;
  readonly dice: Readonly<Record<string, number>>;
  readonly perClass: Readonly<Record<string, readonly number[]>>;
  readonly cases: number;
  readonly seconds: number;
}

/** How well the labels given to unlabelled cases fit the hidden ones: mean over foreground classes, per network. */
export interface PseudoLabelRecord {
  /** Optimizer steps done. */
  readonly step: number;
  readonly precision: Readonly<Record<string, number>>;
  readonly recall: Readonly<Record<string, number>>;
  readonly cases: number;
  readonly seconds: number;
}

/** The log of a run: JSON lines as the truth, TensorBoard beside it. */
export interface RunLog {
  step(step: number, result: StepResult, more: Readonly<Record<string, number>>): void;
  validation(record: ValidationRecord): void;
  pseudoLabels(record: PseudoLabelRecord): void;
  /** Anything that happened: started, resumed, stopped, diverged. */
  event(name: string, step: number, more?: Readonly<Record<string, unknown>>): void;
  sync(): void;
  close(): void;
}

/**
 * Opens the log of a run at `step` steps done. Records of later steps, left by a process that was killed after its last
 * checkpoint, are removed: the resumed run writes them again.
 */
export function openRunLog(paths: RunPaths, step: number, resumed: boolean): RunLog {
  filterJsonLines(paths.metrics, (record) => {
    if (record["kind"] === "step") return Number(record["step"]) < step;
    const afterSteps = record["kind"] === "validation" || record["kind"] === "pseudo-labels";
    return !afterSteps || Number(record["step"]) <= step;
  });
  const lines = new JsonLinesLog(paths.metrics);
  const board = new TensorboardWriter(paths.tensorboard, resumed ? step : undefined);
  return {
    step(index, result, more) {
      const { loss, terms, log, gradientNorm, ...rest } = result;
      lines.append({ kind: "step", step: index, loss, terms, gradientNorm, ...rest, ...more, log });
      const scalars: Record<string, number> = { "loss/total": loss, "train/gradientNorm": gradientNorm };
      for (const [name, term] of Object.entries(terms)) {
        scalars[`loss/${name}`] = term.weighted;
        scalars[`value/${name}`] = term.value;
        scalars[`weight/${name}`] = term.weight;
      }
      for (const [name, value] of Object.entries(more)) scalars[`train/${name}`] = value;
      for (const [name, value] of Object.entries(log)) scalars[`log/${name}`] = value;
      board.scalars(index, scalars);
    },
    validation(record) {
      lines.append({ kind: "validation", ...record });
      board.scalars(
        record.step,
        Object.fromEntries(Object.entries(record.dice).map(([network, dice]) => [`validation/dice/${network}`, dice])),
      );
    },
    pseudoLabels(record) {
      lines.append({ kind: "pseudo-labels", ...record });
      const scalars: Record<string, number> = {};
      for (const key of ["precision", "recall"] as const)
        for (const [network, share] of Object.entries(record[key])) scalars[`pseudo-labels/${key}/${network}`] = share;
      board.scalars(record.step, scalars);
    },
    event(name, at, more = {}) {
      lines.append({ kind: "event", event: name, step: at, time: new Date().toISOString(), ...more });
      board.text(at, `event/${name}`, `\`${encodeJson({ step: at, ...more })}\``);
    },
    sync: () => lines.sync(),
    close() {
      lines.close();
      board.close();
    },
  };
}
