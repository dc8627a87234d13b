import { appendFileSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { DiskFullError, decodeJson, encodeJson, filterJsonLines, JsonLinesLog, readJsonLines } from "../src/index.js";

let folder = "";
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "semiseg-log-"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

describe("encodeJson", () => {
  it("writes NaN and infinities as strings and reads them back as numbers", () => {
    const record = { a: Number.NaN, b: [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY], c: 0.1 + 0.2, d: "text" };
    expect(encodeJson(record)).toBe('{"a":"NaN","b":["Infinity","-Infinity"],"c":0.30000000000000004,"d":"text"}');
    expect(decodeJson(encodeJson(record))).toEqual(record);
  });
});

describe("JsonLinesLog", () => {
  it("appends one line per record, also to a file from an earlier run", () => {
    const path = join(folder, "log.jsonl");
    for (const step of [0, 1]) {
      const log = new JsonLinesLog(path);
      log.append({ step, loss: step / 3 });
      log.sync();
      log.close();
    }
    expect(readFileSync(path, "utf8")).toBe('{"step":0,"loss":0}\n{"step":1,"loss":0.3333333333333333}\n');
    expect(readJsonLines(path)).toEqual([
      { step: 0, loss: 0 },
      { step: 1, loss: 1 / 3 },
    ]);
  });

  it("leaves out a last line torn by a crash", () => {
    const path = join(folder, "log.jsonl");
    writeFileSync(path, '{"step":0}\n{"step":1}\n');
    appendFileSync(path, '{"step":2,"lo');
    expect(readJsonLines(path)).toEqual([{ step: 0 }, { step: 1 }]);
    filterJsonLines(path, (record) => record["step"] !== 1);
    expect(readFileSync(path, "utf8")).toBe('{"step":0}\n');
  });

  it("reads a missing file as no records", () => {
    expect(readJsonLines(join(folder, "none.jsonl"))).toEqual([]);
    expect(() => filterJsonLines(join(folder, "none.jsonl"), () => true)).not.toThrow();
  });

  it.runIf(process.platform === "linux")("throws DiskFullError naming the file when the disk is full", () => {
    const path = join(folder, "log.jsonl");
    symlinkSync("/dev/full", path);
    const log = new JsonLinesLog(path);
    expect(() => log.append({ step: 0 })).toThrow(DiskFullError);
    expect(() => log.append({ step: 0 })).toThrow(path);
    log.close();
  });
});
