import { OptionError } from "@semiseg/errors";
import type { Method } from "@semiseg/method";
import * as presets from "@semiseg/presets";
import type { DatasetFacts, RunConfig } from "./config/schema.js";

/** Names in configuration files and the presets behind them. */
export const methodNames = {
  supervised: "supervised",
  "mean-teacher": "meanTeacher",
  "ua-mt": "uaMt",
  dtc: "dtc",
  "mc-net": "mcNet",
  "cross-pseudo-supervision": "crossPseudoSupervision",
  "ug-mcl": "ugMcl",
  caml: "caml",
  ducisc: "duCiSc",
  icl: "icl",
  tac: "tac",
} as const;

const available = presets as unknown as Readonly<
  Record<string, ((config: Readonly<Record<string, unknown>>) => Method) | undefined>
>;

/**
 * The method of a configuration: its preset with its options, and a network that fits the data.
 *
 * @throws OptionError for a method that is not there; whatever the preset and network say about their options.
 */
export function buildMethod(config: RunConfig, dataset: DatasetFacts): Method {
  const { name, ...options } = config.method;
  const preset = Object.hasOwn(methodNames, name)
    ? available[methodNames[name as keyof typeof methodNames]]
    : undefined;
  if (!preset) {
    const known = Object.entries(methodNames).flatMap(([key, value]) => (available[value] ? [key] : []));
    throw new OptionError(`method.name must be one of ${known.join(", ")}, received '${name}'`);
  }
  const { name: kind = "vnet", ...network } = config.network;
  return preset({
    ...options,
    network: {
      kind,
      spatialDims: dataset.spatialDims,
      inChannels: dataset.channels,
      outChannels: dataset.classNames.length,
      seed: config.seed,
      ...network,
    },
  });
}
