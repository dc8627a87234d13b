import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import type { NativeVariant } from "../src/setup/native-layout.js";
import { nativeLayout } from "../src/setup/native-layout.js";
import { nativeSources } from "../src/setup/native-sources.js";
import { setupNative } from "../src/setup/setup-native.js";
import { compiler, useSandbox } from "./helpers/sandbox.js";

const sandbox = useSandbox();

/** Sets a variant up of which everything is fetched; returns how often a source was compiled. */
async function compiled(variant: NativeVariant, source: RegExp): Promise<number> {
  const layout = nativeLayout(variant, nativeSources().digest);
  mkdirSync(join(layout.library, "tensorflow", "include"), { recursive: true });
  writeFileSync(join(layout.library, "complete.json"), "{}");
  mkdirSync(join(layout.tfjsNode, "binding"), { recursive: true });
  writeFileSync(join(layout.tfjsNode, "package.json"), "{}");
  sandbox.tool("g++", compiler());
  const before = sandbox.calls("g++", source);
  await setupNative({ gpu: variant === "gpu" });
  return sandbox.calls("g++", source) - before;
}

describe("setup", () => {
  it("compiles the operators of a CUDA device for the GPU build only", async () => {
    expect(await compiled("cpu", /-c \S*operators_cuda\.cc/)).toBe(0);
    expect(await compiled("gpu", /-c \S*operators_cuda\.cc/)).toBe(1);
  });

  it("builds anew when a CUDA source changes: all of them are in the digest", () => {
    const { files } = nativeSources();
    for (const name of ["operators_cuda.cc", "cuda/compile.h", "cuda/kernels.cu", "cuda/launch.h", "cuda/signatures.h"])
      expect(files).toContain(name);
  });
});
