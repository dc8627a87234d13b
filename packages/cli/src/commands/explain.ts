import { Command, Option } from "@commander-js/extra-typings";
import { checkBatch } from "@semiseg/method";
import { initBackend } from "@semiseg/runtime";
import { assembleData, factsOf } from "../assemble-data.js";
import { buildMethod } from "../build-method.js";
import { learningRateOf } from "../build-optimizer.js";
import type { DatasetFacts, RunConfig } from "../config/schema.js";
import { describeMethod } from "../explain/describe-method.js";
import { explainMermaid } from "../explain/explain-mermaid.js";
import { explainText } from "../explain/explain-text.js";
import { traceTerms } from "../explain/trace-terms.js";
import { createOutput, type OutputStreams } from "../output.js";
import { configFrom } from "../run-config.js";
import { collect, settings } from "./common.js";

/** What each term reads, found on a narrow copy of the method and its smallest image. */
function reads(config: RunConfig, facts: DatasetFacts, divisor: number): ReturnType<typeof traceTerms> {
  const narrow = {
    ...config,
    network: { ...config.network, baseFilters: 2 },
    data: { ...config.data, patchSize: Array<number>(facts.spatialDims).fill(divisor) },
  } as RunConfig;
  const method = buildMethod(narrow, facts);
  try {
    return traceTerms(method, config.maxSteps);
  } finally {
    method.dispose();
  }
}

/** `semiseg explain`: what a configuration would train, without training. */
export function explainCommand(streams: OutputStreams) {
  return new Command("explain")
    .description("show what a configuration trains: parts, loss terms with weights over time, the tensors between them")
    .argument("[config]", "YAML configuration")
    .option("-c, --config <file>", "YAML configuration")
    .option("--run <folder>", "a run, in place of a configuration")
    .option("--set <key=value>", "override a setting; may be repeated", collect)
    .addOption(
      new Option("--format <name>", "text, or a mermaid diagram").choices(["text", "mermaid"] as const).default("text"),
    )
    .option("--json", "print one JSON value", false)
    .action(async (file, { json, format, ...options }) => {
      const output = createOutput(json, streams);
      const source = { ...options, config: options.config ?? file };
      const { config, manifest } = configFrom("explain", source, { set: settings({ set: options.set }) });
      await initBackend({ prefer: "cpu", quiet: true });
      const { dataset, manifest: split } = await assembleData(config, manifest);
      const facts = factsOf(dataset);
      const method = buildMethod(config, facts);
      const unlabeled = split.unlabeled.length > 0 ? config.batch.unlabeled : 0;
      checkBatch(method, { labeled: config.batch.labeled, unlabeled });
      const found = reads(config, facts, method.student.provides.divisor);
      const described = describeMethod(method, config.network.name ?? "vnet", config.maxSteps, found);
      method.dispose();
      const rate = learningRateOf(config);
      const steps = Object.keys(described.terms[0]!.weights).map(Number);
      const value = {
        ...described,
        learningRate: Object.fromEntries(steps.map((step) => [step, rate(step)])),
        data: {
          name: dataset.name,
          classes: dataset.classNames,
          train: split.train.length,
          labeled: split.labeled.length,
          validation: split.validation.length,
          test: split.test.length,
        },
      };
      const { labeled, train } = value.data;
      output.result(value, () =>
        format === "mermaid"
          ? explainMermaid(described)
          : `${explainText(described)}\n\ndata: ${dataset.name} (${dataset.classNames.join(", ")}), ${labeled} labelled of ${train} training cases; ${config.batch.labeled} labelled and ${unlabeled} unlabelled samples in a batch`,
      );
    });
}
