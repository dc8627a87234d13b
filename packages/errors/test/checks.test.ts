import {
  BackendError,
  CheckpointError,
  CompatibilityError,
  checkChoice,
  checkNumber,
  checkRank,
  checkSameShape,
  checkShape,
  DataError,
  OptionError,
  SemisegError,
  ShapeError,
} from "@semiseg/errors";
import { describe, expect, it } from "vitest";

describe("errors", () => {
  it("are SemisegErrors with their own name and a stable code", () => {
    const all = [ShapeError, OptionError, CompatibilityError, DataError, CheckpointError, BackendError];
    for (const Kind of all) {
      const error = new Kind("message");
      expect(error).toBeInstanceOf(SemisegError);
      expect(error.name).toBe(Kind.name);
    }
    expect(new Set(all.map((Kind) => new Kind("").code)).size).toBe(all.length);
  });

  it("keep the cause", () => {
    const cause = new Error("below");
    expect(new DataError("above", { cause }).cause).toBe(cause);
  });
});

describe("checks", () => {
  const tensor = { shape: [2, 3, 4] };

  it("pass what fits", () => {
    checkRank("f", "x", tensor, [3, 4]);
    checkShape("f", "x", tensor, [2, null, 4]);
    checkSameShape("f", "a", tensor, "b", { shape: [2, 3, 4] });
    checkNumber("f", "n", 3, { integer: true, min: 3, max: 3, above: 2, below: 4 });
    checkChoice("f", "mode", "a", ["a", "b"]);
  });

  it("name the function, the argument, what was expected and what came", () => {
    expect(() => checkRank("diceLoss", "probs", tensor, [4, 5])).toThrow(
      "diceLoss: probs must have rank 4 or 5, received shape [2, 3, 4]",
    );
    expect(() => checkShape("f", "x", tensor, [2, null, 5])).toThrow(
      "f: x must have shape [2, ?, 5], received [2, 3, 4]",
    );
    expect(() => checkSameShape("f", "a", tensor, "b", { shape: [2, 3] })).toThrow("received [2, 3, 4] and [2, 3]");
    expect(() => checkNumber("f", "rate", 1, { min: 0, below: 1 })).toThrow(
      "f: rate must be a finite number, >= 0, < 1, received 1",
    );
    expect(() => checkChoice("f", "mode", "c", ["a", "b"])).toThrow("f: mode must be one of 'a', 'b', received 'c'");
  });

  it("refuse numbers that are not finite, not integers, or not numbers", () => {
    for (const value of [Number.NaN, Number.POSITIVE_INFINITY, "1", null, undefined, 1n])
      expect(() => checkNumber("f", "n", value)).toThrow(OptionError);
    expect(() => checkNumber("f", "n", 1.5, { integer: true })).toThrow(OptionError);
    expect(() => checkNumber("f", "n", 0, { above: 0 })).toThrow(OptionError);
    expect(() => checkNumber("f", "n", 2, { max: 1 })).toThrow(OptionError);
  });
});
