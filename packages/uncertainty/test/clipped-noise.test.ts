import { OptionError } from "@semiseg/errors";
import { RandomStream } from "@semiseg/nn";
import { eachBackend } from "@semiseg/test-utils";
import { clippedNoise } from "@semiseg/uncertainty";
import { expect, it } from "vitest";

const n = 200_001;
const noise = (seed: number, std: number, bound: number): Float32Array =>
  clippedNoise(new RandomStream(seed), [n], std, bound).dataSync() as Float32Array;
const share = (values: ArrayLike<number>, below: number): number =>
  Array.from(values).filter((v) => v < below).length / values.length;

eachBackend("clippedNoise", () => {
  // Standard normal distribution function at these values.
  const normal = [
    [-1.5, 0.0668072],
    [-1, 0.1586553],
    [-0.25, 0.4012937],
    [0, 0.5],
    [0.5, 0.6914625],
    [1.75, 0.9599408],
  ] as const;

  it("has a normal distribution up to the bound and the rest of it at the bound, also beyond 3 standard deviations", () => {
    for (const bound of [2, 4]) {
      const values = noise(3, 0.1, 0.1 * bound);
      expect(values).toHaveLength(n);
      for (const [z, p] of normal) expect(Math.abs(share(values, 0.1 * z) - p), `${bound}: ${z}`).toBeLessThan(0.005);
      const largest = values.reduce((a, v) => Math.max(a, Math.abs(v)), 0);
      expect(largest).toBeLessThanOrEqual(0.1 * bound + 1e-7);
    }
    const values = noise(3, 1, 2);
    // P(|z| >= 2) = 0.0455; the second moment of the clipped variable is 0.73854 + 4 * 0.0455.
    expect(values.filter((v) => Math.abs(v) === 2).length / n).toBeCloseTo(0.0455, 2);
    expect(values.reduce((sum, v) => sum + v * v, 0) / n).toBeCloseTo(0.9205, 2);
    expect(values.reduce((sum, v) => sum + v, 0) / n).toBeCloseTo(0, 2);
  });

  it("gives neighbours that know nothing of each other, and the same numbers for the same stream", () => {
    const values = noise(5, 0.1, 0.2);
    for (const lag of [1, 2]) {
      let sum = 0;
      for (let i = lag; i < n; i++) sum += values[i]! * values[i - lag]!;
      expect(Math.abs(sum / n / 0.0092), `lag ${lag}`).toBeLessThan(0.01);
    }
    expect(noise(5, 0.1, 0.2)).toEqual(values);
  });

  it("is 0 without a deviation or with a bound of 0, and refuses negative ones by name", () => {
    expect(noise(1, 0, 0).every((v) => v === 0)).toBe(true);
    expect(noise(1, 0.1, 0).every((v) => v === 0)).toBe(true);
    expect(() => clippedNoise(new RandomStream(1), [5], -1)).toThrow(OptionError);
    expect(() => clippedNoise(new RandomStream(1), [5], 1, -1)).toThrow("clip");
  });
});
