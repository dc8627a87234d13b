import { initBackend } from "@semiseg/runtime";
import { beforeAll, expect } from "vitest";

/** Runs the tests of a file on native TensorFlow with our operators. */
export function onNativeEngine(): void {
  beforeAll(async () => {
    const { engine } = await initBackend({ prefer: "tensorflow" });
    expect(engine).toBe("TensorFlow with SemiSeg operators");
  });
}

export const sizeOf = (shape: readonly number[]): number => shape.reduce((a, b) => a * b, 1);

/** Numbers that look random: sines of large steps, on a slow wave of the given height. */
export const values = (shape: readonly number[], seed: number, wave = 0): Float32Array =>
  Float32Array.from(
    { length: sizeOf(shape) },
    (_, i) => Math.sin(i * 12.9898 + seed * 78.233) + wave * Math.cos(i * 0.37),
  );
