import { OptionError } from "@semiseg/errors";
import { composeMethod, type Method, termModules } from "@semiseg/method";
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
  custom: "custom",
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
  const { name, without = [], ...options } = config.method;
  const preset = Object.hasOwn(methodNames, name)
    ? available[methodNames[name as keyof typeof methodNames]]
    : undefined;
  if (!preset) {
    const known = Object.entries(methodNames).flatMap(([key, value]) => (available[value] ? [key] : []));
    throw new OptionError(`method.name must be one of ${known.join(", ")}, received '${name}'`);
  }
  const { name: kind = "vnet", ...network } = config.network;
  const method = preset({
    ...options,
    // Token mixing over all tokens has weights for one resolution.
    ...(name === "icl" ? { patchSize: config.data.patchSize } : {}),
    ...("proxies" in options ? { proxies: { ...options.proxies, patchSize: config.data.patchSize } } : {}),
    network: {
      kind,
      spatialDims: dataset.spatialDims,
      inChannels: dataset.channels,
      outChannels: dataset.classNames.length,
      seed: config.seed,
      ...network,
    },
  });
  return without.length === 0 ? method : withoutTerms(method, without);
}

/** The method less some of its terms. */
function withoutTerms(method: Method, without: readonly string[]): Method {
  const names = method.terms.map(({ name }) => name);
  const unknown = without.find((name) => !names.includes(name));
  if (unknown !== undefined)
    throw new OptionError(
      `method.without: ${method.name} has no term '${unknown}'; its terms are: ${names.join(", ")}`,
    );
  const { name, student, teacher, auxiliary, terms } = method;
  const kept = terms.filter((term) => !without.includes(term.name));
  const used = new Set(termModules(kept).map(({ module }) => module));
  for (const { module } of termModules(terms)) if (!used.has(module)) module.dispose();
  teacher?.network.dispose();
  return composeMethod({
    name,
    student,
    terms: kept,
    ...(teacher ? { teacher: teacher.config } : {}),
    ...(auxiliary ? { auxiliary } : {}),
  });
}
