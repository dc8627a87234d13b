import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { summarizeValues } from "@semiseg/metrics";
import { decodeJson, type Evaluation } from "@semiseg/training";
import type { ExpandedSweep } from "./expand-sweep.js";

/** What choosing the weights on the test cases would have done to one row. */
export interface SelectionAudit {
  readonly variant: string;
  readonly labeled: "all" | number;
  readonly runs: number;
  /** Models of each run that could have been chosen: student and teacher, last and best on validation. */
  readonly candidates: number;
  /** Mean test Dice of the student's last weights, and of those best on validation; NaN without validation. */
  readonly last: number;
  readonly best: number;
  /** Mean test Dice if each run had been allowed its best model on the test cases. */
  readonly onTest: number;
  /** `onTest` less the honest number: best on validation where there is one, else last. */
  readonly inflation: number;
}

/** Mean test Dice over foreground classes, then cases. */
function diceOf({ cases }: Evaluation): number {
  const values = cases.map(
    ({ rows }) => summarizeValues(rows.filter((r) => r.metric === "dice").map((r) => r.value)).mean,
  );
  return summarizeValues(values).mean;
}

/**
 * How far each row's Dice would have risen, had the weights been chosen on the test cases, as is often done. A lower
 * bound: published code looks at many more checkpoints than a run keeps.
 */
export function auditSelection({ tasks, variants }: ExpandedSweep): SelectionAudit[] {
  const budgets = [...new Set(tasks.map(({ labeled }) => labeled))];
  return budgets.flatMap((labeled) =>
    variants.flatMap((variant) => {
      const found: { last: number; best: number; onTest: number; candidates: number }[] = [];
      for (const task of tasks.filter((t) => t.variant === variant && t.labeled === labeled)) {
        const path = join(task.config.run, "evaluation.json");
        if (!existsSync(path)) continue;
        const all = (decodeJson(readFileSync(path, "utf8")) as Evaluation[]).filter(({ part }) => part === "test");
        const of = (selected: "last" | "best"): number => {
          const own = all.find(({ model }) => model.network === "student" && model.selected === selected);
          return own ? diceOf(own) : Number.NaN;
        };
        const [last, best] = [of("last"), of("best")];
        found.push({ last, best, onTest: Math.max(...all.map(diceOf)), candidates: all.length });
      }
      if (found.length === 0) return [];
      const mean = (key: "last" | "best" | "onTest"): number => summarizeValues(found.map((f) => f[key])).mean;
      const [last, best, onTest] = [mean("last"), mean("best"), mean("onTest")];
      return [
        {
          variant,
          labeled,
          runs: found.length,
          candidates: Math.max(...found.map(({ candidates }) => candidates)),
          last,
          best,
          onTest,
          inflation: onTest - (Number.isFinite(best) ? best : last),
        },
      ];
    }),
  );
}

/** The audit for a terminal. */
export function auditText(audits: readonly SelectionAudit[]): string {
  const number = (value: number): string => (Number.isFinite(value) ? value.toFixed(3) : "-");
  const lines = audits.map(
    (a) =>
      `${a.variant}, ${a.labeled} labelled: last ${number(a.last)}, best on validation ${number(a.best)}, best of ${a.candidates} on test ${number(a.onTest)}: +${number(a.inflation)}`,
  );
  return ["test Dice, had the weights been chosen on the test cases (a lower bound)", ...lines].join("\n");
}
