import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import { describe, expect, it } from "vitest";

describe("@semiseg/data/volume", () => {
  it("bundles for a browser: Node's modules are only loaded on demand", async () => {
    const entry = fileURLToPath(new URL("../src/volume.ts", import.meta.url));
    const { metafile } = await build({
      entryPoints: [entry],
      bundle: true,
      write: false,
      metafile: true,
      format: "esm",
      platform: "browser",
      outdir: "out",
      conditions: ["@semiseg/source"],
      external: ["node:*"],
      logLevel: "silent",
    });
    const imports = Object.values(metafile.inputs).flatMap((input) => input.imports);
    const nodeImports = imports.filter((i) => i.path.startsWith("node:"));
    expect(nodeImports.length).toBeGreaterThan(0);
    expect(nodeImports.filter((i) => i.kind !== "dynamic-import")).toEqual([]);
  });
});
