import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

/** This package's folder, whether the code runs from `src` or from a bundle in `dist`. */
export function packageFolder(): string {
  for (let folder = dirname(fileURLToPath(import.meta.url)); ; folder = dirname(folder)) {
    if (existsSync(join(folder, "package.json")) && existsSync(join(folder, "native"))) return folder;
    if (folder === dirname(folder)) throw new Error("@semiseg/runtime: its own package.json was not found");
  }
}
