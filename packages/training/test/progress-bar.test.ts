import { describe, expect, it } from "vitest";
import { formatDuration, progressBar } from "../src/index.js";

function recorder(isTTY: boolean): { isTTY: boolean; columns: number; text: string; write(text: string): void } {
  return {
    isTTY,
    columns: 120,
    text: "",
    write(text) {
      this.text += text;
    },
  };
}

describe("formatDuration", () => {
  it("writes hours only when there are some", () => {
    expect([0, 61, 3723, Number.NaN].map(formatDuration)).toEqual(["0:00", "1:01", "1:02:03", "?"]);
  });
});

describe("progressBar", () => {
  it("shows steps, rate, time left and the given numbers", () => {
    let time = 0;
    const stream = recorder(true);
    const bar = progressBar({ total: 100, label: "train", stream, now: () => time });
    time = 10_000;
    bar.update(20, { loss: 0.123456 });
    expect(stream.text).toContain("train [####................] 20/100  2.00/s  0:40 left  loss 0.123");
    bar.finish();
    expect(stream.text.endsWith("\n")).toBe(true);
  });

  it("does not count what an earlier process did", () => {
    let time = 0;
    const stream = recorder(true);
    const bar = progressBar({ total: 100, start: 50, stream, now: () => time });
    time = 10_000;
    bar.update(60);
    expect(stream.text).toContain("1.00/s  0:40 left");
  });

  it("writes seldom and whole lines where there is no terminal, but always the last", () => {
    let time = 0;
    const stream = recorder(false);
    const bar = progressBar({ total: 40, stream, now: () => time });
    for (let step = 1; step <= 40; step++) {
      time += 1000;
      bar.update(step);
    }
    bar.finish();
    const lines = stream.text.trimEnd().split("\n");
    expect(lines.map((line) => line.split("/")[0])).toEqual(["1", "11", "21", "31", "40"]);
    expect(stream.text).not.toContain("\r");
  });

  it("puts notes on lines of their own", () => {
    const stream = recorder(true);
    const bar = progressBar({ total: 4, stream });
    bar.update(1);
    bar.note("saved");
    expect(stream.text).toMatch(/\r *\rsaved\n.*1\/4/);
  });
});
