import { existsSync, readFileSync } from "node:fs";
import { defineConfig } from "tsup";

// One configuration for every package: `src/index.ts` plus whatever extra entries the package names
// under "semiseg": { "entries": [...] } in its package.json (worker threads, command-line tools).
const manifest = JSON.parse(readFileSync("package.json", "utf8")) as { semiseg?: { entries?: string[] } };
const entry = ["src/index.ts", ...(manifest.semiseg?.entries ?? [])].filter((file) => existsSync(file));

export default defineConfig({
  entry,
  format: ["esm"],
  target: "node20",
  platform: "neutral",
  external: [/^node:/, /^@semiseg\//, /^@tensorflow\//],
  sourcemap: true,
  clean: false,
  splitting: true,
  silent: true,
});
