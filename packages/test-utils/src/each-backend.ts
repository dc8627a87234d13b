import "@tensorflow/tfjs";
import { initBackend } from "@semiseg/runtime";
import * as tf from "@tensorflow/tfjs-core";
import { beforeAll, describe } from "vitest";

/**
 * Engines of this run: SEMISEG_TEST_BACKENDS, a comma list of `cpu`, `tensorflow`, `webgpu`; by default `cpu` and
 * `tensorflow`. An engine that is named and cannot be readied fails the suite: nothing is skipped silently.
 */
export const testBackends = (process.env["SEMISEG_TEST_BACKENDS"] ?? "cpu,tensorflow").split(",");

/** Runs a suite once per engine. */
export function eachBackend(title: string, suite: (backend: string) => void): void {
  for (const backend of testBackends) {
    describe(`${title} [${backend}]`, () => {
      beforeAll(async () => {
        if (backend === "cpu") {
          await tf.setBackend("cpu");
          await tf.ready();
        } else await initBackend({ prefer: backend as "tensorflow" });
      }, 120_000);
      suite(backend);
    });
  }
}
