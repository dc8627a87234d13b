import { RandomSource } from "@semiseg/random";
import { describe, expect, it } from "vitest";
import { biasExponents, biasField } from "../src/transforms/bias-field.js";
import { changeIntensities } from "../src/transforms/change-intensities.js";
import { gaussianBlur } from "../src/transforms/gaussian-blur.js";

describe("gaussianBlur", () => {
  it("spreads a point as the Gaussian does, and keeps the sum", () => {
    const point = new Float32Array(21 * 21);
    point[10 * 21 + 10] = 1;
    const blurred = gaussianBlur(point, [21, 21], 1, 1.5);
    expect(blurred.reduce((a, b) => a + b, 0)).toBeCloseTo(1, 5);
    for (const [x, y] of [
      [10, 10],
      [11, 10],
      [12, 13],
    ] as const) {
      const squared = (x - 10) ** 2 + (y - 10) ** 2;
      expect(blurred[x * 21 + y]).toBeCloseTo(Math.exp(-squared / 4.5) / (2 * Math.PI * 2.25), 4);
    }
  });

  it("leaves a constant as it is, edges included, and keeps channels apart", () => {
    const two = Float32Array.from({ length: 2 * 60 }, (_, v) => (v % 2 ? 7 : -3));
    gaussianBlur(two, [5, 4, 3], 2, 2).forEach((x, v) => {
      expect(x).toBeCloseTo(v % 2 ? 7 : -3, 5);
    });
  });

  it("smooths noise along every axis alike", () => {
    const spatial = [24, 24, 24];
    const blurred = gaussianBlur(new RandomSource(1).normals(24 ** 3), spatial, 1, 1);
    const inner = blurred.filter((_, v) =>
      [Math.floor(v / 576), Math.floor(v / 24) % 24, v % 24].every((p) => p >= 4 && p < 20),
    );
    const variance = inner.reduce((sum, x) => sum + x * x, 0) / inner.length;
    // (4 pi sigma^2)^(-3/2) of the variance is left.
    expect(Math.abs(variance / (4 * Math.PI) ** -1.5 - 1)).toBeLessThan(0.15);
  });
});

describe("biasField", () => {
  it("is exp(strength) at most and exp(-strength) at least, one of them reached, and is smooth", () => {
    expect([biasExponents(2).length, biasExponents(3).length]).toEqual([9, 19]);
    for (const spatial of [
      [20, 18],
      [12, 16, 10],
    ]) {
      const coefficients = Array.from(new RandomSource(3).normals(biasExponents(spatial.length).length));
      const logs = biasField(spatial, 0.5, coefficients).map(Math.log);
      const largest = logs.reduce((a, b) => Math.max(a, Math.abs(b)), 0);
      expect(largest).toBeCloseTo(0.5, 4);
      const last = spatial[spatial.length - 1]!;
      for (let v = 1; v < logs.length; v++) if (v % last) expect(Math.abs(logs[v]! - logs[v - 1]!)).toBeLessThan(0.4);
    }
  });

  it("follows its polynomial: one linear coefficient gives a straight slope of the logarithm", () => {
    const coefficients = biasExponents(2).map(([, y, z]) => +(y === 1 && z === 0));
    const logs = biasField([5, 3], 1, coefficients).map(Math.log);
    expect(Array.from(logs, (x) => +x.toFixed(4))).toEqual([
      -1, -1, -1, -0.5, -0.5, -0.5, 0, 0, 0, 0.5, 0.5, 0.5, 1, 1, 1,
    ]);
    expect(
      Array.from(
        biasField(
          [2, 2],
          1,
          coefficients.map(() => 0),
        ),
      ),
    ).toEqual([1, 1, 1, 1]);
  });
});

describe("changeIntensities", () => {
  it("multiplies what is above each channel's minimum by the bias field, so that z-scored images are changed too", () => {
    const coefficients = biasExponents(2).map(([, y, z]) => +(y === 1 && z === 0));
    const image = Float32Array.from([-1, 10, 1, 10, -1, 10, 1, 30]); // [4, 1] of two channels
    changeIntensities(image, [4, 1], 2, [{ kind: "bias", strength: 1, coefficients }]);
    const field = [-1, -1 / 3, 1 / 3, 1].map(Math.exp);
    expect(image[0]).toBe(-1);
    expect(image[2]).toBeCloseTo(-1 + 2 * field[1]!, 5);
    expect(image[5]).toBe(10);
    expect(image[7]).toBeCloseTo(10 + 20 * field[3]!, 4);
  });

  it("leaves a constant image finite and as it is under gamma and bias field", () => {
    const image = new Float32Array(8).fill(2);
    const coefficients = biasExponents(3).map(() => 1);
    changeIntensities(image, [2, 2, 2], 1, [
      { kind: "gamma", exponent: 0.5 },
      { kind: "bias", strength: 1, coefficients },
      { kind: "blur", sigma: 1 },
    ]);
    image.forEach((x) => {
      expect(x).toBeCloseTo(2, 6);
    });
  });
});
