import { RandomSource } from "@semiseg/random";
import { describe, expect, it } from "vitest";

const mean = (values: ArrayLike<number>) => Array.from(values).reduce((a, b) => a + b, 0) / values.length;

describe("RandomSource", () => {
  it("gives the same numbers for the same seed and others for another", () => {
    expect(new RandomSource(7).uniform(5)).toEqual(new RandomSource(7).uniform(5));
    expect(new RandomSource(7).uniform(5)).not.toEqual(new RandomSource(8).uniform(5));
  });

  it("keeps its numbers across versions", () => {
    const source = new RandomSource(1337);
    expect([source.bits(), source.bits(), source.bits()]).toMatchInlineSnapshot(`
      [
        1725742096,
        2613034506,
        4061506121,
      ]
    `);
  });

  it("fills an array with what single calls give, and goes on from there", () => {
    const [one, many] = [new RandomSource(7), new RandomSource(7)];
    const filled = [...many.fillBits(new Uint32Array(40)), many.bits()];
    expect(filled).toEqual(Array.from({ length: 41 }, () => one.bits()));
    expect(many.state).toEqual(one.state);
  });

  it("forks by name, whatever was drawn before", () => {
    const source = new RandomSource(3);
    const before = source.fork("dropout").uniform(3);
    source.uniform(100);
    expect(source.fork("dropout").uniform(3)).toEqual(before);
    expect(source.fork("noise").uniform(3)).not.toEqual(before);
    expect(source.fork(1).uniform(3)).not.toEqual(source.fork(2).uniform(3));
  });

  it("draws uniform numbers in [0, 1) with mean 1/2 and variance 1/12", () => {
    const values = new RandomSource(1).uniform(20000);
    expect(values.every((v) => v >= 0 && v < 1)).toBe(true);
    expect(mean(values)).toBeCloseTo(0.5, 1.8);
    expect(mean(values.map((v) => (v - 0.5) ** 2))).toBeCloseTo(1 / 12, 2);
  });

  it("draws normal numbers with the standard deviation asked for", () => {
    const values = new RandomSource(2).normals(20000, 3);
    expect(Math.abs(mean(values))).toBeLessThan(0.1);
    expect(Math.sqrt(mean(values.map((v) => v * v)))).toBeCloseTo(3, 1);
    expect(new RandomSource(2).normals(3, 0).every((v) => v === 0)).toBe(true);
  });

  it("draws integers in [lo, hi), every one of them", () => {
    const values = new RandomSource(5).integers(-2, 3, 2000);
    expect([...new Set(values)].sort((a, b) => a - b)).toEqual([-2, -1, 0, 1, 2]);
  });

  it("shuffles without losing anything and leaves its input alone", () => {
    const input = Array.from({ length: 50 }, (_, i) => i);
    const output = new RandomSource(4).shuffle(input);
    expect(output).not.toEqual(input);
    expect(output.toSorted((a, b) => a - b)).toEqual(input);
    expect(input[0]).toBe(0);
  });

  it("goes on from a saved state, half a Box-Muller pair included", () => {
    const source = new RandomSource(6);
    source.nextNormal();
    const saved = JSON.parse(JSON.stringify(source.state));
    const expected = [source.nextNormal(), source.nextNormal(), source.next()];
    const resumed = new RandomSource(99);
    resumed.state = saved;
    expect([resumed.nextNormal(), resumed.nextNormal(), resumed.next()]).toEqual(expected);
  });

  it("refuses a seed, range or state that makes no sense", () => {
    expect(() => new RandomSource(Number.NaN)).toThrow("seed");
    expect(() => new RandomSource(0.5)).toThrow("seed");
    expect(() => new RandomSource(1).integers(3, 3, 1)).toThrow("hi");
    expect(() => new RandomSource(1).uniform(-1)).toThrow("n must be");
    expect(() => new RandomSource(1).normals(1, -1)).toThrow("std");
    expect(() => {
      new RandomSource(1).state = { words: [1, 2] } as never;
    }).toThrow("state");
  });
});
