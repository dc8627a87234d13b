import { mkdirSync, readFileSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import {
  dataDoctor,
  doctorHtml,
  doctorText,
  type FindingCode,
  type Severity,
  type Volume,
  writeVolume,
} from "@semiseg/data";
import { RandomSource } from "@semiseg/random";
import { describe, expect, it } from "vitest";
import { tempFolder } from "./helpers/temp-folder.js";

const root = tempFolder();
const ids = ["a", "b", "c", "d", "e", "f"];
const grid = { shape: [8, 7, 6], spacing: [1, 1, 2], affine: [1, 0, 0, 4, 0, 1, 0, 5, 0, 0, 2, 6, 0, 0, 0, 1] };
const voxels = 8 * 7 * 6;

function image(id: string, change: Partial<Volume> = {}): Volume {
  const random = new RandomSource(ids.indexOf(id));
  const data = Float32Array.from({ length: voxels }, () => 100 * random.next());
  return { ...grid, data, dtype: "float32", meta: {}, ...change };
}
function label(id: string, change: Partial<Volume> = {}): Volume {
  const data = new Uint8Array(voxels);
  const shift = ids.indexOf(id);
  data.fill(1, 60 + shift, 90).fill(2, 90, 120 + shift);
  return { ...grid, data, dtype: "uint8", meta: {}, ...change };
}

interface Folder {
  readonly path: string;
  image(id: string, change?: Partial<Volume>): Promise<void>;
  label(id: string, change?: Partial<Volume>): Promise<void>;
  splits(value: object): void;
}

let made = 0;
async function sound(): Promise<Folder> {
  const path = join(root, `set-${made++}`);
  mkdirSync(join(path, "imagesTr"), { recursive: true });
  mkdirSync(join(path, "labelsTr"));
  const folder: Folder = {
    path,
    image: (id, change) => writeVolume(join(path, "imagesTr", `${id}.nii.gz`), image(id, change)),
    label: (id, change) => writeVolume(join(path, "labelsTr", `${id}.nii.gz`), label(id, change)),
    splits: (value) => writeFileSync(join(path, "splits.json"), JSON.stringify(value)),
  };
  for (const id of ids) {
    await folder.image(id);
    await folder.label(id);
  }
  const training = ids.map((id) => ({ image: `imagesTr/${id}.nii.gz`, label: `labelsTr/${id}.nii.gz` }));
  const json = {
    name: "Planted",
    modality: { 0: "CT" },
    labels: { 0: "background", 1: "liver", 2: "tumour" },
    training,
  };
  writeFileSync(join(path, "dataset.json"), JSON.stringify(json));
  folder.splits({ train: ["a", "b", "c", "d"], validation: ["e"], test: ["f"] });
  return folder;
}

const flipped = [-1, 0, 0, 11, 0, 1, 0, 5, 0, 0, 2, 6, 0, 0, 0, 1];
const float = (values: Uint8Array, change: (x: number) => number) => Float32Array.from(values, change);

/** Each fault, planted in an otherwise sound set: what must be found, how grave, and about whom. */
const faults: [string, (f: Folder) => Promise<unknown> | unknown, FindingCode, Severity, string[]][] = [
  ["a truncated file", (f) => truncateSync(join(f.path, "imagesTr", "b.nii.gz"), 400), "unreadable", "error", ["b"]],
  [
    "label of another shape",
    (f) => f.label("c", { shape: [8, 7, 3], data: new Uint8Array(168).fill(1) }),
    "shape-mismatch",
    "error",
    ["c"],
  ],
  [
    "label at another place",
    (f) => f.label("c", { affine: grid.affine.map((x, n) => (n === 3 ? 40 : x)) }),
    "affine-mismatch",
    "warning",
    ["c"],
  ],
  [
    "label of another spacing",
    (f) => f.label("c", { spacing: [1, 1, 3], affine: [1, 0, 0, 4, 0, 1, 0, 5, 0, 0, 3, 6, 0, 0, 0, 1] }),
    "spacing-mismatch",
    "warning",
    ["c"],
  ],
  [
    "mirrored axes",
    async (f) => {
      await f.image("d", { affine: flipped });
      await f.label("d", { affine: flipped });
    },
    "orientation-differs",
    "warning",
    ["d"],
  ],
  [
    "far coarser slices",
    async (f) => {
      const c = { spacing: [1, 1, 9], affine: [1, 0, 0, 4, 0, 1, 0, 5, 0, 0, 9, 6, 0, 0, 0, 1] };
      await f.image("d", c);
      await f.label("d", c);
    },
    "spacing-differs",
    "warning",
    ["d"],
  ],
  [
    "a label value that is no class",
    (f) => f.label("a", { data: label("a").data.map((x) => (x === 2 ? 7 : x)) as Uint8Array }),
    "label-values",
    "error",
    ["a"],
  ],
  [
    "whole labels stored as float",
    (f) => f.label("e", { data: float(label("e").data as Uint8Array, (x) => x), dtype: "float32" }),
    "float-labels",
    "warning",
    ["e"],
  ],
  [
    "fractional labels",
    (f) => f.label("e", { data: float(label("e").data as Uint8Array, (x) => x / 2), dtype: "float32" }),
    "fractional-labels",
    "error",
    ["e"],
  ],
  ["an empty label", (f) => f.label("b", { data: new Uint8Array(voxels) }), "empty-label", "warning", ["b"]],
  ["a constant image", (f) => f.image("a", { data: new Float32Array(voxels).fill(3) }), "constant", "error", ["a"]],
  [
    "an image with NaN",
    (f) => f.image("c", { data: (image("c").data as Float32Array).map((x, n) => (n === 7 ? Number.NaN : x)) }),
    "nan",
    "error",
    ["c"],
  ],
  [
    "the same image twice in training",
    (f) => f.image("b", { data: image("a").data }),
    "duplicate",
    "warning",
    ["a", "b"],
  ],
  ["a training image in the test part", (f) => f.image("f", { data: image("a").data }), "leak", "error", ["a", "f"]],
  [
    "the same label for two images",
    (f) => f.label("d", { data: label("b").data }),
    "duplicate-label",
    "warning",
    ["b", "d"],
  ],
  [
    "intensities on another scale",
    (f) => f.image("d", { data: (image("d").data as Float32Array).map((x) => x * 4000) }),
    "intensity-scale",
    "warning",
    ["d"],
  ],
  [
    "another number of channels",
    (f) => f.image("a", { shape: [8, 7, 6, 2], data: new Float32Array(voxels * 2).map((_, n) => n) }),
    "channel-count",
    "error",
    ["a"],
  ],
  ["one case in two parts", (f) => f.splits({ train: ["a", "b"], validation: ["b"], test: [] }), "leak", "error", []],
  ["splits of unknown cases", (f) => f.splits({ train: ["a", "zz"] }), "layout", "error", []],
  [
    "a file that no case lists",
    (f) => writeVolume(join(f.path, "imagesTr", "extra.nii.gz"), image("a")),
    "unlisted-file",
    "warning",
    [],
  ],
  [
    "a class that is missing in one case",
    (f) => f.label("b", { data: label("b").data.map((x) => (x === 2 ? 0 : x)) as Uint8Array }),
    "missing-class",
    "note",
    ["b"],
  ],
  [
    "another element type",
    (f) => f.image("c", { data: new Uint8Array(voxels).map((_, n) => n % 100), dtype: "uint8" }),
    "dtype-differs",
    "note",
    ["c"],
  ],
];

describe("dataDoctor", () => {
  it("finds nothing in a sound set and says so", async () => {
    const report = await dataDoctor((await sound()).path);
    expect(report.findings).toEqual([]);
    expect(report).toMatchObject({ name: "Planted", ok: true, errors: 0, warnings: 0 });
    expect(report.cases.map((c) => c.part)).toEqual(["train", "train", "train", "train", "validation", "test"]);
    expect(report.cases[0]).toMatchObject({
      shape: [8, 7, 6],
      spacing: [1, 1, 2],
      orientation: "RAS",
      dtype: "float32",
    });
    expect(report.cases[0]!.labels).toEqual({ 0: 276, 1: 30, 2: 30 });
    expect(doctorText(report)).toMatch(
      /6 cases, 6 readable[\s\S]*spacing {2}1 x 1 x 2 mm[\s\S]*0 errors, 0 warnings: nothing wrong found/,
    );
  });

  for (const [fault, plant, code, severity, cases] of faults)
    it(`finds ${fault} (${code})`, async () => {
      const folder = await sound();
      await plant(folder);
      const report = await dataDoctor(folder.path, { thumbnails: false });
      const found = report.findings.filter((f) => f.code === code);
      expect(found, JSON.stringify(report.findings)).toHaveLength(1);
      expect([found[0]!.severity, [...found[0]!.cases].sort()]).toEqual([severity, cases]);
      expect(report.ok).toBe(!report.findings.some((f) => f.severity === "error"));
      const others = report.findings.filter((f) => f.code !== code && f.severity === "error");
      expect(others, JSON.stringify(others)).toEqual([]);
    });

  it("says that spacing is unknown when every case has none", async () => {
    const folder = await sound();
    const plain = { spacing: [1, 1, 1], affine: [1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1] };
    for (const id of ids) {
      await folder.image(id, plain);
      await folder.label(id, plain);
    }
    const report = await dataDoctor(folder.path);
    expect(report.findings.map((f) => f.code)).toEqual(["spacing-unknown"]);
    expect(report.ok).toBe(true);
  });

  it("looks at plain folders and configurations, and reports what is no data set", async () => {
    const folder = await sound();
    const config = {
      kind: "folder",
      path: folder.path,
      images: "imagesTr/{id}.nii.gz",
      classNames: ["background", "x", "y"],
    } as const;
    const unlabeled = await dataDoctor(config);
    expect(unlabeled.findings.filter((f) => f.code === "no-label")).toHaveLength(5);
    mkdirSync(join(root, "plain", "images"), { recursive: true });
    await writeVolume(join(root, "plain", "images", "p.nii"), image("a"));
    expect((await dataDoctor(join(root, "plain"))).cases.map((c) => c.id)).toEqual(["p"]);
    const nothing = await dataDoctor(join(root, "nowhere"));
    expect(nothing).toMatchObject({ ok: false, errors: 1 });
    expect(doctorText(nothing)).toMatch(/ERROR {3}layout: .*not a folder[\s\S]*1 errors, 0 warnings: not usable/);
    const generated = await dataDoctor({ kind: "phantom", shape: [16, 16, 8], train: 2, validation: 0, test: 0 });
    expect([generated.cases.length, generated.ok]).toEqual([2, true]);
  });

  it("writes one page with every case, a picture each, and names escaped", async () => {
    const folder = await sound();
    await folder.label("a", { data: label("a").data.map((x) => (x === 2 ? 7 : x)) as Uint8Array });
    const report = await dataDoctor(folder.path);
    const page = doctorHtml({ ...report, name: "<b>&" });
    expect(page).toContain("<h1>Data doctor: &lt;b&gt;&amp;</h1>");
    expect(page.match(/<img src="data:image\/png;base64,/g)).toHaveLength(6);
    expect(page).toContain('<span class="error">label-values</span>');
    expect(page).not.toMatch(/https?:\/\//);
    const png = Buffer.from(/base64,([^"]+)"/.exec(page)![1]!, "base64");
    expect(png.readUInt32BE(16)).toBe(8);
    writeFileSync(join(root, "page.html"), page);
    expect(readFileSync(join(root, "page.html")).length).toBeGreaterThan(3000);
  });

  it("tells its progress", async () => {
    const seen: string[] = [];
    await dataDoctor((await sound()).path, {
      thumbnails: false,
      onCase: (done, total) => void seen.push(`${done}/${total}`),
    });
    expect(seen).toEqual(["1/6", "2/6", "3/6", "4/6", "5/6", "6/6"]);
  });
});
