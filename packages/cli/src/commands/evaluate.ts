import { Command, Option } from "@commander-js/extra-typings";
import { OptionError } from "@semiseg/errors";
import { evaluateConfigured } from "../evaluate-configured.js";
import { createOutput, type OutputStreams } from "../output.js";
import { configFrom } from "../run-config.js";
import { collect, settings } from "./common.js";
import { startEngine } from "./start-engine.js";

/** `semiseg evaluate`: metrics, tables and report of a run. */
export function evaluateCommand(streams: OutputStreams) {
  return new Command("evaluate")
    .description("measure a run's student and teacher, last step and best on validation, and write report.html")
    .option("--run <folder>", "the run")
    .option("-c, --config <file>", "the configuration that names the run, in place of --run")
    .option("--set <key=value>", "override a setting of --config; may be repeated", collect)
    .addOption(
      new Option("--part <name>", "cases to measure").choices(["test", "validation"] as const).default("test" as const),
    )
    .addOption(new Option("--selected <which>", "only these weights").choices(["last", "best"] as const))
    .option("--largest-component", "keep each class's largest connected component only", false)
    .option("--fill-holes", "fill holes within each class", false)
    .option("--engine <name>", "auto, cuda, webgpu, tensorflow, wasm or cpu; default: the configuration's")
    .option("--precision <name>", "float32, float16 or bfloat16; default: the configuration's")
    .option("--json", "print one JSON value", false)
    .action(async ({ json, part, selected, ...options }) => {
      const output = createOutput(json, streams);
      if (options.run !== undefined && options.set)
        throw new OptionError("evaluate: a run is measured by its own configuration; --set goes with --config");
      const { config } = configFrom("evaluate", options, { set: settings({ set: options.set }) });
      const { engine: name = config.engine, precision = config.precision } = options;
      const engine = await startEngine({ engine: name, precision }, json);
      const evaluations = await evaluateConfigured({
        run: config.run,
        part,
        output,
        engine,
        ...(selected ? { selected } : {}),
        postprocess: { largestComponent: options.largestComponent, fillHoles: options.fillHoles },
      });
      output.result(evaluations);
    });
}
