// Rebuilds src/surface/distance-binary.ts from distance.cc: `npm run build:wasm -w @semiseg/metrics`. Needs clang 17 or
// newer with lld (CLANG names it; Debian: apt-get install clang-19 lld-19). The result is committed: users need no
// toolchain.
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const here = (file) => fileURLToPath(new URL(file, import.meta.url));
const folder = mkdtempSync(join(tmpdir(), "semiseg-wasm-"));
try {
  const output = join(folder, "distance.wasm");
  execFileSync(
    process.env.CLANG ?? "clang-19",
    [
      "--target=wasm32",
      "-O2",
      "-ffreestanding",
      "-fno-builtin",
      "-nostdlib",
      "-std=c++17",
      "-msimd128",
      "-Wl,--no-entry",
      "-Wl,--export=__heap_base",
      "-Wl,--import-memory",
      "-Wl,--max-memory=4294967296",
      "-Wl,--strip-all",
      "-o",
      output,
      here("distance.cc"),
    ],
    { stdio: "inherit" },
  );
  const bytes = readFileSync(output);
  writeFileSync(
    here("../src/surface/distance-binary.ts"),
    `// Made by native/build.mjs from native/distance.cc; do not edit.\n/** SIMD128 build, base64. */\nexport const DISTANCE =\n  "${bytes.toString("base64")}";\n`,
  );
  console.log(`src/surface/distance-binary.ts: ${bytes.length} bytes`);
} finally {
  rmSync(folder, { recursive: true, force: true });
}
