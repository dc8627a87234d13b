import type { SplitManifest } from "@semiseg/data";
import { OptionError } from "@semiseg/errors";
import { readRunJson, runPaths } from "@semiseg/training";
import { type LoadConfigOptions, loadConfig } from "./config/load-config.js";
import { type RunConfig, runConfigSchema } from "./config/schema.js";

/** The configuration that a run folder was made with. Throws CheckpointError when the folder is no run. */
export function configOfRun(run: string): { readonly config: RunConfig; readonly manifest: SplitManifest } {
  const paths = runPaths(run);
  const config = runConfigSchema.parse(readRunJson(paths.config));
  return { config: { ...config, run }, manifest: readRunJson(paths.split) as SplitManifest };
}

/** Either a configuration file or a run's own configuration; exactly one must be given. */
export function configFrom(
  where: string,
  source: { readonly config?: string | undefined; readonly run?: string | undefined },
  options: LoadConfigOptions = {},
): { readonly config: RunConfig; readonly manifest?: SplitManifest } {
  if (source.run !== undefined) return configOfRun(source.run);
  if (source.config !== undefined) return { config: loadConfig(source.config, options) };
  throw new OptionError(`${where}: give --config <file> or the folder of a run`);
}
