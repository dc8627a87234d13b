import { createRequire } from "node:module";
import { join } from "node:path";
import { backend } from "@tensorflow/tfjs-core";
import { beforeAll, describe, expect, it } from "vitest";
import { cudaSource, type OperatorsAddon } from "../src/engine/cuda/operators.js";
import { CHECKS, type OperatorBinding, type RunOperator, runnerOf, selfCheck } from "../src/engine/cuda/self-check.js";
import { nativeLayout } from "../src/setup/native-layout.js";
import { compile, emulatorOptions, NATIVE, napiHeaders, scratch } from "./helpers/cuda-emulator.js";
import { onNativeEngine } from "./helpers/native-engine.js";
import { nvrtc } from "./helpers/nvrtc.js";

// TensorFlow calls the operators of a CUDA device, on the CPU device; they compile their kernels with the real compiler, and
// launch them through a driver that emulates.

interface Driver {
  launches(): number;
  fail(code: number): void;
  use(device: number): void;
}

onNativeEngine();

let driver: Driver;
let addon: OperatorsAddon;
let run: RunOperator;
beforeAll(async () => {
  const own = createRequire(import.meta.url);
  const helper = (name: string) => join(import.meta.dirname, "helpers", name);
  const library = join(nativeLayout("cpu", "").library, "tensorflow");
  const [driverPath, addonPath] = [scratch("driver.node"), scratch("operators.node")];
  compile([...emulatorOptions(), helper("cuda-driver.cc"), "-Wl,-soname,libcuda.so.1", "-o", driverPath]);
  compile([
    ...["-std=c++17", "-O1", "-shared", "-fPIC", "-w", "-DNAPI_VERSION=8", "-DSEMISEG_CUDA_ON_CPU"],
    ...["-D_GLIBCXX_USE_CXX11_ABI=1", "-DEIGEN_MAX_ALIGN_BYTES=64", "-DNDEBUG"],
    ...[`-I${napiHeaders()}`, `-I${NATIVE}`, `-isystem${join(library, "include")}`],
    ...[join(NATIVE, "operators_cuda.cc"), join(NATIVE, "addon.cc"), helper("cuda-operators.cc"), "-o", addonPath],
    ...[`-L${library}`, "-l:libtensorflow_cc.so.2", "-l:libtensorflow_framework.so.2", `-Wl,-rpath,${library}`, "-ldl"],
  ]);
  driver = own(driverPath) as Driver;
  addon = own(addonPath) as OperatorsAddon;
  run = runnerOf((backend() as unknown as { binding: OperatorBinding }).binding);
  addon.setCuda(await nvrtc(), cudaSource());
}, 600_000);

describe("the operators on a CUDA device", () => {
  it("give the right results through TensorFlow, the run-time compiler and the driver's interface", () => {
    expect([...selfCheck(run)]).toEqual([]);
    expect(driver.launches()).toBeGreaterThan(60);
  });

  it("launch three kernels for a norm and three for its gradient, and one for all arrays of an update that it holds", () => {
    const count = (call: Parameters<RunOperator>[0]): number => {
      driver.launches();
      run(call);
      return driver.launches();
    };
    const [forward, gradient] = CHECKS["group norms"]();
    expect([count(forward!), count(gradient!)]).toEqual([3, 3]);
    const [sgd] = CHECKS.SGD();
    expect(count(sgd!)).toBe(2);
    const [layerNorm] = CHECKS["layer norm"]();
    expect(count(layerNorm!)).toBe(1);
  });

  it("fail with the driver's message, after which all is well again", () => {
    const [call] = CHECKS["ReLU gradient"]();
    driver.fail(700);
    expect(() => run(call!)).toThrow(
      /SemisegReluGradient: semiseg_relu_gradient_4: an illegal memory access was encountered \(700\)/,
    );
    driver.fail(0);
    expect(run(call!)).toHaveLength(1);
  });

  it("say what is amiss with the run-time compiler or the source, and go on where a device has its kernels", async () => {
    const [call] = CHECKS["ReLU gradient"]();
    driver.use(1);
    addon.setCuda("/nowhere/libnvrtc.so.12", cudaSource());
    expect(() => run(call!)).toThrow(/SemisegReluGradient: NVIDIA's run-time compiler does not load: .*nowhere/);
    driver.use(2);
    addon.setCuda(await nvrtc(), `${cudaSource()} broken`);
    expect(() => run(call!)).toThrow(/NVRTC_ERROR_COMPILATION/);
    driver.use(0);
    expect(run(call!)).toHaveLength(1);
  }, 120_000);

  it("refuse shapes that would make a kernel read past an end", () => {
    const [forward, gradient] = CHECKS["group norms"]();
    const short = { shape: [3], values: new Float32Array(3) };
    const swap = (call: Parameters<RunOperator>[0], at: number) => ({
      ...call,
      inputs: call.inputs.map((input, i) => (i === at ? short : input)),
    });
    driver.launches();
    for (const at of [1, 2]) expect(() => run(swap(forward!, at))).toThrow(/parameters do not fit its channels/);
    for (const at of [0, 4, 5]) expect(() => run(swap(gradient!, at))).toThrow(/SemisegNormGradient: shapes/);
    expect(() => run({ ...forward!, attrs: { ...forward!.attrs, ints: { groups: 3 } } })).toThrow(/groups/);
    const [relu] = CHECKS["ReLU gradient"]();
    expect(() => run(swap(relu!, 1))).toThrow(/SemisegReluGradient: shapes/);
    const [, gelu] = CHECKS.GELU();
    expect(() => run(swap(gelu!, 1))).toThrow(/SemisegGeluGradient: shapes/);
    const [ema] = CHECKS.EMA();
    expect(() => run(swap(ema!, 0))).toThrow(/different shapes/);
    const [sums, slope] = CHECKS["segmentation sums"]();
    const labels = { shape: [3], values: new Int32Array(3) };
    const misfit = (call: Parameters<RunOperator>[0]) => ({
      ...call,
      inputs: call.inputs.map((x, i) => (i === 1 ? labels : x)),
    });
    expect(() => run(misfit(sums!))).toThrow(/SemisegSegmentationSums: shapes/);
    expect(() => run(misfit(slope!))).toThrow(/SemisegSegmentationSumsGradient: shapes/);
    expect(() => run(swap(slope!, 4))).toThrow(/SemisegSegmentationSumsGradient: slopes/);
    expect(driver.launches()).toBe(0);
  });
});
