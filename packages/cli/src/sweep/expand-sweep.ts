import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { stringify } from "yaml";
import { buildMethod } from "../build-method.js";
import { ConfigError, type ConfigIssue } from "../config/config-error.js";
import { parseConfig, parseYaml } from "../config/load-config.js";
import { faultsOf, holds, issueAt, offsetOf, type ParsedFile } from "../config/located-issues.js";
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

/** Names of the loss terms of a configuration's method, found on a narrow network. */
function termNames(config: RunConfig): string[] {
  const { patchSize } = config.data;
  const built = buildMethod({ ...config, network: { ...config.network, baseFilters: 2 } } as RunConfig, {
    name: "",
    spatialDims: patchSize.length as 2 | 3,
    channels: 1,
    classNames: ["background", "object"],
  });
  const names = built.terms.map(({ name }) => name);
  built.dispose();
  return names;
}

/** Throws ConfigError for a file that cannot be read; `from` is where it is named. */
function textOf(path: string, fault: () => ConfigIssue): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    throw new ConfigError([fault()]);
  }
}

function read(file: string): { readonly sweep: Sweep; readonly parsed: ParsedFile } {
  const text = textOf(file, () => ({ file, line: 0, column: 0, key: "", message: "no such file" }));
  const parsed = parseYaml(text, file);
  const checked = sweepSchema.safeParse(parsed.document.toJS() ?? {});
  if (checked.success) return { sweep: checked.data, parsed };
  throw new ConfigError(
    faultsOf(checked.error).map(({ path, message }) =>
      issueAt(parsed, offsetOf(parsed.document, path), path.map(String).join("."), message),
    ),
  );
}

/** The configuration of a row; its faults are shown where they stand: in the variant, or else in the base. */
function configOf(
  { sweep, base, variant }: { readonly sweep: ParsedFile; readonly base: ParsedFile; readonly variant: string },
  merged: Plain,
  environment: Readonly<Record<string, string | undefined>>,
): RunConfig {
  try {
    return parseConfig(stringify(merged), `${sweep.file}, variant ${variant}`, { environment });
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    throw new ConfigError(
      error.issues.map((issue) => {
        if (issue.key === "") return issue;
        const path = issue.key.split(".").map((part) => (/^\d+$/.test(part) ? Number(part) : part));
        const own = ["variants", variant, ...path];
        if (holds(sweep.document, own))
          return issueAt(sweep, offsetOf(sweep.document, own), own.join("."), issue.message);
        const inBase = holds(base.document, path);
        // A key that is nowhere is missing: the variant is the place to add it.
        const [from, at] = inBase ? ([base, path] as const) : ([sweep, own] as const);
        return issueAt(from, offsetOf(from.document, at), issue.key, `${issue.message} (variant ${variant})`);
      }),
    );
  }
}

/** Reads a sweep file into the runs it stands for. Throws ConfigError for faults of any variant before anything runs. */
export function expandSweep(
  file: string,
  environment: Readonly<Record<string, string | undefined>> = process.env,
): ExpandedSweep {
  const { sweep, parsed } = read(file);
  const wrong = (key: string, message: string): ConfigIssue =>
    issueAt(parsed, offsetOf(parsed.document, key.split(".")), key, message);
  const out = resolve(sweep.out);
  const names = Object.keys(sweep.variants);
  if (names.length === 0) throw new ConfigError([wrong("variants", "must name at least one row")]);
  const baseline = sweep.baseline ?? names[0]!;
  for (const [key, name] of [["baseline", baseline], ...sweep.leaveOneOut.map((n) => ["leaveOneOut", n])] as const)
    if (!names.includes(name!))
      throw new ConfigError([wrong(key!, `'${name}' is not one of the variants: ${names.join(", ")}`)]);
  const baseFile = resolve(dirname(file), sweep.base);
  const baseParsed = parseYaml(
    textOf(baseFile, () => wrong("base", `no such file: ${baseFile}`)),
    baseFile,
  );
  const base = (baseParsed.document.toJS() ?? {}) as Plain;
  const config = (variant: string, over: Plain): RunConfig =>
    configOf({ sweep: parsed, base: baseParsed, variant }, merge(base, over), environment);
  const rows = names.flatMap((name) => {
    const over = sweep.variants[name]!;
    const whole: [string, Plain] = [name, over];
    if (!sweep.leaveOneOut.includes(name)) return [whole];
    const full = config(name, over);
    const { method } = full;
    const terms = termNames(full);
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
    const own = config(variant, over);
    for (const labeled of sweep.labeled ?? [own.data.labeled])
      for (const dataSeed of sweep.dataSeeds ?? [own.data.seed])
        for (const seed of sweep.seeds) {
          const folder = variant.replaceAll(" ", "_");
          const data = sweep.dataSeeds ? `labeled-${labeled}-data-${dataSeed}` : `labeled-${labeled}`;
          const task: RunConfig = {
            ...own,
            data: { ...own.data, labeled, seed: dataSeed },
            seed,
            run: join(out, folder, data, `seed-${seed}`),
          };
          tasks.push({ index: tasks.length, variant, labeled, dataSeed, seed, hash: hashOf(task), config: task });
        }
  }
  return { file, sweep, out, baseline, variants: rows.map(([name]) => name), tasks };
}
