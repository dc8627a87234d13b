// Bundles page and worker into dist/, with the WebAssembly binaries of TensorFlow.js beside them.
import { copyFileSync, mkdirSync, readdirSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const here = fileURLToPath(new URL("./", import.meta.url));

/** What esbuild is asked for. */
export const pageOptions = (outdir = join(here, "dist")) => ({
  entryPoints: [join(here, "src/page.js"), join(here, "src/worker.js")],
  bundle: true,
  format: "esm",
  platform: "browser",
  target: "es2022",
  mainFields: ["browser", "module", "main"],
  conditions: ["@semiseg/source"],
  external: ["node:*", "webgpu"],
  minify: true,
  sourcemap: true,
  outdir,
  logLevel: "error",
});

/** Puts what tfjs's wasm backend loads beside the bundle. */
export function copyBinaries(outdir) {
  const binaries = dirname(createRequire(import.meta.url).resolve("@tensorflow/tfjs-backend-wasm/package.json"));
  mkdirSync(outdir, { recursive: true });
  for (const file of readdirSync(join(binaries, "wasm-out")))
    if (file.endsWith(".wasm")) copyFileSync(join(binaries, "wasm-out", file), join(outdir, file));
}

/** @returns the folder that was built. */
export async function buildPage(outdir) {
  const options = pageOptions(outdir);
  await build(options);
  copyBinaries(options.outdir);
  return options.outdir;
}
