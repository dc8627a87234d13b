import { describe, expect, it } from "vitest";
import { loadTerms, saveTerms } from "../src/train/term-state.js";
import { diceByClass } from "../src/train/validate.js";

describe("diceByClass", () => {
  it("is 2 |A and B| / (|A| + |B|) per class and NaN for a class that neither has", () => {
    const dice = diceByClass(Uint8Array.of(0, 1, 1, 2), Uint8Array.of(0, 1, 2, 0), 4);
    expect(dice.slice(0, 3)).toEqual([2 / 3, 2 / 3, 0]);
    expect(dice[3]).toBeNaN();
  });
});

describe("saveTerms and loadTerms", () => {
  const term = (name: string, value: { now: unknown }) => ({
    name,
    needs: {},
    weight: () => 1,
    loss: () => {
      throw new Error("unused");
    },
    state: {
      save: () => ({ json: value.now }),
      load: ({ json }: { json: unknown }) => {
        value.now = json;
      },
    },
  });

  it("give every term its own state back", () => {
    const [a, b] = [{ now: [1, 2] as unknown }, { now: "x" as unknown }];
    const terms = [term("a", a), term("b", b), { ...term("c", { now: 0 }), state: undefined as never }];
    const saved = saveTerms(terms);
    a.now = b.now = null;
    loadTerms(terms, saved);
    expect([a.now, b.now]).toEqual([[1, 2], "x"]);
  });

  it("throw CheckpointError when the checkpoint has no state of a term", () => {
    expect(() => loadTerms([term("a", { now: 1 })], { json: {}, tensors: new Map() })).toThrow(
      /no state of the term 'a'/,
    );
  });
});
