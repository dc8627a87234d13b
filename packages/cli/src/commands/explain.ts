import { Command } from "@commander-js/extra-typings";
import { initBackend } from "@semiseg/runtime";
import { assembleData, factsOf } from "../assemble-data.js";
import { buildMethod } from "../build-method.js";
import { learningRateOf } from "../build-optimizer.js";
import { createOutput, type OutputStreams } from "../output.js";
import { configFrom } from "../run-config.js";
import { collect, settings } from "./common.js";

/** `semiseg explain`: what a configuration would train, without training. */
export function explainCommand(streams: OutputStreams) {
  return new Command("explain")
    .description("say what a configuration trains: networks, loss terms with their weights over time, data")
    .option("-c, --config <file>", "YAML configuration")
    .option("--run <folder>", "a run, in place of --config")
    .option("--set <key=value>", "override a setting; may be repeated", collect)
    .option("--json", "print one JSON value", false)
    .action(async ({ json, ...options }) => {
      const output = createOutput(json, streams);
      const { config, manifest } = configFrom("explain", options, { set: settings({ set: options.set }) });
      await initBackend({ prefer: "cpu", quiet: true });
      const { dataset, manifest: split } = await assembleData(config, manifest);
      const method = buildMethod(config, factsOf(dataset));
      const at = [0, 0.25, 0.5, 1].map((share) => Math.min(config.maxSteps - 1, Math.round(share * config.maxSteps)));
      const rate = learningRateOf(config);
      const parameters = method.student.variables.filter((v) => v.trainable).reduce((sum, v) => sum + v.size, 0);
      const terms = method.terms.map(({ name, about = "", weight }) => ({
        name,
        about,
        weights: Object.fromEntries(at.map((step) => [step, weight(step, config.maxSteps)])),
      }));
      const value = {
        method: method.name,
        student: { ...config.network, parameters },
        teacher: method.teacher?.config ?? null,
        auxiliary: method.auxiliary !== null,
        passes: method.passes,
        terms,
        learningRate: Object.fromEntries(at.map((step) => [step, rate(step)])),
        data: {
          name: dataset.name,
          classes: dataset.classNames,
          train: split.train.length,
          labeled: split.labeled.length,
          validation: split.validation.length,
          test: split.test.length,
        },
      };
      method.dispose();
      output.result(value, () =>
        [
          `${value.method}: ${config.network.name ?? "vnet"} with ${parameters} parameters${value.teacher ? `, teacher (decay ${value.teacher.decay}, buffers ${value.teacher.buffers})` : ""}${value.auxiliary ? ", second network" : ""}`,
          ...terms.map(
            ({ name, about, weights }) =>
              `  ${name}: weight ${Object.entries(weights)
                .map(([step, w]) => `${Number(w.toPrecision(3))} at step ${step}`)
                .join(", ")}${about ? `\n    ${about}` : ""}`,
          ),
          `data: ${dataset.name} (${dataset.classNames.join(", ")}), ${split.labeled.length} labelled of ${split.train.length} training cases`,
        ].join("\n"),
      );
    });
}
