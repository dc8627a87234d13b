import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { OptionError } from "@semiseg/errors";
import { parse, stringify } from "yaml";
import { buildMethod } from "../build-method.js";
import { ConfigError } from "../config/config-error.js";
import { parseConfig } from "../config/load-config.js";
import type { RunConfig } from "../config/schema.js";
import { type Sweep, sweepSchema } from "./sweep-schema.js";

/** One run of a sweep. */
export interface SweepTask {
  /** Position in the sweep, as job arrays count. */
  readonly index: number;
  readonly variant: string;
  readonly labeled: "all" | number;
  readonly dataSeed: number;
  readonly seed: number;
  /** Of everything in the configuration but the run's folder: equal hashes are equal runs. */
  readonly hash: string;
  readonly config: RunConfig;
}

/** A sweep file and the runs it stands for. */
export interface ExpandedSweep {
  readonly file: string;
  readonly sweep: Sweep;
  readonly out: string;
  readonly baseline: string;
  /** Row names in the order of the file, leave-one-out rows after their variant. */
  readonly variants: readonly string[];
  readonly tasks: readonly SweepTask[];
}

type Plain = Readonly<Record<string, unknown>>;
const isPlain = (value: unknown): value is Plain =>
  value !== null && typeof value === "object" && !Array.isArray(value);

/** `over` laid over `base`; a method or network of another name takes the place of the base's, options and all. */
function merge(base: Plain, over: Plain): Plain {
  const merged: Record<string, unknown> = { ...base };
  for (const [key, value] of Object.entries(over)) {
    const before = merged[key];
    const renamed =
      isPlain(value) && isPlain(before) && value["name"] !== undefined && value["name"] !== before["name"];
    merged[key] = isPlain(value) && isPlain(before) && !renamed ? merge(before, value) : value;
  }
  return merged;
}

/** Canonical JSON: keys sorted at every level. */
const canonical = (value: unknown): unknown =>
  Array.isArray(value)
    ? value.map(canonical)
    : isPlain(value)
      ? Object.fromEntries(
          Object.keys(value)
            .sort()
            .map((key) => [key, canonical(value[key])]),
        )
      : value;

function hashOf({ run: _, ...config }: RunConfig): string {
  return createHash("sha256")
    .update(JSON.stringify(canonical(config)))
    .digest("hex")
    .slice(0, 16);
}

/** Names of the loss terms of a method, found on a small network. */
function termNames(method: RunConfig["method"]): string[] {
  const built = buildMethod({ method, network: { baseFilters: 2 }, seed: 0 } as unknown as RunConfig, {
    name: "",
    spatialDims: 3,
    channels: 1,
    classNames: ["background", "object"],
  });
  const names = built.terms.map(({ name }) => name);
  built.dispose();
  return names;
}

function read(file: string): Sweep {
  let value: unknown;
  try {
    value = parse(readFileSync(file, "utf8"));
  } catch (error) {
    const missing = (error as NodeJS.ErrnoException).code === "ENOENT";
    throw new ConfigError([
      { file, line: 0, column: 0, key: "", message: missing ? "no such file" : (error as Error).message },
    ]);
  }
  const checked = sweepSchema.safeParse(value);
  if (checked.success) return checked.data;
  throw new ConfigError(
    checked.error.issues.flatMap((issue) => {
      const unknown = issue.code === "unrecognized_keys" ? issue.keys : [""];
      return unknown.map((key) => ({
        file,
        line: 0,
        column: 0,
        key: [...issue.path, ...(key ? [key] : [])].map(String).join("."),
        message: key ? "is not a known setting" : issue.message,
      }));
    }),
  );
}

/** Reads a sweep file into the runs it stands for. Throws ConfigError for faults of any variant before anything runs. */
export function expandSweep(
  file: string,
  environment: Readonly<Record<string, string | undefined>> = process.env,
): ExpandedSweep {
  const sweep = read(file);
  const baseFile = resolve(dirname(file), sweep.base);
  const out = resolve(sweep.out);
  const names = Object.keys(sweep.variants);
  if (names.length === 0) throw new OptionError("ablate: variants must name at least one row");
  const baseline = sweep.baseline ?? names[0]!;
  for (const name of [baseline, ...sweep.leaveOneOut])
    if (!names.includes(name))
      throw new OptionError(`ablate: '${name}' is not one of the variants: ${names.join(", ")}`);
  let text: string;
  try {
    text = readFileSync(baseFile, "utf8");
  } catch {
    throw new ConfigError([{ file, line: 0, column: 0, key: "base", message: `no such file: ${baseFile}` }]);
  }
  const base = parse(text) as Plain;
  const configOf = (variant: string, over: Plain): RunConfig =>
    parseConfig(stringify(merge(base, over)), `${file}, variant ${variant}`, { environment });
  const rows = names.flatMap((name) => {
    const over = sweep.variants[name]!;
    const whole: [string, Plain] = [name, over];
    if (!sweep.leaveOneOut.includes(name)) return [whole];
    const { method } = configOf(name, over);
    const terms = termNames(method);
    const before = method.without ?? [];
    return [
      whole,
      ...terms.map((term): [string, Plain] => [
        `${name} without ${term}`,
        merge(over, { method: { ...method, without: [...before, term] } }),
      ]),
    ];
  });
  const tasks: SweepTask[] = [];
  for (const [variant, over] of rows) {
    const config = configOf(variant, over);
    for (const labeled of sweep.labeled ?? [config.data.labeled])
      for (const dataSeed of sweep.dataSeeds ?? [config.data.seed])
        for (const seed of sweep.seeds) {
          const folder = variant.replaceAll(" ", "_");
          const data = sweep.dataSeeds ? `labeled-${labeled}-data-${dataSeed}` : `labeled-${labeled}`;
          const own: RunConfig = {
            ...config,
            data: { ...config.data, labeled, seed: dataSeed },
            seed,
            run: join(out, folder, data, `seed-${seed}`),
          };
          tasks.push({ index: tasks.length, variant, labeled, dataSeed, seed, hash: hashOf(own), config: own });
        }
  }
  return { file, sweep, out, baseline, variants: rows.map(([name]) => name), tasks };
}
