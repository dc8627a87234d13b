import { join } from "node:path";
import { DataError, OptionError } from "@semiseg/errors";
import type { CaseRef, Dataset } from "../types.js";
import type { FolderConfig } from "./dataset-config.js";
import { checkFolder, listFiles, resolveSplits } from "./dataset-files.js";

/** A pattern as a regular expression: `{id}` within one path part, `*` anything within one, `**` any folders. */
function matcher(pattern: string): RegExp {
  if (pattern.split("{id}").length < 2)
    throw new OptionError(`data set 'folder': the pattern ${JSON.stringify(pattern)} must contain {id}`);
  let first = true;
  const source = pattern
    .replace(/^\.\//, "")
    .replace(/[.+?^$()|[\]\\]/g, "\\$&")
    .replace(/\*\*\/|\*|\{id\}/g, (found) => {
      if (found === "**/") return "(?:.*/)?";
      if (found === "*") return "[^/]*";
      const group = first ? "(?<id>[^/]+?)" : "\\k<id>";
      first = false;
      return group;
    });
  return new RegExp(`^${source}$`);
}

/** Ids and files that a pattern finds. */
function find(files: readonly string[], pattern: string): Map<string, string> {
  const expression = matcher(pattern);
  const found = new Map<string, string>();
  for (const file of files) {
    const id = expression.exec(file)?.groups?.["id"];
    if (id === undefined) continue;
    if (found.has(id))
      throw new DataError(`data set 'folder': ${pattern} finds case ${id} twice: ${found.get(id)} and ${file}`);
    found.set(id, file);
  }
  return found;
}

export function openFolder(config: FolderConfig): Dataset {
  const { path } = config;
  checkFolder("folder", path, "files that match the patterns in 'images' and 'labels'");
  if (!Array.isArray(config.classNames) || config.classNames.length < 2)
    throw new OptionError("data set 'folder': classNames must name the background and at least one class");
  const files = listFiles(path);
  const patterns = typeof config.images === "string" ? [config.images] : config.images;
  const perChannel = patterns.map((pattern) => find(files, pattern));
  const labels = config.labels ? find(files, config.labels) : new Map<string, string>();
  const cases: CaseRef[] = [];
  for (const id of [...perChannel[0]!.keys()].sort()) {
    const images = perChannel.map((found, channel) => {
      const file = found.get(id);
      if (!file) throw new DataError(`data set 'folder': case ${id} has no file for ${patterns[channel]}`);
      return join(path, file);
    });
    const label = labels.get(id);
    cases.push({ id, image: images.length > 1 ? images : images[0]!, ...(label ? { label: join(path, label) } : {}) });
  }
  if (cases.length === 0)
    throw new DataError(
      `data set 'folder': none of the ${files.length} files in ${path} matches ${patterns[0]}` +
        (files.length > 0 ? ` (for example ${files[0]})` : ""),
    );
  const splits = resolveSplits(path, config.splits, cases, "splits.json");
  return {
    name: config.name ?? "folder",
    kind: "folder",
    spatialDims: config.spatialDims ?? 3,
    channels: config.channels ?? patterns.length,
    classNames: config.classNames,
    cases,
    ...(splits ? { splits } : {}),
    ...(config.labelValues ? { labelValues: config.labelValues } : {}),
    config: { ...config },
    preprocess: config.preprocess ?? { normalize: "zscore" },
  };
}
