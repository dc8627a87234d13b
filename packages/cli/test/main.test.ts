import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { exitCodes } from "../src/index.js";
import { semiseg } from "./helpers/semiseg.js";

let folder = "";
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "semiseg-cli-"));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe("semiseg", () => {
  it("lists its commands", async () => {
    const { code, out } = await semiseg("--help");
    expect(code).toBe(exitCodes.done);
    for (const command of ["train", "predict", "evaluate", "data", "doctor", "explain", "schema"])
      expect(out).toContain(command);
  });

  it("names the nearest command or option of a typing error and exits with 2", async () => {
    expect(await semiseg("trian")).toMatchObject({ code: 2, error: expect.stringContaining("Did you mean train?") });
    expect(await semiseg("train", "--sed", "3")).toMatchObject({ code: 2, error: expect.stringContaining("--seed") });
    expect(await semiseg("train", "--seed", "x")).toMatchObject({
      code: 2,
      error: expect.stringContaining("whole number"),
    });
  });

  it("shows every fault of a configuration with its line and exits with 2", async () => {
    const file = join(folder, "bad.yaml");
    writeFileSync(file, "method: { name: supervised }\nmaxStep: 3\nrun: r\n");
    const { code, error } = await semiseg("train", "--config", file);
    expect(code).toBe(exitCodes.usage);
    expect(error).toContain(`${file}:2:1: maxStep: is not a known setting`);
    expect(error).toContain(`${file}:1:1: data: `);
  });

  it("prints errors as JSON under --json", async () => {
    const { code, out } = await semiseg("train", "--config", join(folder, "none.yaml"), "--json");
    expect(code).toBe(exitCodes.usage);
    expect(JSON.parse(out)).toEqual({
      error: { code: "CONFIG", name: "ConfigError", message: expect.stringContaining("no such file") },
    });
  });

  it("wants a configuration or a run, and not both", async () => {
    expect((await semiseg("train")).error).toContain("--config");
    expect((await semiseg("train", "--resume", "a", "--config", "b")).code).toBe(exitCodes.usage);
    expect((await semiseg("train", "--resume", "a", "--seed", "1")).code).toBe(exitCodes.usage);
    expect((await semiseg("evaluate")).code).toBe(exitCodes.usage);
  });

  it("says so when a folder is no run, and exits with 1", async () => {
    expect(await semiseg("train", "--resume", folder)).toMatchObject({
      code: 1,
      error: expect.stringContaining("is its folder a run?"),
    });
  });

  it("prints the JSON Schema of configuration files", async () => {
    const { out } = await semiseg("schema");
    expect(JSON.parse(out)).toMatchObject({ type: "object" });
  });

  it("generates phantoms with a split", async () => {
    const target = join(folder, "phantoms");
    const args = ["--train", "2", "--validation", "1", "--test", "1", "--shape", "16x16x8", "--organs", "2", "--json"];
    const { code, out } = await semiseg("data", "phantom", target, ...args);
    expect(code).toBe(exitCodes.done);
    const result = JSON.parse(out);
    expect(result.splits.train).toHaveLength(2);
    expect(result.classNames).toHaveLength(3);
    for (const file of ["dataset.json", "splits.json"]) expect(existsSync(join(target, file))).toBe(true);
  });

  it("finds nothing wrong with generated phantoms, and says what is wrong with an empty folder", async () => {
    const good = await semiseg(
      "data",
      "doctor",
      join(folder, "phantoms"),
      "--html",
      join(folder, "doctor.html"),
      "--json",
    );
    expect(good.code).toBe(exitCodes.done);
    expect(JSON.parse(good.out).findings.filter((f: { severity: string }) => f.severity === "error")).toEqual([]);
    expect(existsSync(join(folder, "doctor.html"))).toBe(true);
    expect((await semiseg("data", "doctor", join(folder, "none"))).code).toBe(exitCodes.failed);
  });

  it("tells which engines work", async () => {
    const { code, out } = await semiseg("doctor", "--json");
    expect(code).toBe(exitCodes.done);
    expect(JSON.parse(out)[0]).toMatchObject({ name: "Node", usable: true });
  });
});
