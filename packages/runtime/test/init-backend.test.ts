import { BackendError, OptionError } from "@semiseg/errors";
import * as tf from "@tensorflow/tfjs-core";
import { afterEach, describe, expect, it, vi } from "vitest";
import { main } from "../src/cli.js";
import { doctor, formatDoctor } from "../src/engine/doctor.js";
import { initBackend } from "../src/engine/init-backend.js";
import { compiler, pip, useSandbox } from "./helpers/sandbox.js";

// Nothing is set up here: the cache is empty, and no tool is on the PATH unless a test puts it there.
const sandbox = useSandbox();
afterEach(() => vi.restoreAllMocks());

describe("initBackend without native TensorFlow", () => {
  it("falls back to WebAssembly and says in one line why not the better engines", async () => {
    const lines = vi.spyOn(console, "error").mockImplementation(() => undefined);
    const info = await initBackend();
    expect(info).toMatchObject({ name: "wasm", backend: "wasm", device: "cpu" });
    expect(info.why.join(" ")).toMatch(/webgpu: .*tensorflow: .*not set up: run npx semiseg-runtime setup/);
    expect(lines.mock.calls).toHaveLength(1);
    expect(lines.mock.calls[0]![0]).toMatch(/^engine: wasm .*not webgpu: .*not tensorflow: /);
    expect(tf.getBackend()).toBe("wasm");
  });

  it("computes a 3-D convolution and its gradients on the fallback", async () => {
    await initBackend({ quiet: true });
    const x = tf.ones([1, 4, 4, 4, 2]) as tf.Tensor5D;
    const w = tf.ones([3, 3, 3, 2, 3]) as tf.Tensor5D;
    const [dx, dw] = tf.grads((a: tf.Tensor, b: tf.Tensor) =>
      tf.sum(tf.conv3d(a as tf.Tensor5D, b as tf.Tensor5D, 1, "valid")),
    )([x, w]);
    expect(Array.from(dw!.dataSync())).toEqual(new Array(162).fill(8));
    expect(dx!.dataSync()[0]).toBe(3);
  });

  it("downloads nothing unless asked", async () => {
    for (const tool of ["python3", "npm", "g++"]) sandbox.tool(tool, "exit 1");
    await initBackend({ quiet: true });
    for (const tool of ["python3", "npm", "g++"]) expect(sandbox.calls(tool)).toBe(0);
  });

  it("still falls back when a setup that was asked for fails", async () => {
    const info = await initBackend({ quiet: true, setup: true });
    expect(info.name).toBe("wasm");
    expect(info.why.join(" ")).toMatch(/tensorflow: native TensorFlow: npm was not found/);
  });

  it("prints nothing when quiet", async () => {
    const lines = vi.spyOn(console, "error").mockImplementation(() => undefined);
    await initBackend({ quiet: true });
    expect(lines).not.toHaveBeenCalled();
  });

  it("does not choose an engine that lacks the precision, and says what to do", async () => {
    expect((await initBackend({ quiet: true })).precision).toBe("float32");
    await expect(initBackend({ quiet: true, precision: "float16" })).rejects.toThrow(
      /no engine can be used: webgpu: .*wasm computes in float32: precision float16 is for a GPU \(cuda, webgpu\), use float32 here/,
    );
    await expect(initBackend({ prefer: "cpu", precision: "bfloat16" })).rejects.toThrow(BackendError);
    await expect(initBackend({ prefer: "webgpu", precision: "bfloat16" })).rejects.toThrow(
      /no bfloat16: use .*float16/,
    );
    await expect(initBackend({ precision: "half" as never })).rejects.toThrow(OptionError);
  });

  it("throws instead of falling back when an engine is asked for by name or by SEMISEG_BACKEND", async () => {
    await expect(initBackend({ prefer: "tensorflow" })).rejects.toThrow(BackendError);
    process.env["SEMISEG_BACKEND"] = "tensorflow";
    await expect(initBackend()).rejects.toThrow(/not set up/);
    process.env["SEMISEG_BACKEND"] = "cpu";
    expect((await initBackend({ quiet: true })).name).toBe("cpu");
    expect((await initBackend({ quiet: true, prefer: "wasm" })).name).toBe("wasm");
  });

  it("refuses an engine it does not know, naming those it knows", async () => {
    process.env["SEMISEG_BACKEND"] = "tpu";
    const error = await initBackend().catch((e: unknown) => e);
    expect(error).toBeInstanceOf(OptionError);
    expect((error as Error).message).toMatch(/tpu/);
    expect((error as Error).message).toMatch(/tensorflow/);
  });
});

