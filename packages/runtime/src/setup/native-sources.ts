import { createHash } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { packageFolder } from "./package-folder.js";

/** The C++ and CUDA files of our operators and a short digest of them, which keys the built library. */
export function nativeSources(): {
  readonly folder: string;
  readonly files: readonly string[];
  readonly digest: string;
} {
  const folder = join(packageFolder(), "native");
  const files = readdirSync(folder, { recursive: true, encoding: "utf8" })
    .filter((name) => /\.(cc|h|cu)$/.test(name))
    .sort();
  const hash = createHash("sha256");
  for (const name of files) hash.update(name).update(readFileSync(join(folder, name)));
  return { folder, files, digest: hash.digest("hex").slice(0, 10) };
}
