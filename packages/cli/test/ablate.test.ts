import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { readJsonLines } from "@semiseg/training";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { parse } from "yaml";
import { exitCodes } from "../src/index.js";
import { expandSweep } from "../src/sweep/expand-sweep.js";
import { kubernetesManifest } from "../src/sweep/kubernetes-manifest.js";
import { coreShare } from "../src/sweep/run-local.js";
import { arrayOf, slurmScript } from "../src/sweep/run-slurm.js";
import { semisegExecutable } from "../src/sweep/run-task.js";
import { semiseg } from "./helpers/semiseg.js";

let folder = "";
const file = (name: string, text: string): string => {
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
};
const sweepText = (more = ""): string => `base: base.yaml
out: ${join(folder, "sweep")}
variants:
  supervised: { method: { name: supervised }, batch: { unlabeled: 0 } }
  mean-teacher: {}
seeds: [1, 2]
${more}`;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "semiseg-ablate-"));
  const phantoms = join(folder, "phantoms");
  const size = ["--train", "4", "--validation", "1", "--test", "3", "--shape", "18x16x16", "--organs", "2", "--json"];
  expect((await semiseg("data", "phantom", phantoms, ...size)).code).toBe(exitCodes.done);
  file(
    "base.yaml",
    `method: { name: mean-teacher, consistency: { weight: 0.2 } }
network: { baseFilters: 2, normalization: group }
data: { kind: msd, path: ${phantoms}, labeled: 2, patchSize: [16, 16, 16], workers: 0 }
batch: { labeled: 1, unlabeled: 1 }
maxSteps: 2
validation: { every: 2 }
run: unused
engine: cpu
`,
  );
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe("expandSweep", () => {
  it("makes variants x label budgets x seeds, each with a folder and a hash of its settings", () => {
    const { tasks, baseline } = expandSweep(file("a.yaml", sweepText("labeled: [1, 2]")));
    expect(baseline).toBe("supervised");
    expect(tasks.length).toBe(8);
    expect(tasks.map(({ index }) => index)).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
    expect(new Set(tasks.map(({ hash }) => hash)).size).toBe(8);
    expect(new Set(tasks.map(({ config }) => config.run)).size).toBe(8);
    // Another method's options do not stay behind.
    expect(tasks[0]!.config.method).toEqual({ name: "supervised" });
    expect(tasks[4]!.config.method).toEqual({ name: "mean-teacher", consistency: { weight: 0.2 } });
    expect(tasks[7]).toMatchObject({ variant: "mean-teacher", labeled: 2, seed: 2, config: { seed: 2 } });
  });

  it("equal settings have equal hashes, whatever they are called", () => {
    const { tasks } = expandSweep(
      file(
        "b.yaml",
        sweepText("").replace("  mean-teacher: {}", "  one: {}\n  two: { method: { consistency: { weight: 0.2 } } }"),
      ),
    );
    const hashes = (name: string) => tasks.filter(({ variant }) => variant === name).map(({ hash }) => hash);
    expect(hashes("one")).toEqual(hashes("two"));
    expect(hashes("one")).not.toEqual(hashes("supervised"));
  });

  it("leaves one term out per row by one word", () => {
    const { variants, tasks } = expandSweep(file("c.yaml", sweepText("leaveOneOut: [mean-teacher]")));
    expect(variants).toEqual([
      "supervised",
      "mean-teacher",
      "mean-teacher without supervised",
      "mean-teacher without consistency",
    ]);
    expect(tasks.at(-1)!.config.method).toMatchObject({ name: "mean-teacher", without: ["consistency"] });
  });

  it("names every fault with its place before anything runs", () => {
    expect(() => expandSweep(join(folder, "none.yaml"))).toThrow("no such file");
    expect(() => expandSweep(file("d.yaml", sweepText("seed: [1]")))).toThrow(
      /d\.yaml:7:1: seed: is not a known setting$/,
    );
    expect(() => expandSweep(file("e.yaml", sweepText("baseline: ua-mt")))).toThrow(
      "'ua-mt' is not one of the variants",
    );
    // In the variant where it stands there, in the base where not.
    const faulty = (over: string) => () =>
      expandSweep(file("f.yaml", sweepText("").replace("mean-teacher: {}", `x: ${over}`)));
    expect(faulty("{ maxStep: 3 }")).toThrow(/f\.yaml:5:8: variants\.x\.maxStep: is not a known setting$/);
    expect(faulty("{ method: { name: none } }")).toThrow(/f\.yaml:5:18: variants\.x\.method\.name: must be one of/);
    expect(faulty("{ network: { name: unet, decoders: [nearest] } }")).toThrow(
      /f\.yaml:5:31: variants\.x\.network\.decoders: is not a known setting$/,
    );
    expect(faulty("{ method: { name: dtc, consistency: {} } }")).toThrow(
      /f\.yaml:5:29: variants\.x\.method\.consistency/,
    );
    expect(() => expandSweep(file("f2.yaml", sweepText("seeds: [a]").replace("seeds: [1, 2]\n", "")))).toThrow(
      /f2\.yaml:6:9: seeds\.0: /,
    );
    file("bad-base.yaml", readFileSync(join(folder, "base.yaml"), "utf8").replace("maxSteps: 2", "maxSteps: none"));
    expect(() => expandSweep(file("f3.yaml", sweepText("").replace("base.yaml", "bad-base.yaml")))).toThrow(
      /bad-base\.yaml:5:1: maxSteps: .*\(variant supervised\)/,
    );
    expect(() => expandSweep(file("g.yaml", sweepText("").replace("base.yaml", "other.yaml")))).toThrow("other.yaml");
  });
});