describe("doctor", () => {
  it("gives a remedy for everything that is missing", async () => {
    const rows = new Map((await doctor()).map((row) => [row.name, row]));
    for (const name of ["pip", "npm", "C++ compiler", "native TensorFlow (cpu)", "NVIDIA GPU"]) {
      expect(rows.get(name)?.usable, name).toBe(false);
      expect(rows.get(name)?.remedy, name).not.toBe("");
    }
    expect(rows.get("Node")?.usable).toBe(true);
  });

  it("finds the tools that are there", async () => {
    sandbox.tool("python3", pip("exit 0"));
    sandbox.tool("npm", "echo 11.0.0");
    sandbox.tool("g++", compiler());
    const rows = new Map((await doctor()).map((row) => [row.name, row]));
    expect(rows.get("pip")).toMatchObject({ usable: true, detail: "pip 99.0" });
    expect(rows.get("npm")).toMatchObject({ usable: true, detail: "11.0.0" });
    expect(rows.get("C++ compiler")).toMatchObject({ usable: true, detail: "g++ 99" });
  });

  it.each([
    ["NVIDIA H100, 470.10, 80000, 81559", false, /too old.*525/],
    ["NVIDIA H100, 550.54, 300, 81559", false, /less than 2 GiB/],
    ["NVIDIA H100, 550.54, 80000, 81559", true, /^$/],
  ])("judges the driver's answer %s", async (line, usable, remedy) => {
    sandbox.tool("nvidia-smi", `echo "${line}"`);
    const row = (await doctor()).find(({ name }) => name === "NVIDIA GPU");
    expect(row?.usable).toBe(usable);
    expect(row?.remedy).toMatch(remedy);
  });

  it("is readable as text: one line per finding, the remedy below", async () => {
    const rows = await doctor();
    const lines = formatDoctor(rows).split("\n");
    expect(lines.length).toBe(rows.length + rows.filter(({ remedy }) => remedy !== "").length);
    expect(lines.some((line) => /^no {2}pip .*not found/.test(line))).toBe(true);
    expect(lines.some((line) => /-> npx semiseg-runtime setup$/.test(line))).toBe(true);
  });
});

describe("semiseg-runtime", () => {
  const run = async (...argv: string[]) => {
    const out = vi.spyOn(console, "log").mockImplementation(() => undefined);
    const error = vi.spyOn(console, "error").mockImplementation(() => undefined);
    const written = vi.spyOn(process.stderr, "write").mockReturnValue(true);
    const status = await main(argv);
    const text = (spy: { mock: { calls: unknown[][] } }) => spy.mock.calls.map(([line]) => String(line)).join("\n");
    const result = { status, out: text(out), error: text(error) };
    for (const spy of [out, error, written]) spy.mockRestore();
    return result;
  };

  it("ends with status 1 and the reason when the setup fails, 0 with --optional", async () => {
    const failed = await run("setup");
    expect(failed.status).toBe(1);
    expect(failed.error).toMatch(/npm was not found/);
    const optional = await run("setup", "--optional");
    expect(optional.status).toBe(0);
    expect(optional.error).toMatch(/npm was not found[\s\S]*the fallback engine is used/);
  });

  it("answers machines with --json", async () => {
    const failed = await run("setup", "--json");
    expect(JSON.parse(failed.out)).toMatchObject({ ready: false });
    const rows = JSON.parse((await run("doctor", "--json")).out) as { name: string }[];
    expect(rows.map(({ name }) => name)).toContain("native TensorFlow (cpu)");
  });

  it("explains itself: --help, no command, an unknown command or flag", async () => {
    expect(await run("--help")).toMatchObject({ status: 0 });
    expect((await run()).status).toBe(2);
    expect((await run("fly")).error).toMatch(/unknown command 'fly'/);
    const flag = await run("setup", "--cuda");
    expect(flag.status).toBe(2);
    expect(flag.error).toMatch(/--cuda/);
  });
});
