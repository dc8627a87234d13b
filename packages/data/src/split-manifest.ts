import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { relative } from "node:path";
import { DataError, OptionError } from "@semiseg/errors";
import { caseOf } from "./case-of.js";
import { checkedSplits } from "./datasets/dataset-files.js";
import { labeledSubset } from "./labeled-subset.js";
import type { Dataset, SplitManifest, Splits } from "./types.js";

/** Options of {@link createSplitManifest}. */
export interface SplitManifestOptions {
  /** Default: the data set's own splits. */
  readonly splits?: Splits;
  /** Labelled training cases; default all. */
  readonly labeledCount?: number;
  readonly labeledOrder?: "random" | "listed";
  readonly seed: number;
  /** sha256 of every file; default true. */
  readonly hash?: boolean;
}

/** Decides and records who is labelled, unlabelled, validation and test, with hashes of the files. */
export async function createSplitManifest(dataset: Dataset, options: SplitManifestOptions): Promise<SplitManifest> {
  const given = options.splits ?? dataset.splits;
  if (!given)
    throw new OptionError(
      `createSplitManifest: '${dataset.name}' has no splits of its own; pass splits (see randomSplit)`,
    );
  const splits = checkedSplits("createSplitManifest", given, new Set(dataset.cases.map((c) => c.id)));
  const withLabel = splits.train.filter((id) => caseOf(dataset, id).label !== undefined);
  const count = options.labeledCount ?? withLabel.length;
  if (count > withLabel.length)
    throw new OptionError(
      `createSplitManifest: labeledCount is ${count}, ${withLabel.length} training cases have labels`,
    );
  const order = options.labeledOrder ?? "random";
  const labeled =
    count === withLabel.length ? withLabel : labeledSubset({ ids: withLabel, count, seed: options.seed, order });
  const chosen = new Set(labeled);
  const hashes = options.hash === false ? {} : await hashesOf(dataset, Object.values(splits).flat() as string[]);
  return {
    version: 1,
    dataset: dataset.name,
    seed: options.seed,
    ...splits,
    labeled: [...labeled],
    unlabeled: splits.train.filter((id) => !chosen.has(id)),
    hashes,
  };
}

/** Files that changed or went since the manifest was made, by path; empty when all is as it was. */
export async function changedFiles(dataset: Dataset, manifest: SplitManifest): Promise<string[]> {
  const ids = [...manifest.train, ...manifest.validation, ...manifest.test];
  const now = await hashesOf(dataset, ids, true);
  return Object.keys(manifest.hashes).filter((path) => now[path] !== manifest.hashes[path]);
}

async function hashesOf(dataset: Dataset, ids: readonly string[], lenient = false): Promise<Record<string, string>> {
  const out: Record<string, string> = {};
  if (dataset.kind === "phantom") {
    // Generated cases are their configuration.
    const { splits: _, name: __, preprocess: ___, ...config } = dataset.config as Record<string, unknown>;
    const text = JSON.stringify(Object.entries(config).sort(([a], [b]) => (a < b ? -1 : 1)));
    return { "phantom configuration": createHash("sha256").update(text).digest("hex") };
  }
  const root = String(dataset.config["path"] ?? "");
  const files = new Set<string>();
  for (const id of ids) {
    const ref = caseOf(dataset, id);
    for (const path of [ref.image, ref.label ?? []].flat()) files.add(path.replace(/#[^/\\]*$/, ""));
  }
  for (const file of [...files].sort()) {
    const key = relative(root, file).replace(/\\/g, "/");
    try {
      const hash = createHash("sha256");
      for await (const chunk of createReadStream(file)) hash.update(chunk as Buffer);
      out[key] = hash.digest("hex");
    } catch (cause) {
      if (!lenient) throw new DataError(`${file}: cannot be read (${(cause as Error).message})`, { cause });
    }
  }
  return out;
}
