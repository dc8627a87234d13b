import { decode } from "fast-png";
import { describe, expect, it } from "vitest";
import {
  type CaseEvaluation,
  type Evaluation,
  evaluationCsv,
  lineChart,
  type MetricRow,
  reportHtml,
  slicePicture,
  summarize,
  summaryTable,
} from "../src/index.js";

const row = (c: number, metric: string, value: number, missed = false): MetricRow => ({
  class: c,
  metric,
  value,
  unit: metric === "dice" ? "" : "mm",
  dialect: "medpy",
  empty: "nan",
  missed,
});
const cases: CaseEvaluation[] = [
  { id: "a,1", seconds: 1, rows: [row(1, "dice", 0.8), row(2, "dice", 0.6), row(1, "hd95", 2), row(2, "hd95", 4)] },
  {
    id: "b<2>",
    seconds: 1,
    rows: [row(1, "dice", 0.6), row(2, "dice", 0, true), row(1, "hd95", 4), row(2, "hd95", Number.NaN, true)],
  },
];
const evaluation: Evaluation = {
  model: { network: "teacher", selected: "best", step: 40 },
  part: "test",
  classNames: ["background", "head", "tail"],
  dialect: "medpy",
  empty: "nan",
  cases,
  summary: summarize(cases),
};

describe("summarize", () => {
  it("averages over cases per class, and per case over classes first for the mean", () => {
    const find = (c: number | "mean", metric: string) =>
      evaluation.summary.find((item) => item.class === c && item.metric === metric)!;
    expect(find(1, "dice").mean).toBeCloseTo(0.7, 12);
    expect(find("mean", "dice").mean).toBeCloseTo((0.7 + 0.3) / 2, 12);
    expect(find("mean", "dice").sd).toBeCloseTo(Math.sqrt(2 * 0.2 ** 2), 12);
  });

  it("leaves NaN out, counts what is left and what was missed", () => {
    const tail = evaluation.summary.find((item) => item.class === 2 && item.metric === "hd95")!;
    expect(tail).toMatchObject({ mean: 4, count: 1, cases: 2, missed: 1 });
    expect(tail.sd).toBeNaN();
    expect(evaluation.summary.find((item) => item.class === "mean" && item.metric === "hd95")!.mean).toBe(3.5);
  });
});

describe("evaluationCsv", () => {
  it("has one line per case, class and metric and quotes what needs it", () => {
    const lines = evaluationCsv([evaluation]).trimEnd().split("\n");
    expect(lines).toHaveLength(9);
    expect(lines[1]).toBe('test,teacher,best,40,"a,1",1,head,dice,0.8,,medpy,nan,false');
    expect(lines[8]).toBe("test,teacher,best,40,b<2>,2,tail,hd95,NaN,mm,medpy,nan,true");
  });
});

describe("summaryTable", () => {
  it("prints mean and deviation, unit and missed cases", () => {
    const [head, body] = summaryTable([evaluation]).split("\n");
    expect(head).toMatch(/dice +hd95 \(mm\) +missed/);
    expect(body).toMatch(
      /test \(2 cases\): teacher, best on validation, step 40 +0\.500 ± 0\.283 +3\.500 ± 0\.707 +1$/,
    );
  });
});

describe("lineChart", () => {
  it("breaks the line at values that are not finite", () => {
    const svg = lineChart({
      title: "a < b",
      series: [{ name: "x", points: [0, 1, Number.NaN, 3, 4].map((y, i) => [i, y] as const) }],
    });
    expect(svg).toContain("a &lt; b");
    expect(/ d="(M[^"]+)"/.exec(svg)![1]!.match(/[ML]/g)!.join("")).toBe("MLML");
  });

  it("is empty text without a finite point", () => {
    expect(lineChart({ title: "", series: [{ name: "x", points: [[0, Number.NaN]] }] })).toBe("");
  });
});

describe("slicePicture", () => {
  it("draws the plane where the truth is largest, truth outside, prediction inside", () => {
    const shape = [4, 3, 2];
    const truth = new Uint8Array(24);
    truth[(1 * 3 + 1) * 2 + 1] = 1; // voxel (1, 1) of plane 1
    const image = Float32Array.from({ length: 24 }, (_, i) => i);
    const picture = slicePicture({ image, truth, prediction: truth, shape, pixels: 32 });
    expect(picture).toMatchObject({ width: 32, height: 24, plane: 1 });
    const { data } = decode(picture.png);
    const pixel = (x: number, y: number): number[] => [...data.slice((y * 32 + x) * 3, (y * 32 + x) * 3 + 3)];
    expect(pixel(8, 12)).toEqual([34, 197, 94]);
    expect(pixel(12, 8)).toEqual([34, 197, 94]);
    expect(pixel(9, 12)).toEqual([248, 63, 94]);
    const [r, g, b] = pixel(12, 12);
    expect(r === g && g === b).toBe(true);
  });
});

describe("reportHtml", () => {
  const html = reportHtml({
    title: "Run <one>",
    records: [
      {
        kind: "step",
        step: 0,
        loss: 1,
        lr: 0.01,
        terms: { dice: { value: 2, weight: 0.5, weighted: 1 } },
        log: { accepted: 0.3 },
      },
      { kind: "step", step: 1, loss: 0.5, lr: 0.01, terms: { dice: { value: 1, weight: 0.5, weighted: 0.5 } } },
      { kind: "validation", step: 2, dice: { student: 0.4, teacher: 0.5 } },
    ],
    evaluations: [evaluation],
    slices: [{ png: Uint8Array.of(1, 2, 3), width: 8, height: 9, caption: "case b<2>" }],
    selection: "last step; best on validation is printed beside it",
    facts: { engine: "cpu" },
    config: { method: "</pre><script>" },
  });

  it("is one page without scripts or anything from elsewhere", () => {
    expect(html).not.toMatch(/<script|<link|https?:|@import/);
    expect(html).toContain("data:image/png;base64,AQID");
  });

  it("shows curves, the summary with missed cases, every case and what was selected on", () => {
    for (const text of [
      "Terms, weighted",
      "Validation, mean foreground Dice",
      "accepted",
      "teacher, best on validation, step 40",
      "0.500 ± 0.283",
      "1 missed",
      "b&lt;2&gt;",
      "last step; best on validation is printed beside it",
    ])
      expect(html).toContain(text);
  });

  it("escapes whatever comes from outside", () => {
    expect(html).toContain("Run &lt;one&gt;");
    expect(html).not.toContain("</pre><script>");
  });
});
