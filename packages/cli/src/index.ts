/** The `semiseg` command as a library: configuration files and commands. @packageDocumentation */
export { type AssembledData, assembleData, casesOf, factsOf, trainingData } from "./assemble-data.js";
export { buildMethod } from "./build-method.js";
export { buildOptimizer, learningRateOf } from "./build-optimizer.js";
export { trainConfigured } from "./commands/train.js";
export { ConfigError, type ConfigIssue, formatIssue } from "./config/config-error.js";
export { type LoadConfigOptions, loadConfig, parseConfig } from "./config/load-config.js";
export { type DatasetFacts, type RunConfig, runConfigJsonSchema, runConfigSchema } from "./config/schema.js";
export { type EvaluateConfiguredOptions, evaluateConfigured } from "./evaluate-configured.js";
export { exitCodes, main } from "./main.js";
export type { Output, OutputStreams } from "./output.js";
