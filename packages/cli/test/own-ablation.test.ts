import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { exitCodes, main } from "../src/index.js";

const guide = readFileSync(new URL("../../../docs/guides/own-ablation.md", import.meta.url), "utf8");
/** Files and command lines of the guide, in its order. */
const blocks = [...guide.matchAll(/^```(yaml title=(\S+)|sh)\n([\s\S]*?)^```$/gm)].map(([, kind, title, text]) => ({
  title: kind === "sh" ? null : title!,
  text: text!,
}));

let folder = "";
const before = process.cwd();
const silent = { out: () => {}, error: () => {} };

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "semiseg-guide-"));
  process.chdir(folder);
  // Stands in for the reader's scans: images and labels of the same names.
  const size = ["--train", "10", "--validation", "0", "--test", "0", "--shape", "18x18x16", "--organs", "2", "--json"];
  expect(await main(["data", "phantom", "made", ...size], silent)).toBe(exitCodes.done);
  for (const [from, to] of [
    ["imagesTr", "images"],
    ["labelsTr", "labels"],
  ] as const) {
    mkdirSync("scans", { recursive: true });
    renameSync(join("made", from), join("scans", to));
  }
});
afterAll(() => {
  process.chdir(before);
  rmSync(folder, { recursive: true, force: true });
});

describe("the guide to an own ablation", () => {
  it("works when it is followed word by word", async () => {
    expect(readdirSync("scans/images")).toHaveLength(10);
    const ran: string[] = [];
    for (const { title, text } of blocks) {
      if (title) {
        writeFileSync(title, text);
        continue;
      }
      for (const line of text.trim().split("\n")) {
        const [npx, name, ...args] = line.split(" ");
        expect([npx, name]).toEqual(["npx", "semiseg"]);
        const printed: string[] = [];
        const streams = { out: (t: string) => void printed.push(t), error: (t: string) => void printed.push(t) };
        expect(await main(args, streams), `${line}\n${printed.join("")}`).toBe(exitCodes.done);
        ran.push(args.slice(0, 2).join(" "));
      }
    }
    expect(ran).toEqual([
      "data doctor",
      "explain base.yaml",
      "ablate ablation.yaml",
      "ablate ablation.yaml",
      "ablate ablation.yaml",
      "schema --folder",
    ]);
    for (const name of ["results.md", "results.csv", "results.tex", "report.html"])
      expect(existsSync(join("runs/ablation", name)), name).toBe(true);
    const table = readFileSync("runs/ablation/results.md", "utf8");
    for (const row of ["supervised", "mean-teacher", "mix"]) expect(table).toContain(`| ${row} | 3 | last |`);
    expect(table).toContain("[2 seeds]");
    expect(readFileSync("runs/ablation/report.html", "utf8")).toContain("mix: gradient norm of each weighted term");
  }, 300_000);
});
