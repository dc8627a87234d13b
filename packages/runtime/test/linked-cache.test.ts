import { mkdtempSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { cacheFolder } from "@semiseg/kernels";
import * as tf from "@tensorflow/tfjs-core";
import { afterAll, beforeAll, expect, it } from "vitest";
import { initBackend } from "../src/engine/init-backend.js";

let folder = "";
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "semiseg-link-"));
  const link = join(folder, "cache");
  symlinkSync(cacheFolder(), link);
  process.env["SEMISEG_CACHE"] = link;
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

it("native TensorFlow loads from a cache folder that is a link, as on machines whose homes are elsewhere", async () => {
  const { name } = await initBackend({ quiet: true, prefer: "tensorflow" });
  expect(name).toBe("tensorflow");
  expect(Array.from(tf.matMul(tf.ones([2, 3]), tf.ones([3, 2])).dataSync())).toEqual([3, 3, 3, 3]);
});
