import { execFileSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import { cudaSource } from "../src/engine/cuda/operators.js";
import { nativeLayout } from "../src/setup/native-layout.js";
import { setupNative } from "../src/setup/setup-native.js";
import { compile, NATIVE, scratch } from "./helpers/cuda-emulator.js";
import { nvrtc } from "./helpers/nvrtc.js";

let compiler = "";
let program = "";
beforeAll(async () => {
  await setupNative();
  compiler = await nvrtc();
  program = scratch("compile-cuda");
  const source = join(import.meta.dirname, "helpers", "compile-cuda.cc");
  compile(["-std=c++17", "-Wall", "-Wextra", "-Werror", `-I${NATIVE}`, source, "-o", program, "-ldl"]);
}, 600_000);

/** Compiles for a compute capability; throws what the compiler says when it fails. */
function compileCuda(source: string, architecture: number): { log: string; image: Buffer } {
  const [input, output] = [scratch("kernels.cu"), scratch("image")];
  writeFileSync(input, source);
  const log = execFileSync(program, [compiler, String(architecture), input, output], {
    encoding: "utf8",
    stdio: ["ignore", "pipe", "pipe"],
  });
  return { log, image: readFileSync(output) };
}

/** Names of the kernels that the launch sequences ask for. */
function launched(): string[] {
  const text = readFileSync(join(NATIVE, "cuda", "launch.h"), "utf8");
  const names = (pattern: RegExp, suffixes: readonly string[]): string[] =>
    Array.from(text.matchAll(pattern), ([, name]) => suffixes.map((suffix) => `${name}${suffix}`)).flat();
  return [
    ...names(/SEMISEG_KERNEL\((semiseg_\w+)\)/g, [""]),
    ...names(/SEMISEG_PACKED\(\w+, (semiseg_\w+)/g, ["_1", "_4"]),
    ...names(/SEMISEG_BY_CLASSES\((semiseg_\w+)/g, ["_2", "_4", "_8", "_16", "_64"]),
  ];
}

describe("NVIDIA's run-time compiler", () => {
  it.each([70, 80, 90])(
    "compiles the kernels into machine code for compute capability %i / 10, without a warning",
    (architecture) => {
      const { log, image } = compileCuda(cudaSource(), architecture);
      const own = log
        .split("\n")
        .filter((line) => !/Architectures prior to '<compute\/sm>_75' are deprecated/.test(line));
      expect(own.join("").trim()).toBe("");
      expect(image.subarray(0, 4)).toEqual(Buffer.from("\x7fELF", "latin1"));
      expect(launched().length).toBeGreaterThan(30);
      for (const name of launched()) expect(image.includes(`.text.${name}\0`), name).toBe(true);
    },
    120_000,
  );

  it("makes code that the driver can compile for a device that it does not know", () => {
    const { image } = compileCuda('extern "C" __global__ void one(float* x) { *x = 1; }', 999);
    expect(image.toString("latin1")).toMatch(/\.target sm_\d+[\s\S]*\.entry one\(/);
  });

  it("refuses a device older than it knows, and a compiler that is not there", () => {
    expect(() => compileCuda("", 30)).toThrow(/no devices as old as compute capability 30/);
    const there = compiler;
    compiler = "/nowhere/libnvrtc.so.12";
    expect(() => compileCuda("", 90)).toThrow(/does not load: .*nowhere/);
    compiler = there;
  });

  it("refuses what is no CUDA, and a kernel that does not take what launches pass, with its message", () => {
    expect(() => compileCuda(`${cudaSource()}\nint broken = ;`, 90)).toThrow(
      /NVRTC_ERROR_COMPILATION[\s\S]*expected an expression/,
    );
    const other = cudaSource().replace(
      "semiseg_sgd(Updates u, SEMISEG_IN numbers, int nesterov) {",
      "semiseg_sgd(Updates u, SEMISEG_IN numbers, long nesterov) {",
    );
    expect(other).not.toBe(cudaSource());
    expect(() => compileCuda(other, 90)).toThrow(/NVRTC_ERROR_COMPILATION[\s\S]*semiseg_sgd/);
  });
});

describe("the operators on a CUDA device", () => {
  const check = (extra: readonly string[]) => {
    const headers = join(nativeLayout("cpu", "").library, "tensorflow", "include");
    compile([
      ...["-fsyntax-only", "-std=c++17", "-Wall", "-Wextra", "-Werror", "-D_GLIBCXX_USE_CXX11_ABI=1", "-DNDEBUG"],
      ...["-DEIGEN_MAX_ALIGN_BYTES=64", `-isystem${headers}`, ...extra],
    ]);
  };

  it("compile against TensorFlow's headers", () => check([join(NATIVE, "operators_cuda.cc")]), 120_000);

  it("do not where a launch's arguments are not the kernel's", () => {
    // The launch sequences lie beside the others' includes, so that the doctored copy is what is found first.
    const launch = readFileSync(join(NATIVE, "cuda", "launch.h"), "utf8");
    const other = launch.replace("static_cast<int>(nesterov)", "nesterov");
    expect(other).not.toBe(launch);
    const copy = scratch("launch.h");
    writeFileSync(copy, other.replace('#include "signatures.h"', '#include "cuda/signatures.h"'));
    const operators = readFileSync(join(NATIVE, "operators_cuda.cc"), "utf8");
    const source = join(dirname(copy), "operators_cuda.cc");
    writeFileSync(source, operators.replace('#include "cuda/launch.h"', '#include "launch.h"'));
    expect(() => check([`-I${NATIVE}`, source])).toThrow(/the arguments must be what the kernel takes/);
  }, 120_000);
});
