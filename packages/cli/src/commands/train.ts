import { Command } from "@commander-js/extra-typings";
import { OptionError } from "@semiseg/errors";
import { checkBatch } from "@semiseg/method";
import { resumeHint, type TrainResult, train } from "@semiseg/training";
import { assembleData, factsOf, trainingData } from "../assemble-data.js";
import { buildMethod } from "../build-method.js";
import { buildOptimizer } from "../build-optimizer.js";
import type { RunConfig } from "../config/schema.js";
import { evaluateConfigured } from "../evaluate-configured.js";
import { inferenceOf } from "../inference-of.js";
import { laggingTeacher } from "../lagging-teacher.js";
import { createOutput, type Output, type OutputStreams } from "../output.js";
import { configFrom } from "../run-config.js";
import { Stopped } from "../stopped.js";
import { collect, settings, wholeNumber } from "./common.js";
import { startEngine } from "./start-engine.js";

/**
 * Aborts on the first Ctrl-C (or SIGTERM), and when the process that started this one with a channel is gone; a second
 * signal ends the process at once.
 */
function stopOnSignals(output: Output): { readonly signal: AbortSignal; release(): void } {
  const controller = new AbortController();
  const stop = (): void => {
    if (controller.signal.aborted) process.exit(130);
    output.warn("\nstopping after this step and saving; press Ctrl-C again to stop at once");
    controller.abort();
  };
  const orphaned = (): void => {
    output.warn("\nwhat started this run has ended: stopping after this step and saving");
    controller.abort();
  };
  for (const name of ["SIGINT", "SIGTERM"] as const) process.on(name, stop);
  process.on("disconnect", orphaned);
  return {
    signal: controller.signal,
    release: () => {
      for (const name of ["SIGINT", "SIGTERM"] as const) process.off(name, stop);
      process.off("disconnect", orphaned);
    },
  };
}

/** Trains what a configuration describes. The trainer is given training and validation cases only. */
export async function trainConfigured(
  config: RunConfig,
  options: {
    readonly resume: boolean;
    readonly output: Output;
    readonly manifest?: Parameters<typeof assembleData>[1];
  },
): Promise<TrainResult> {
  const { resume, output, manifest } = options;
  const assembled = await assembleData(config, manifest);
  const method = buildMethod(config, factsOf(assembled.dataset));
  checkBatch(method, {
    labeled: config.batch.labeled,
    unlabeled: assembled.manifest.unlabeled.length > 0 ? config.batch.unlabeled : 0,
  });
  const optimizer = buildOptimizer(config);
  const data = trainingData(config, assembled);
  const { train: all, labeled, unlabeled, validation } = assembled.manifest;
  output.say(
    `${assembled.dataset.name}: ${labeled.length} labelled and ${unlabeled.length} unlabelled of ${all.length} training cases, ${validation.length} for validation`,
  );
  const lagging = laggingTeacher(method, config.maxSteps);
  if (lagging) output.say(lagging);
  const stop = stopOnSignals(output);
  try {
    return await train({
      method,
      data,
      optimizer,
      maxSteps: config.maxSteps,
      run: config.run,
      resume,
      seed: config.seed,
      config: { ...config, dataset: factsOf(assembled.dataset) },
      checkpoint: config.checkpoint,
      ...(config.validation && data.validation
        ? {
            validation: {
              every: config.validation.every,
              inference: inferenceOf(config),
              ...(config.validation.cases ? { cases: config.validation.cases } : {}),
            },
          }
        : {}),
      ...(config.validation && data.hidden
        ? { pseudoLabels: { every: config.validation.every, inference: inferenceOf(config) } }
        : {}),
      gradientNorms: config.gradientNorms,
      ...(output.json ? { progress: false } : {}),
      signal: stop.signal,
    });
  } finally {
    stop.release();
    await data.close();
    optimizer.dispose();
    method.dispose();
  }
}

/** `semiseg train`: trains into a run folder, then evaluates it on the test cases. */
export function trainCommand(streams: OutputStreams) {
  return new Command("train")
    .description("train a method into a run folder, evaluate it on the test cases and write report.html")
    .option("-c, --config <file>", "YAML configuration")
    .option("--resume <run>", "go on with a run that was stopped or killed")
    .option("--set <key=value>", "override a setting; may be repeated", collect)
    .option("--run <folder>", "folder of the run")
    .option("--seed <number>", "seed", wholeNumber)
    .option("--max-steps <count>", "optimizer steps", wholeNumber)
    .option("--engine <name>", "auto, cuda, webgpu, tensorflow, wasm or cpu")
    .option("--precision <name>", "of convolutions' operands: float32, float16 or bfloat16 (on a GPU)")
    .option("--no-evaluate", "train only")
    .option("--json", "print one JSON value", false)
    .action(async (options) => {
      const output = createOutput(options.json, streams);
      if (options.resume !== undefined && options.config !== undefined)
        throw new OptionError("train: --resume goes on with a run's own configuration; give it or --config, not both");
      const overrides = settings(options);
      if (options.resume !== undefined && overrides.length > 0)
        throw new OptionError("train: a resumed run keeps its configuration; --set and its like are for new runs");
      const source = { config: options.config, run: options.resume };
      const { config, manifest } = configFrom("train", source, { set: overrides });
      const engine = await startEngine(config, options.json);
      const result = await trainConfigured(config, {
        resume: options.resume !== undefined,
        output,
        ...(manifest ? { manifest } : {}),
      });
      if (result.reason === "stopped") {
        output.warn(`stopped after step ${result.step} of ${config.maxSteps}; ${resumeHint(config.run)}`);
        output.result(result);
        throw new Stopped();
      }
      if (!options.evaluate) {
        output.result(result, () => `trained ${result.step} steps into ${result.run}`);
        return;
      }
      const evaluations = await evaluateConfigured({ run: config.run, part: "test", output, engine });
      output.result({ ...result, evaluations: evaluations.map(({ cases: _, ...rest }) => rest) });
    });
}
