import {
  FUSED_ADAMW,
  FUSED_EMA,
  FUSED_GELU,
  FUSED_GELU_GRAD,
  FUSED_LAYER_NORM,
  FUSED_LAYER_NORM_GRAD,
  FUSED_NORM,
  FUSED_NORM_GRAD,
  FUSED_SEGMENTATION_SUMS,
  FUSED_SEGMENTATION_SUMS_GRAD,
  FUSED_SGD,
  hasKernel,
  RELU_GRAD,
} from "@semiseg/kernels";
import { backend, unregisterKernel } from "@tensorflow/tfjs-core";
import { afterEach, beforeAll, describe, expect, it, vi } from "vitest";
import { registerChecked } from "../src/engine/cuda/operators.js";
import {
  CHECKS,
  type OperatorBinding,
  problemOf,
  type RunOperator,
  runnerOf,
  selfCheck,
} from "../src/engine/cuda/self-check.js";
import { onNativeEngine } from "./helpers/native-engine.js";

onNativeEngine();

let native: RunOperator;
beforeAll(() => {
  native = runnerOf((backend() as unknown as { binding: OperatorBinding }).binding);
});
afterEach(() => vi.restoreAllMocks());

const KERNELS = {
  "group norms": [FUSED_NORM, FUSED_NORM_GRAD],
  "layer norm": [FUSED_LAYER_NORM, FUSED_LAYER_NORM_GRAD],
  "ReLU gradient": [RELU_GRAD],
  GELU: [FUSED_GELU, FUSED_GELU_GRAD],
  SGD: [FUSED_SGD],
  AdamW: [FUSED_ADAMW],
  EMA: [FUSED_EMA],
  "segmentation sums": [FUSED_SEGMENTATION_SUMS, FUSED_SEGMENTATION_SUMS_GRAD],
} as const satisfies Record<keyof typeof CHECKS, readonly string[]>;
const ALL = Object.values(KERNELS).flat();

/** The CPU's results, those of one operator changed. */
const doctored =
  (op: string, change: (results: Float32Array[]) => ArrayLike<number>[]): RunOperator =>
  (call) => {
    const results = native(call).map((numbers) => Float32Array.from(numbers));
    return call.op === op ? change(results) : results;
  };

describe("selfCheck", () => {
  it("passes operators that are right: the CPU's own", () => {
    expect([...selfCheck(native)]).toEqual([]);
  });

  it("sees one wrong number in any result of any call, and one that is missing", () => {
    let seen = 0;
    for (const calls of Object.values(CHECKS))
      for (const call of calls()) {
        const results = native(call).map((numbers) => Float32Array.from(numbers));
        expect(problemOf(call, results)).toBeNull();
        for (const [k, numbers] of results.entries()) {
          if (numbers.length === 0) continue;
          const at = numbers.reduce((best, v, i) => (Math.abs(v) > Math.abs(numbers[best]!) ? i : best), 0);
          const right = numbers[at]!;
          for (const other of [right * 1.001, Number.NaN]) {
            numbers[at] = other;
            expect(problemOf(call, results), `${call.op}, result ${k}`).toMatch(
              new RegExp(`^${call.op}: result ${k} `),
            );
          }
          numbers[at] = right;
          seen++;
        }
        results[0] = results[0]!.subarray(1);
        expect(problemOf(call, results)).toMatch(/numbers$/);
        expect(problemOf(call, results.slice(1))).toMatch(/results$/);
      }
    expect(seen).toBeGreaterThan(300);
  });

  it("names the check whose operator is wrong, or fails, and goes on with the others", () => {
    const wrong = doctored("SemisegAdamW", ([first, ...rest]) => [first!.map((v) => v + 0.01), ...rest]);
    expect([...selfCheck(wrong).keys()]).toEqual(["AdamW"]);
    const failing = doctored("SemisegNormGradient", () => {
      throw new Error("SemisegNormGradient: no\nCUDA");
    });
    expect([...selfCheck(failing)]).toEqual([
      ["group norms", "SemisegNormGradient: no CUDA"],
      ["layer norm", "SemisegNormGradient: no CUDA"],
    ]);
  });

  it("frees every tensor it makes, also when an operator fails", () => {
    const binding = (backend() as unknown as { binding: OperatorBinding }).binding;
    const alive = new Set<number>();
    const counting: OperatorBinding = Object.create(binding, {
      createTensor: {
        value: (...args: Parameters<OperatorBinding["createTensor"]>) => {
          const id = binding.createTensor(...args);
          alive.add(id);
          return id;
        },
      },
      executeOp: {
        value: (...args: Parameters<OperatorBinding["executeOp"]>) => {
          const results = binding.executeOp(...args);
          for (const { id } of results) alive.add(id);
          return results;
        },
      },
      tensorDataSync: { value: (id: number) => binding.tensorDataSync(id) },
      deleteTensor: {
        value: (id: number) => {
          alive.delete(id);
          binding.deleteTensor(id);
        },
      },
    });
    const run = runnerOf(counting);
    const [call] = CHECKS["ReLU gradient"]();
    run(call!);
    expect(() => run({ ...call!, op: "SemisegNoSuchOperator" })).toThrow();
    expect(alive.size).toBe(0);
  });
});

describe("registerChecked", () => {
  const register = (run: RunOperator): { any: boolean; said: string[]; present: string[] } => {
    for (const name of ALL.filter(hasKernel)) unregisterKernel(name, "tensorflow");
    const said: string[] = [];
    vi.spyOn(console, "error").mockImplementation((text: string) => {
      said.push(text);
    });
    const any = registerChecked(run);
    return { any, said, present: ALL.filter(hasKernel) };
  };

  it("puts all kernels behind their names when all pass, and says nothing", () => {
    expect(register(native)).toEqual({ any: true, said: [], present: ALL });
  });

  it.each(Object.entries(KERNELS))(
    "leaves %s out when its operator is wrong, and says so in one line",
    (name, kernels) => {
      const calls = CHECKS[name as keyof typeof CHECKS]();
      const marks = new Set(
        calls.map((call) => JSON.stringify([call.op, call.attrs, call.inputs.map(({ shape }) => shape)])),
      );
      const { any, said, present } = register((call) => {
        const results = native(call).map((numbers) => Float32Array.from(numbers));
        const own = marks.has(JSON.stringify([call.op, call.attrs, call.inputs.map(({ shape }) => shape)]));
        return own ? results.map((numbers) => numbers.map((v) => v * 1.01)) : results;
      });
      expect(any).toBe(true);
      expect(present).toEqual(ALL.filter((kernel) => !(kernels as readonly string[]).includes(kernel)));
      expect(said).toHaveLength(1);
      expect(said[0]).toContain(`${name} (Semiseg`);
      expect(said[0]).not.toContain("\n");
    },
  );

  it("uses none when all fail, and gives the reason that they share once", () => {
    const { any, said, present } = register(() => {
      throw new Error("no run-time compiler");
    });
    expect({ any, present }).toEqual({ any: false, present: [] });
    expect(said).toHaveLength(1);
    expect(said[0]!.match(/no run-time compiler/g)).toHaveLength(1);
    for (const name of Object.keys(KERNELS)) expect(said[0]).toContain(name);
  });
});
