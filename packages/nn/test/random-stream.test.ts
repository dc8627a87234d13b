import { RandomStream } from "@semiseg/nn";
import { eachBackend } from "@semiseg/test-utils";
import { expect, it } from "vitest";

eachBackend("RandomStream", () => {
  it("gives the same numbers for the same seed", () => {
    expect(new RandomStream(7).uniform(4)).toEqual(new RandomStream(7).uniform(4));
  });
});
