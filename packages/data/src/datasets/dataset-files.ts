import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { DataError } from "@semiseg/errors";
import type { CaseRef, Splits } from "../types.js";

/** The folder, checked. `kind` and `layout` go into the message. */
export function checkFolder(kind: string, path: string, layout: string): void {
  if (typeof path !== "string" || path === "") throw new DataError(`data set '${kind}': path must name a folder`);
  if (!existsSync(path) || !statSync(path).isDirectory())
    throw new DataError(`data set '${kind}': ${path} is not a folder; expected ${layout}`);
}

/** A JSON file, parsed. */
export function readJson(path: string): unknown {
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (cause) {
    const missing = (cause as NodeJS.ErrnoException).code === "ENOENT";
    throw new DataError(`${path}: ${missing ? "no such file" : (cause as Error).message}`, { cause });
  }
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new DataError(`${path}: not valid JSON (${(cause as Error).message})`, { cause });
  }
}

/** The non-empty lines of a list of case names. */
export function readList(path: string): string[] {
  try {
    return readFileSync(path, "utf8")
      .split(/\r?\n/)
      .map((line) => line.trim())
      .filter(Boolean);
  } catch (cause) {
    throw new DataError(`${path}: cannot be read (${(cause as Error).message})`, { cause });
  }
}

/** Files below `folder`, relative with '/', sorted; macOS's "._" twins and hidden files left out. */
export function listFiles(folder: string): string[] {
  const out: string[] = [];
  for (const entry of readdirSync(folder, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile() || entry.name.startsWith(".")) continue;
    const parent = entry.parentPath.slice(folder.length).replace(/\\/g, "/").replace(/^\/+/, "");
    out.push(parent ? `${parent}/${entry.name}` : entry.name);
  }
  return out.sort();
}

/** The splits of a configuration (inline or a file beside the data), checked against the cases. */
export function resolveSplits(
  path: string,
  given: Partial<Splits> | string | undefined,
  cases: readonly CaseRef[],
  fallbackFile?: string,
): Splits | undefined {
  let source = "splits";
  let value: unknown = given;
  if (typeof given === "string" || (given === undefined && fallbackFile && existsSync(join(path, fallbackFile)))) {
    source = existsSync(join(path, String(given ?? fallbackFile)))
      ? join(path, String(given ?? fallbackFile))
      : String(given);
    value = readJson(source);
  }
  if (value === undefined) return undefined;
  return checkedSplits(source, value, new Set(cases.map((c) => c.id)));
}

/** Three lists of known ids without a common member. */
export function checkedSplits(source: string, value: unknown, known: ReadonlySet<string>): Splits {
  const parts = value as Partial<Record<keyof Splits, unknown>>;
  const out = { train: [] as string[], validation: [] as string[], test: [] as string[] };
  const seen = new Map<string, string>();
  for (const part of ["train", "validation", "test"] as const) {
    const ids = parts?.[part] ?? [];
    if (!Array.isArray(ids) || ids.some((id) => typeof id !== "string"))
      throw new DataError(`${source}: '${part}' must be a list of case ids`);
    const unknown = ids.filter((id) => !known.has(id));
    if (unknown.length > 0)
      throw new DataError(
        `${source}: '${part}' names ${unknown.length} cases that the data set has not: ${unknown.slice(0, 5).join(", ")}`,
      );
    for (const id of ids) {
      if (seen.has(id)) throw new DataError(`${source}: case ${id} is in '${seen.get(id)}' and in '${part}'`);
      seen.set(id, part);
    }
    out[part] = ids as string[];
  }
  if (out.train.length === 0) throw new DataError(`${source}: 'train' is empty`);
  return out;
}

/** A file name without its folder and its (double) extension. */
export function caseIdOf(path: string): string {
  return path
    .slice(path.lastIndexOf("/") + 1)
    .replace(/(\.nii|\.mha|\.mhd|\.nrrd|\.h5|\.npz|\.npy|\.png)?(\.gz)?$/i, "");
}
