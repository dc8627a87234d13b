import "@tensorflow/tfjs";
import { initWebgpu, type WebgpuInfo } from "@semiseg/webgpu";
import * as tf from "@tensorflow/tfjs-core";
import { beforeAll, describe, expect, it } from "vitest";
import { CASES, evaluate, values, worstErrors } from "./helpers/rank5-cases.js";

let info: WebgpuInfo;

beforeAll(async () => {
  info = await initWebgpu();
  console.log(`WebGPU adapter: ${info.device}${info.software ? " (software)" : ""}; ${info.features.join(", ")}`);
});

describe("WebGPU equals the cpu backend within 2e-5 relative, values and gradients", () => {
  for (const test of CASES) {
    it(test.name, async () => {
      const expected = await evaluate("cpu", test);
      const actual = await evaluate("webgpu", test);
      await info.guard.flush();
      for (const [k, error] of worstErrors(expected, actual).entries())
        expect(error, `output ${k}`).toBeLessThanOrEqual(2e-5);
    });
  }
});

describe("error guard", () => {
  it("flushes work that nothing has read, its pass still open", async () => {
    await tf.setBackend("webgpu");
    const sum = tf.tidy(() => tf.add(values([2, 3]), 1));
    await info.guard.flush();
    await info.guard.flush();
    await tf.setBackend("cpu");
    const expected = Array.from(tf.tidy(() => tf.add(values([2, 3]), 1)).dataSync());
    for (const [i, value] of Array.from(await sum.data()).entries()) expect(value).toBeCloseTo(expected[i]!, 5);
    sum.dispose();
  });

  it("refuses to read a result while code runs, but for values that are still on this side", async () => {
    await tf.setBackend("webgpu");
    const x = tf.tensor1d([1, 2, 3]);
    expect(Array.from(x.dataSync())).toEqual([1, 2, 3]);
    const sum = tf.add(x, 1);
    expect(() => sum.dataSync()).toThrow(/await tensor\.data\(\)/);
    expect(Array.from(await sum.data())).toEqual([2, 3, 4]);
  });

  it("turns a shader that does not validate into a BackendError at the next read", async () => {
    await tf.setBackend("webgpu");
    const backend = tf.backend() as unknown as { runWebGPUProgram: (...a: unknown[]) => tf.TensorInfo };
    const x = tf.tensor1d([1, 2, 3]);
    const broken = {
      variableNames: ["x"],
      outputShape: [3],
      workgroupSize: [64, 1, 1],
      dispatchLayout: { x: [0] },
      dispatch: [1, 1, 1],
      shaderKey: "semiseg_test_broken",
      size: true,
      getUserCode: () => "fn main(index : i32) { let wrong : vec5 = 1; }",
    };
    const out = backend.runWebGPUProgram(broken, [x], "float32");
    await expect(tf.engine().makeTensorFromTensorInfo(out).data()).rejects.toThrow("WebGPU rejected an operation");
    const fresh = tf.tensor1d([1, 2, 3]);
    expect(Array.from(await tf.add(fresh, 1).data())).toEqual([2, 3, 4]);
  });
});

describe("memory", () => {
  it("keeps tensor and buffer counts flat over 500 steps of training", async () => {
    await tf.setBackend("webgpu");
    const w = tf.variable(values([3, 3, 3, 2, 2]));
    const x = values([1, 4, 4, 4, 2]) as tf.Tensor5D;
    const step = (): void => {
      const { value, grads } = tf.variableGrads(
        () => tf.mean(tf.square(tf.conv3d(x, w as unknown as tf.Tensor5D, 1, "same"))) as tf.Scalar,
      );
      tf.tidy(() => w.assign(tf.sub(w, tf.mul(grads[w.name]!, 0.01))));
      tf.dispose([value, grads]);
    };
    for (let i = 0; i < 20; i++) step();
    await w.data();
    const before = tf.memory() as tf.MemoryInfo & { numBytesInGPU: number };
    for (let i = 0; i < 500; i++) step();
    await w.data();
    const after = tf.memory() as tf.MemoryInfo & { numBytesInGPU: number };
    expect(after.numTensors).toBe(before.numTensors);
    expect(after.numDataBuffers).toBe(before.numDataBuffers);
    expect(after.numBytesInGPU).toBe(before.numBytesInGPU);
    await info.guard.flush();
  });
});
