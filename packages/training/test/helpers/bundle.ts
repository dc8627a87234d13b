import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const here = fileURLToPath(new URL("../..", import.meta.url));

/** The folder that {@link bundle} writes to, for cleaning up. Inside the runtime package, which looks for itself above. */
export const bundleFolder = join(here, "..", "runtime", "node_modules", `.training-test-${process.pid}`);

/** Bundles a TypeScript file of this package for a process of its own; returns the path of the JavaScript. */
export async function bundle(entry: string): Promise<string> {
  mkdirSync(bundleFolder, { recursive: true });
  const outfile = join(bundleFolder, `${entry.replace(/\W/g, "-")}.mjs`);
  await build({
    entryPoints: [join(here, "test", entry)],
    outfile,
    bundle: true,
    format: "esm",
    platform: "node",
    target: "node20",
    conditions: ["@semiseg/source"],
    external: ["@tensorflow/*", "h5wasm", "h5wasm/node", "fast-png", "fflate"],
    logLevel: "error",
  });
  return outfile;
}