describe("engines", () => {
  it("share cores in equal parts, and none where a share would be empty", () => {
    expect([0, 1].map((job) => coreShare(job, 2, 8))).toEqual(["0-3", "4-7"]);
    expect([0, 1, 2].map((job) => coreShare(job, 3, 4))).toEqual(["0", "1", "2-3"]);
    expect(coreShare(0, 1, 8)).toBeUndefined();
    expect(coreShare(0, 3, 2)).toBeUndefined();
  });

  it("Slurm: an array over what is missing, with limits, resources and a warning before the time is up", () => {
    expect(arrayOf([0, 1, 2, 5, 7, 8])).toBe("0-2,5,7-8");
    const expanded = expandSweep(
      file(
        "h.yaml",
        sweepText(
          "engine: slurm\njobs: 3\nslurm: { time: 01:00:00, gres: 'gpu:1', partition: gpu, options: [--nice=5] }",
        ),
      ),
    );
    const script = slurmScript(expanded, [1, 3]);
    for (const line of ["--array=1,3%3", "--time=01:00:00", "--gres=gpu:1", "--partition=gpu", "--requeue", "--nice=5"])
      expect(script).toContain(`#SBATCH ${line}`);
    expect(script).toContain('--task "$SLURM_ARRAY_TASK_ID"');
  });

  it("Kubernetes: an indexed job with a pod per run", () => {
    const expanded = expandSweep(file("i.yaml", sweepText("engine: kubernetes\njobs: 2\nkubernetes: { gpus: 1 }")));
    const job = parse(kubernetesManifest(expanded));
    expect(job.spec).toMatchObject({ completions: 4, parallelism: 2, completionMode: "Indexed" });
    expect(job.spec.template.spec.containers[0].resources.limits["nvidia.com/gpu"]).toBe("1");
  });
});

