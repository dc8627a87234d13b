import type { BackendInfo } from "@semiseg/runtime";
import {
  type Evaluation,
  evaluateRun,
  type PostprocessOptions,
  progressBar,
  runPaths,
  summaryTable,
} from "@semiseg/training";
import { assembleData, casesOf, factsOf } from "./assemble-data.js";
import { buildMethod } from "./build-method.js";
import { inferenceOf } from "./inference-of.js";
import type { Output } from "./output.js";
import { configOfRun } from "./run-config.js";

/** What {@link evaluateConfigured} takes. */
export interface EvaluateConfiguredOptions {
  readonly run: string;
  readonly part: "test" | "validation";
  readonly selected?: "last" | "best";
  readonly postprocess?: PostprocessOptions;
  readonly output: Output;
  readonly engine: BackendInfo;
}

/** Evaluates every model of a run on its test or validation cases and writes tables and report into its folder. */
export async function evaluateConfigured(options: EvaluateConfiguredOptions): Promise<readonly Evaluation[]> {
  const { run, part, selected, output, engine } = options;
  const { config, manifest } = configOfRun(run);
  const assembled = await assembleData(config, manifest);
  const cases = casesOf(config, assembled, part);
  const method = buildMethod(config, factsOf(assembled.dataset));
  let bar: { readonly name: string; readonly bar: ReturnType<typeof progressBar> } | null = null;
  try {
    const evaluations = await evaluateRun({
      run,
      network: method.student,
      cases,
      inference: inferenceOf(config),
      dialect: config.evaluation.dialect,
      empty: config.evaluation.empty,
      ...(selected ? { selected } : {}),
      ...(options.postprocess ? { postprocess: options.postprocess } : {}),
      facts: {
        method: method.name,
        engine: `${engine.engine} ${engine.version}, ${engine.device}, ${engine.precision}`,
        seed: config.seed,
      },
      onCase: (name, done, total) => {
        if (output.json) return;
        if (bar?.name !== name) {
          bar?.bar.finish();
          bar = { name, bar: progressBar({ total, label: `evaluate ${name}` }) };
        }
        bar.bar.update(done);
      },
    });
    (bar as { bar: { finish(): void } } | null)?.bar.finish();
    output.say(summaryTable(evaluations));
    output.say(`report: ${runPaths(run).report}`);
    return evaluations;
  } finally {
    method.dispose();
  }
}
