import { OptionError } from "@semiseg/errors";
import { createStepContext, type Method } from "@semiseg/method";
import { RandomStream } from "@semiseg/nn";
import { type CustomConfig, type CustomTerm, custom, supervisedTerm } from "@semiseg/presets";
import { eachBackend } from "@semiseg/test-utils";
import * as tf from "@tensorflow/tfjs-core";
import { expect, it } from "vitest";
import { randomBatch } from "./helpers/run-steps.js";

const network = {
  spatialDims: 2,
  baseFilters: 2,
  outChannels: 3,
  attentionGates: true,
  deepSupervision: true,
} as const;
const mix = (terms: CustomConfig["terms"], more: Partial<CustomConfig> = {}) => custom({ network, ...more, terms });

/** A term's loss in the first step of a run. */
function lossOf(method: Method, name: string, step = 0): number {
  const batch = randomBatch(0, { size: [16, 16], classes: 3, maxSteps: 10 });
  const context = createStepContext(method, batch, { step, maxSteps: 10, random: new RandomStream(1) });
  const value = tf.tidy(
    () =>
      method.terms
        .find((term) => term.name === name)!
        .loss(context)
        .dataSync()[0]!,
  );
  context.dispose();
  return value;
}

eachBackend("custom", () => {
  it("builds named terms, renames them, and takes terms of one's own", () => {
    const own = { ...supervisedTerm(), name: "mine" };
    const method = mix([{ term: "supervised" }, { term: "supervised", name: "again", weight: 2 }, own], { title: "m" });
    expect(method.name).toBe("m");
    expect(method.terms.map(({ name, weight }) => [name, weight(0, 1)])).toEqual([
      ["supervised", 1],
      ["again", 2],
      ["mine", 1],
    ]);
    expect(() => mix([{ term: "supervisd" } as unknown as CustomTerm])).toThrow(OptionError);
    expect(() => mix([{ term: "supervisd" } as unknown as CustomTerm])).toThrow("received 'supervisd'");
  });

  it("an auxiliary network has the first one's options, other weights, and attention where asked for", () => {
    const terms = [{ term: "supervised" }, { term: "supervised", of: "auxiliary" }] as const;
    const { student, auxiliary } = mix(terms, { auxiliary: {} });
    expect(auxiliary!.provides).toEqual(student.provides);
    expect(auxiliary!.config["seed"]).not.toBe(student.config["seed"]);
    expect(mix(terms, { auxiliary: { seed: 5, baseFilters: 4 } }).auxiliary!.config).toMatchObject({
      seed: 5,
      baseFilters: 4,
    });
    const attending = mix(terms, { auxiliary: { attention: { heads: 2 } } }).auxiliary!;
    expect([...attending.named.keys()].some((name) => name.startsWith("hooks.x4"))).toBe(true);
  });

  it("terms share DuCiSC's thresholds and ICL's modules", () => {
    const method = mix(
      [
        { term: "certain-pseudo-labels" },
        { term: "fused-images" },
        { term: "proxy-supervision" },
        { term: "proxy-consistency" },
      ],
      { teacher: {}, confidence: { decay: 0.5 } },
    );
    const [a, b, c, d] = method.terms;
    expect(a!.state).toBe(b!.state);
    expect(c!.modules).toBe(d!.modules);
  });

  it("a teacher's uncertainty gates the guides of affinity", () => {
    const gated = mix([{ term: "contextual-affinity", uncertainty: { samples: 2 } }], { teacher: {} });
    const plain = mix([{ term: "contextual-affinity" }], { teacher: {} });
    expect(gated.terms[0]!.needs.teacher).toBe("dropout");
    const [all, some] = [lossOf(plain, "contextual affinity"), lossOf(gated, "contextual affinity")];
    expect(Number.isFinite(some)).toBe(true);
    expect(some).not.toBeCloseTo(all, 6);
  });
});
