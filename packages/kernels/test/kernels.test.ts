import * as contracts from "@semiseg/kernels";
import { hasKernel, replaceKernel } from "@semiseg/kernels";
import * as tf from "@tensorflow/tfjs-core";
import { afterEach, beforeEach, describe, expect, it } from "vitest";

const BACKEND = "kernels-test";
/** Holds nothing: its kernels are called by hand. */
class EmptyBackend extends tf.KernelBackend {
  override dispose(): void {}
}
const scalar = (value: number): tf.TensorInfo => ({ dataId: { value }, shape: [], dtype: "float32" });
const numberOf = (info: tf.TensorInfo): number => (info.dataId as { value: number }).value;
const call = (name: string, x: number): number =>
  numberOf((tf.getKernel(name, BACKEND).kernelFunc as unknown as (args: object) => tf.TensorInfo)({ x }));

beforeEach(() => {
  tf.registerKernel({
    kernelName: "Double",
    backendName: BACKEND,
    kernelFunc: (({ x }: { x: number }) => scalar(2 * x)) as unknown as tf.KernelFunc,
  });
});
afterEach(() => {
  tf.unregisterKernel("Double", BACKEND);
});

describe("names of fused kernels", () => {
  it("are of their own, and different", () => {
    const names = Object.values(contracts).filter((value) => typeof value === "string");
    expect(names.length).toBeGreaterThan(5);
    expect(new Set(names).size).toBe(names.length);
    for (const name of names) expect(name).toMatch(/^Semiseg/);
  });
});

describe("hasKernel", () => {
  it("asks the current backend", async () => {
    tf.registerBackend(BACKEND, () => new EmptyBackend());
    try {
      await tf.setBackend(BACKEND);
      expect(hasKernel("Double")).toBe(true);
      expect(hasKernel(contracts.FUSED_NORM)).toBe(false);
    } finally {
      tf.removeBackend(BACKEND);
    }
  });
});

describe("replaceKernel", () => {
  it("gives the own result, and the stock kernel's where that is null", () => {
    replaceKernel<{ x: number }>("Double", BACKEND, ({ x }) => (x > 10 ? scalar(-1) : null));
    expect([call("Double", 11), call("Double", 3)]).toEqual([-1, 6]);
  });

  it("lets the own kernel call the stock one, also through several replacements", () => {
    const addOne = ({ x }: { x: number }, stock: (args: { x: number }) => tf.TensorInfo) =>
      scalar(numberOf(stock({ x })) + 1);
    replaceKernel("Double", BACKEND, addOne);
    replaceKernel("Double", BACKEND, addOne);
    expect(call("Double", 3)).toBe(8);
  });

  it("does nothing where the engine has no such kernel", () => {
    replaceKernel("Absent", BACKEND, () => scalar(1));
    expect(tf.getKernel("Absent", BACKEND) ?? null).toBeNull();
  });
});
