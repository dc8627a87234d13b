/** The `semiseg` command as a library: configuration files and commands. @packageDocumentation */

export { type AssembledData, assembleData, casesOf, trainingData } from "./assemble-data.js";
export { ConfigError, type ConfigIssue, formatIssue } from "./config/config-error.js";
export { type LoadConfigOptions, loadConfig, parseConfig } from "./config/load-config.js";
export { type RunConfig, runConfigJsonSchema, runConfigSchema } from "./config/schema.js";
