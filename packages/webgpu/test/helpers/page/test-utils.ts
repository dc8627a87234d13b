// The shared test helpers in a browser: every suite once, on WebGPU.
import "@tensorflow/tfjs";
import { initWebgpu } from "@semiseg/webgpu";
import * as tf from "@tensorflow/tfjs-core";
import { beforeAll, describe, runTestsBy } from "./vitest.js";

export { gradientError } from "../../../../test-utils/src/gradient-check.js";
export * from "../../../../test-utils/src/no-leak.js";

/** Thrown by a read that has to be waited for. */
class Pending extends Error {}

/**
 * Values cannot be read from WebGPU while code runs, and tests do. A test is run up to its first read, which is then
 * waited for; then again from the start, with that value at hand, up to the next read, and so on to the end. Tests whose
 * numbers are the same each time give what they would give otherwise.
 */
function readByRunningAgain(): void {
  const backend = tf.backend() as unknown as {
    readSync(id: object): unknown;
    incRef(id: object): void;
    tensorMap: { get(id: object): { values: unknown; shape: number[]; dtype: tf.DataType } };
  };
  let values: unknown[] = [];
  let at = 0;
  let pending: Promise<unknown> | null = null;
  backend.readSync = (id) => {
    const { values: here, shape, dtype } = backend.tensorMap.get(id);
    if (here) return here;
    if (at < values.length) return values[at++];
    if (!pending) {
      // A tensor of its own: the one that is read may be gone with its scope before the values are there.
      backend.incRef(id);
      const held = tf.keep(tf.engine().makeTensorFromTensorInfo({ dataId: id, shape, dtype }));
      pending = held.data().finally(() => held.dispose());
    }
    throw new Pending("read later");
  };
  runTestsBy(async (body) => {
    values = [];
    for (;;) {
      at = 0;
      pending = null;
      let fault: unknown;
      try {
        await body();
      } catch (error) {
        fault = error;
      }
      // Also where the test itself caught what the read threw.
      if (pending) values.push(await pending);
      else if (fault) throw fault;
      else return;
    }
  });
}

export const testBackends = ["webgpu"];
let ready: Promise<unknown> | undefined;

export function eachBackend(title: string, suite: (backend: string) => void): void {
  // For all of the file, also for what it tests on any engine.
  beforeAll(() => {
    ready ??= initWebgpu().then(readByRunningAgain);
    return ready;
  });
  describe(`${title} [webgpu]`, () => suite("webgpu"));
}