describe("semiseg ablate", () => {
  it("killed outright, leaves no run behind that goes on by itself", async () => {
    const out = join(folder, "orphans");
    const sweep = file(
      "orphans.yaml",
      `base: base.yaml\nout: ${out}\nseeds: [1]\nvariants:\n  supervised: { maxSteps: 100000, validation: { every: 100000 } }\n`,
    );
    const { run } = expandSweep(sweep).tasks[0]!.config;
    const records = () => readJsonLines(join(run, "metrics.jsonl"));
    const until = async (what: () => boolean): Promise<void> => {
      while (!what()) await new Promise((done) => setTimeout(done, 50));
    };
    const parent = spawn(process.execPath, [semisegExecutable(), "ablate", sweep], { stdio: "ignore" });
    await until(() => records().filter(({ kind }) => kind === "step").length >= 2);
    parent.kill("SIGKILL");
    await until(() => records().some(({ event }) => event === "stopped"));
    const { length } = records();
    // Its lock is free: nothing holds the run any more.
    await until(() => !existsSync(join(run, "running.pid")));
    expect(records().length).toBe(length);
  }, 60_000);

  it("runs what is missing, compares with statistics, and does nothing the second time", async () => {
    const sweep = file("run.yaml", sweepText("jobs: 2"));
    const list = JSON.parse((await semiseg("ablate", sweep, "--list", "--json")).out) as { status: string }[];
    expect(list.map(({ status }) => status)).toEqual(["new", "new", "new", "new"]);
    const first = await semiseg("ablate", sweep, "--json");
    expect(first.error).toBe("");
    expect(first.code).toBe(exitCodes.done);
    const rows = JSON.parse(first.out) as {
      variant: string;
      selected: string;
      seeds: number[];
      metrics: { metric: string; pValue: number | null }[];
    }[];
    expect(rows.map(({ variant, selected }) => `${variant} ${selected}`)).toEqual([
      "supervised last",
      "mean-teacher last",
      "supervised best",
      "mean-teacher best",
    ]);
    expect(rows[1]!.seeds).toEqual([1, 2]);
    const dice = rows[1]!.metrics.find(({ metric }) => metric === "dice")!;
    expect(dice.pValue).toBeGreaterThan(0);
    expect(rows[0]!.metrics[0]!.pValue).toBeNull();
    const out = join(folder, "sweep");
    for (const name of ["results.json", "results.csv", "results.md", "results.tex", "report.html"])
      expect(existsSync(join(out, name)), name).toBe(true);
    expect(readFileSync(join(out, "results.md"), "utf8")).toContain("[2 seeds]");
    expect(readFileSync(join(out, "report.html"), "utf8")).toContain("<svg");
    const before = readFileSync(join(out, "mean-teacher", "labeled-2", "seed-1", "metrics.jsonl"), "utf8");
    expect((await semiseg("ablate", sweep, "--json")).code).toBe(exitCodes.done);
    expect(readFileSync(join(out, "mean-teacher", "labeled-2", "seed-1", "metrics.jsonl"), "utf8")).toBe(before);
  }, 300_000);

  it("a run that fails does not stop the others; it is tried again, named with its log, and the command fails", async () => {
    const broken = sweepText("retries: 1")
      .replace(join(folder, "sweep"), join(folder, "broken"))
      .replace("seeds: [1, 2]", "seeds: [1]")
      .replace("  mean-teacher: {}", "  broken: { data: { path: /nowhere } }");
    const { code, error } = await semiseg("ablate", file("broken.yaml", broken), "--json");
    expect(code).toBe(exitCodes.failed);
    expect(error).toContain("trying again");
    expect(error).toMatch(/not complete: .*broken.*seed-1/);
    expect(existsSync(join(folder, "broken", "supervised", "labeled-2", "seed-1", "evaluation.json"))).toBe(true);
    const record = JSON.parse(
      readFileSync(
        join(folder, "broken", "tasks", `${expandSweep(join(folder, "broken.yaml")).tasks[1]!.hash}.json`),
        "utf8",
      ),
    ) as { attempts: { code: number }[] };
    expect(record.attempts.map((a) => a.code)).toEqual([1, 1]);
  }, 300_000);

  it("refuses a folder whose runs were made with other settings", async () => {
    const other = sweepText("").replace("mean-teacher: {}", "mean-teacher: { maxSteps: 3 }");
    const { code, error } = await semiseg("ablate", file("other.yaml", other), "--report");
    expect(code).toBe(exitCodes.usage);
    expect(error).toContain("with other settings");
  });
});
