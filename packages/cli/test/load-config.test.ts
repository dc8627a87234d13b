import { customTermNames } from "@semiseg/presets";
import { describe, expect, it } from "vitest";
import { termSchemas } from "../src/config/custom-schema.js";
import { ConfigError, formatIssue, parseConfig, runConfigJsonSchema } from "../src/index.js";

const good = `method: { name: mean-teacher, teacher: { decay: 0.99 } }
data:
  kind: msd
  path: \${DATA}/hippocampus
  labeled: 3
  patchSize: [48, 64, 48]
maxSteps: 100
run: runs/one
`;
const environment = { DATA: "/somewhere" };

function issues(text: string, set: string[] = []): string[] {
  try {
    parseConfig(text, "run.yaml", { environment, set });
  } catch (error) {
    if (error instanceof ConfigError) return error.issues.map(formatIssue);
    throw error;
  }
  return [];
}

describe("parseConfig", () => {
  it("fills in defaults and expands environment variables", () => {
    const config = parseConfig(good, "run.yaml", { environment });
    expect(config.data.path).toBe("/somewhere/hippocampus");
    expect(config.method).toEqual({ name: "mean-teacher", teacher: { decay: 0.99 } });
    expect(config.optimizer).toEqual({ name: "sgd", learningRate: 0.01 });
    expect(config.batch).toEqual({ labeled: 2, unlabeled: 2 });
    expect(config.evaluation).toEqual({ dialect: "medpy", empty: "nan" });
    expect(config.engine).toBe("auto");
  });

  it("lets settings of the command line win, values read as YAML", () => {
    const config = parseConfig(good, "run.yaml", {
      environment,
      set: ["seed=7", "optimizer.learningRate=1e-3", "data.labeled=all", "maxSteps=5"],
    });
    expect([config.seed, config.optimizer.learningRate, config.data.labeled, config.maxSteps]).toEqual([
      7,
      1e-3,
      "all",
      5,
    ]);
  });

  it("names file, line, column and key of every fault at once", () => {
    const bad = good
      .replace("labeled: 3", "labelled: 3")
      .replace("maxSteps: 100", "maxSteps: -1\nsede: 4")
      .replace("kind: msd", "kind: msd\n  seed: one");
    const found = issues(bad.replace("patchSize: [48, 64, 48]", "patchSize: [48, 0, 48]"));
    expect(found.find((text) => text.includes("maxSteps"))).toMatch(/^run\.yaml:8:1: maxSteps: /);
    expect(found).toContain("run.yaml:9:1: sede: is not a known setting");
    expect(found.find((text) => text.includes("data.seed"))).toMatch(/^run\.yaml:4:3: data\.seed: /);
    expect(found.find((text) => text.includes("patchSize"))).toMatch(/^run\.yaml:7:19: data\.patchSize\.1: /);
  });

  it("checks a method's own options by name, and names the methods there are", () => {
    const method = (text: string) => issues(good.replace("{ name: mean-teacher, teacher: { decay: 0.99 } }", text));
    expect(method("{ name: mean-teacher, consistancy: { weight: 1 } }")).toEqual([
      "run.yaml:1:31: method.consistancy: is not a known setting",
    ]);
    expect(method("{ name: ducisc, confidence: { fixed: 2 } }")[0]).toMatch(
      /^run\.yaml:1:\d+: method\.confidence\.fixed: /,
    );
    expect(method("{ name: none }")[0]).toMatch(/must be one of supervised, mean-teacher.*received 'none'/);
    expect(method("{ consistency: {} }")[0]).toMatch(/^run\.yaml:1:\d+: method/);
    expect(
      method("{ name: caml, attention: false, correlation: { perClass: 64, parity: true }, rampPeriod: 150 }"),
    ).toEqual([]);
    expect(method("{ name: caml, correlation: { perClas: 64 } }")[0]).toMatch(/method\.correlation\.perClas: is not a/);
    expect(method("{ name: caml, attention: true }")[0]).toMatch(/method\.attention/);
    expect(method("{ name: ug-mcl, maskCrossTask: false, uncertainty: { samples: 4 } }")).toEqual([]);
    expect(method("{ name: tac, pairing: code, contextual: false, structural: { weight: 2 } }")).toEqual([]);
    expect(method("{ name: tac, pairing: none }")[0]).toMatch(/method\.pairing/);
    expect(method("{ name: tac, structural: { pairng: code } }")[0]).toMatch(/method\.structural\.pairng: is not a/);
  });

  it("checks a mix's terms by name and option, each where it stands", () => {
    const mix = (terms: string) => issues(good.replace("{ name: mean-teacher, teacher: { decay: 0.99 } }", terms));
    const found = mix(`
  name: custom
  teachr: {}
  terms:
    - { term: supervised, wieght: 2 }
    - { term: teacher-consistancy }
    - { term: omni-correlation, perClass: 1 }`);
    expect(found).toContain("run.yaml:3:3: method.teachr: is not a known setting");
    expect(found).toContain("run.yaml:5:27: method.terms.0.wieght: is not a known setting");
    expect(found.find((text) => text.includes("teacher-consistancy"))).toMatch(
      /^run\.yaml:6:\d+: method\.terms\.1\.term: term must be one of supervised, teacher-consistency, .*received 'teacher-consistancy'$/,
    );
    expect(found.find((text) => text.includes("perClass"))).toMatch(/^run\.yaml:7:33: method\.terms\.2\.perClass: /);
    expect(
      mix("{ name: custom, terms: [{ term: cross-task, uncertainty: { samples: 4 } }, { term: supervised }] }"),
    ).toEqual([]);
    expect(mix("{ name: custom, terms: [] }")[0]).toMatch(/method\.terms/);
  });

  it("every term that a mix can name has its options in the schema", () => {
    expect(Object.keys(termSchemas).sort()).toEqual([...customTermNames].sort());
  });

  it("checks the network's options by name", () => {
    const network = (text: string) => issues(`${good}network: ${text}\n`);
    expect(network("{ baseFilter: 8 }").join()).toContain("network");
    expect(network("{ name: vnet, baseFilter: 8 }")).toEqual([
      "run.yaml:9:24: network.baseFilter: is not a known setting",
    ]);
    expect(network("{ name: unet, decoders: [nearest] }")).toEqual([
      "run.yaml:9:24: network.decoders: is not a known setting",
    ]);
    expect(network("{ name: unetr }")[0]).toContain("must be one of vnet, unet");
    expect(network("{ name: unet, dropout: [0, 0.1, 0.2, 0.3, 0.5] }")).toEqual([]);
  });

  it("points to the parent when a key is missing", () => {
    expect(issues(good.replace("run: runs/one\n", ""))[0]).toMatch(/^run\.yaml:1:1: run: /);
  });

  it("reports variables that are not set where they stand", () => {
    expect(issues(good.replaceAll("DATA", "NOWHERE"))).toEqual([
      "run.yaml:4:9: environment variable NOWHERE is not set",
    ]);
  });

  it("reports broken YAML, duplicate keys, empty files and malformed settings", () => {
    expect(issues("method: [")[0]).toMatch(/^run\.yaml:1:/);
    expect(issues(`${good}seed: 1\nseed: 2\n`)[0]).toMatch(/^run\.yaml:10:1: .*unique/);
    expect(issues("")).toHaveLength(1);
    expect(issues(good, ["seed"])[0]).toContain("key.path=value");
    expect(issues(good, ["maxSteps=0"])[0]).toMatch(/^run\.yaml: maxSteps: /);
  });

  it("reports a file that isn't there", async () => {
    const { loadConfig } = await import("../src/index.js");
    expect(() => loadConfig("none.yaml")).toThrow("none.yaml: no such file");
  });
});

describe("runConfigJsonSchema", () => {
  it("describes the file for editors", () => {
    const schema = runConfigJsonSchema() as { type: string; required: string[]; properties: Record<string, unknown> };
    expect(schema.type).toBe("object");
    expect(schema.required).toEqual(["method", "data", "maxSteps", "run"]);
    expect(Object.keys(schema.properties)).toContain("optimizer");
  });
});
