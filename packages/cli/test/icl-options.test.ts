import "@tensorflow/tfjs";
import { readdirSync, readFileSync } from "node:fs";
import { setBackend } from "@tensorflow/tfjs-core";
import { beforeAll, describe, expect, it } from "vitest";
import { buildMethod, type DatasetFacts, parseConfig } from "../src/index.js";

const examples = new URL("../../../examples/icl/", import.meta.url);
const environment = { SEMISEG_DATA: "/data", ACDC: "/acdc", BRATS: "/brats", AMOS: "/amos" };
const facts: DatasetFacts = { name: "test", spatialDims: 2, channels: 1, classNames: ["background", "a", "b"] };
const text = `
method: { name: icl }
network: { name: unet, baseFilters: 2 }
data: { kind: phantom, patchSize: [32, 16] }
maxSteps: 1
run: runs/test
`;
const parsed = (...set: string[]) => parseConfig(text, "test.yaml", { set, environment });

beforeAll(() => setBackend("cpu"));

describe("method: icl in configuration files", () => {
  it("takes every option of the preset by its name", () => {
    const method = buildMethod(
      parsed(
        "method.tokenMixing=none",
        "method.heads=[2,1,1]",
        "method.features=[d1,d2,d3]",
        "method.stochasticDepth=0.1",
        "method.trueResidual=true",
        "method.compatScramble=true",
        "method.proxyStd=0",
        "method.supervised={weight: 2}",
        "method.proxySupervision={weight: 3}",
        "method.predictionConsistency={weight: 0.1}",
        "method.proxyConsistency=false",
      ),
      facts,
    );
    expect(method.terms.map(({ name, weight }) => [name, weight(0, 1)])).toEqual([
      ["supervised", 2],
      ["proxy supervision", 3],
      ["prediction consistency", 0.1],
    ]);
    expect([...method.trainable.named.keys()].some((name) => name.includes("mixing"))).toBe(false);
    method.dispose();
  });

  it("gives full token mixing the patch size of the data", () => {
    const method = buildMethod(parsed("method.tokenMixing=full"), facts);
    const shape = (i: number) =>
      method.trainable.named.get(`terms.proxy supervision.learner.scales.${i}.mixing.linear1.weight`)!.shape;
    expect([0, 1, 2].map((i) => shape(i)[0])).toEqual([4 * 2, 8 * 4, 16 * 8]);
    method.dispose();
    expect(() => buildMethod(parsed("method.tokenMixing=full", "method.memoryLimit=1000"), facts)).toThrow(
      "memoryLimit",
    );
  });

  it("leaves a term out by name and keeps the modules that others work on", () => {
    const method = buildMethod(parsed("method.without=[proxy supervision]"), facts);
    const modules = [...method.trainable.named].filter(([name]) => name.startsWith("terms."));
    expect(modules.every(([name]) => name.startsWith("terms.prediction consistency."))).toBe(true);
    expect(modules.length).toBeGreaterThan(0);
    expect(modules.every(([, variable]) => !variable.isDisposed)).toBe(true);
    method.dispose();
  });

  it("refuses what is no option, and values out of range", () => {
    expect(() => parsed("method.tokenMixer=none")).toThrow("tokenMixer");
    expect(() => parsed("method.tokenMixing=some")).toThrow("tokenMixing");
    expect(() => parsed("method.proxySupervision.weight=-1")).toThrow("proxySupervision");
  });

  it.each(readdirSync(examples).filter((name) => name.endsWith(".yaml") && !/ablation|sweep/.test(name)))(
    "examples/icl/%s is a configuration that holds",
    (name) => {
      const config = parseConfig(readFileSync(new URL(name, examples), "utf8"), name, { environment });
      expect(["icl", "supervised"]).toContain(config.method.name);
    },
  );
});
