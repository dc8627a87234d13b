import { RandomStream } from "@semiseg/nn";
import { eachBackend } from "@semiseg/test-utils";
import { expect, it } from "vitest";

const draws = (stream: RandomStream) => [
  ...stream.uniform(3),
  ...stream.normal([2, 2], 0.5).dataSync(),
  ...stream.integers(0, 100, 3),
  ...stream.shuffle([1, 2, 3, 4, 5]),
];

eachBackend("RandomStream", () => {
  it("gives the same numbers for the same seed, others for another", () => {
    expect(draws(new RandomStream(7))).toEqual(draws(new RandomStream(7)));
    expect(draws(new RandomStream(7))).not.toEqual(draws(new RandomStream(8)));
  });

  it("gives tensors of the shape and deviation asked for, the same on every engine", () => {
    const x = new RandomStream(1).normal([40, 50], 3);
    const values = [...x.dataSync()];
    expect([x.shape, x.dtype]).toEqual([[40, 50], "float32"]);
    expect(Math.sqrt(values.reduce((a, v) => a + v * v, 0) / values.length)).toBeCloseTo(3, 0);
    expect([...new RandomStream(1).normal([2]).dataSync()].map((v) => v.toFixed(5))).toMatchInlineSnapshot(`
      [
        "-0.43793",
        "-0.01706",
      ]
    `);
  });

  it("forks streams that are tensors' streams too and do not depend on what was drawn", () => {
    const stream = new RandomStream(2);
    const before = draws(stream.fork("dropout"));
    draws(stream);
    expect(draws(stream.fork("dropout"))).toEqual(before);
    expect(draws(stream.fork("noise"))).not.toEqual(before);
  });

  it("goes on from a saved state", () => {
    const stream = new RandomStream(3);
    draws(stream);
    const saved = JSON.parse(JSON.stringify(stream.state));
    const expected = draws(stream);
    const resumed = new RandomStream(9);
    resumed.state = saved;
    expect(draws(resumed)).toEqual(expected);
  });
});
