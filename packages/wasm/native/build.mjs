// Rebuilds src/binaries.ts from kernels.cc: `npm run build:wasm -w @semiseg/wasm`. Needs clang 17 or newer with lld
// (CLANG names it; Debian: apt-get install clang-19 lld-19). The result is committed: users need no toolchain.
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const clang = process.env.CLANG ?? "clang-19";
const here = (file) => fileURLToPath(new URL(file, import.meta.url));
const folder = mkdtempSync(join(tmpdir(), "semiseg-wasm-"));
const compile = (name, ...flags) => {
  const output = join(folder, `${name}.wasm`);
  execFileSync(
    clang,
    [
      "--target=wasm32",
      "-O3",
      "-ffreestanding",
      "-fno-builtin",
      "-nostdlib",
      "-std=c++17",
      "-msimd128",
      ...flags,
      "-Wl,--no-entry",
      "-Wl,--export=__heap_base",
      "-Wl,--import-memory",
      "-Wl,--max-memory=4294967296",
      "-Wl,--strip-all",
      "-o",
      output,
      here("kernels.cc"),
    ],
    { stdio: "inherit" },
  );
  return readFileSync(output).toString("base64");
};
try {
  const simd = compile("simd");
  const relaxed = compile("relaxed", "-mrelaxed-simd", "-DSEMISEG_RELAXED");
  writeFileSync(
    here("../src/binaries.ts"),
    `// Made by native/build.mjs from native/kernels.cc; do not edit.\n/** SIMD128 build, base64. */\nexport const SIMD =\n  "${simd}";\n/** Relaxed SIMD build, base64. */\nexport const RELAXED_SIMD =\n  "${relaxed}";\n`,
  );
  console.log(`src/binaries.ts: ${simd.length} and ${relaxed.length} characters`);
} finally {
  rmSync(folder, { recursive: true, force: true });
}
