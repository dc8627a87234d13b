import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { BackendError } from "@semiseg/errors";
import { afterEach, describe, expect, it } from "vitest";
import { fetchLibrary } from "../src/setup/fetch-library.js";
import { nativeLayout, WHEELS } from "../src/setup/native-layout.js";
import { silent } from "../src/setup/progress.js";
import { makeZip } from "./helpers/make-zip.js";
import { pip, useSandbox } from "./helpers/sandbox.js";

const NAME = "tensorflow_cpu-2.21.0-cp311-cp311-manylinux_2_27_x86_64.whl";
const sandbox = useSandbox();
const pinned = { cpu: WHEELS.cpu.sha256, gpu: WHEELS.gpu.sha256 };
const pin = (variant: "cpu" | "gpu", sha256: string) => {
  (WHEELS[variant] as { sha256: string }).sha256 = sha256;
};
afterEach(() => {
  pin("cpu", pinned.cpu);
  pin("gpu", pinned.gpu);
});

/** A small archive that looks like the wheel, pinned as if it were the real one. */
function wheel(variant: "cpu" | "gpu" = "cpu", name = NAME): string {
  const path = join(sandbox.root, name);
  makeZip(path, {
    "tensorflow/libtensorflow_cc.so.2": Buffer.alloc(3_000_000, 7),
    "tensorflow/libtensorflow_framework.so.2": Buffer.alloc(70_000, 3),
    "tensorflow/include/tensorflow/c/c_api.h": Buffer.from("// header"),
    "tensorflow/include/eigen3/Eigen/Core": Buffer.from("// no suffix"),
    "tensorflow/python/keras.py": Buffer.from("print()"),
  });
  pin(variant, createHash("sha256").update(readFileSync(path)).digest("hex"));
  return path;
}

const layout = () => nativeLayout("cpu", "test");
const failure = async (variant: "cpu" | "gpu" = "cpu"): Promise<string> => {
  const error = await fetchLibrary(nativeLayout(variant, "test"), silent).catch((e: unknown) => e);
  expect(error).toBeInstanceOf(BackendError);
  return (error as Error).message;
};

describe("fetchLibrary", () => {
  it("unpacks the libraries and headers and nothing else, and forgets the wheel", async () => {
    sandbox.tool("python3", pip(`/bin/cp "${wheel()}" "$DEST"`));
    await fetchLibrary(layout(), silent);
    const folder = join(layout().library, "tensorflow");
    expect(readFileSync(join(folder, "libtensorflow_cc.so.2")).equals(Buffer.alloc(3_000_000, 7))).toBe(true);
    expect(existsSync(join(folder, "include/tensorflow/c/c_api.h"))).toBe(true);
    expect(existsSync(join(folder, "include/eigen3/Eigen/Core"))).toBe(true);
    expect(existsSync(join(folder, "python"))).toBe(false);
    expect(readdirSync(join(layout().downloads, "cpu"))).toEqual([]);
  });

  it("does nothing when the library is there", async () => {
    sandbox.tool("python3", pip(`/bin/cp "${wheel()}" "$DEST"`));
    await fetchLibrary(layout(), silent);
    await fetchLibrary(layout(), silent);
    expect(sandbox.calls("python3", /download/)).toBe(1);
  });

  it("goes on from a downloaded wheel without fetching it again", async () => {
    const source = wheel();
    mkdirSync(join(layout().downloads, "cpu"), { recursive: true });
    writeFileSync(join(layout().downloads, "cpu", NAME), readFileSync(source));
    await fetchLibrary(layout(), silent);
    expect(sandbox.calls("python3")).toBe(0);
    expect(existsSync(join(layout().library, "complete.json"))).toBe(true);
  });

  it("finishes what a killed run left half-unpacked", async () => {
    sandbox.tool("python3", pip(`/bin/cp "${wheel()}" "$DEST"`));
    const folder = join(layout().library, "tensorflow");
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, "libtensorflow_cc.so.2.part"), "half");
    writeFileSync(join(folder, "libtensorflow_framework.so.2"), "short");
    await fetchLibrary(layout(), silent);
    expect(readFileSync(join(folder, "libtensorflow_cc.so.2")).length).toBe(3_000_000);
    expect(readFileSync(join(folder, "libtensorflow_framework.so.2")).length).toBe(70_000);
    expect(existsSync(join(folder, "libtensorflow_cc.so.2.part"))).toBe(false);
  });

  it("refuses a wheel of another content, deletes it, and fetches anew the next time", async () => {
    const source = wheel();
    sandbox.tool("python3", pip(`/usr/bin/head -c 1000 "${source}" > "$DEST/${NAME}"`));
    expect(await failure()).toMatch(/SHA-256 [0-9a-f]{64}, expected [0-9a-f]{64}; it was deleted: run the setup again/);
    expect(readdirSync(join(layout().downloads, "cpu"))).toEqual([]);
    expect(existsSync(layout().library)).toBe(false);
    sandbox.tool("python3", pip(`/bin/cp "${source}" "$DEST"`));
    await fetchLibrary(layout(), silent);
    expect(existsSync(join(layout().library, "complete.json"))).toBe(true);
  });

  it("replaces a wheel that an earlier run cut short", async () => {
    const source = wheel();
    mkdirSync(join(layout().downloads, "cpu"), { recursive: true });
    writeFileSync(join(layout().downloads, "cpu", NAME), readFileSync(source).subarray(0, 500));
    sandbox.tool("python3", pip(`/bin/cp "${source}" "$DEST"`));
    await fetchLibrary(layout(), silent);
    expect(existsSync(join(layout().library, "complete.json"))).toBe(true);
  });

  it("says that the archive is damaged when its hash was right and its content is not", async () => {
    const path = join(sandbox.root, NAME);
    writeFileSync(path, Buffer.alloc(2000, 1));
    pin("cpu", createHash("sha256").update(readFileSync(path)).digest("hex"));
    sandbox.tool("python3", pip(`/bin/cp "${path}" "$DEST"`));
    expect(await failure()).toMatch(/damaged.*run the setup again/);
  });

  it("names pip and the remedy when there is none", async () => {
    expect(await failure()).toMatch(/no pip was found.*python3-pip.*SEMISEG_PYTHON/);
  });

  it("asks the interpreter in SEMISEG_PYTHON first, and passes over a Python without pip", async () => {
    const source = wheel();
    sandbox.tool("python3", "echo 'No module named pip' >&2; exit 1");
    sandbox.tool("pip", pip(`/bin/cp "${source}" "$DEST"`));
    await fetchLibrary(layout(), silent);
    expect(sandbox.calls("pip", /download/)).toBe(1);
    rmSync(layout().library, { recursive: true });
    process.env["SEMISEG_PYTHON"] = sandbox.tool("chosen", pip(`/bin/cp "${source}" "$DEST"`));
    await fetchLibrary(layout(), silent);
    expect(sandbox.calls("chosen", /download/)).toBe(1);
    expect(sandbox.calls("pip", /download/)).toBe(1);
  });

  it.each([
    [
      "no network",
      "WARNING: Retrying: NewConnectionError\nERROR: No matching distribution found",
      /network is not reachable.*run the setup again/,
    ],
    ["no such wheel", "ERROR: No matching distribution found for tensorflow-cpu", /index has no suitable wheel/],
    ["full disk", "OSError: [Errno 28] No space left on device", /disk is full.*SEMISEG_CACHE/],
    ["read-only folder", "OSError: [Errno 30] Read-only file system", /no permission.*SEMISEG_CACHE/],
    ["changed content", "ERROR: THESE PACKAGES DO NOT MATCH THE HASHES", /expected content.*proxy or mirror/],
    ["anything else", "one\ntwo\nthree\nfour", /failed while fetching the TensorFlow library: two \| three \| four/],
  ])("explains pip's failure: %s", async (_, text, message) => {
    sandbox.tool("python3", pip(`printf '${text.replaceAll("\n", "\\n")}\\n' >&2; exit 1`));
    expect(await failure()).toMatch(message);
    expect(existsSync(layout().library)).toBe(false);
  });

  it("takes the CUDA libraries along for the GPU", async () => {
    const source = wheel("gpu", "tensorflow-2.21.0-cp311-cp311-manylinux_2_27_x86_64.whl");
    const cuda = join(sandbox.root, "nvidia_cudnn_cu12-9.9-py3-none-manylinux_2_27_x86_64.whl");
    makeZip(cuda, {
      "nvidia/cudnn/lib/libcudnn.so.9": Buffer.alloc(100, 1),
      "nvidia/cudnn/__init__.py": Buffer.from(""),
    });
    sandbox.tool("python3", pip(`/bin/cp "${source}" "${cuda}" "$DEST"`));
    const gpu = nativeLayout("gpu", "test");
    await fetchLibrary(gpu, silent);
    expect(existsSync(join(gpu.library, "tensorflow/libtensorflow_cc.so.2"))).toBe(true);
    expect(existsSync(join(gpu.library, "nvidia/cudnn/lib/libcudnn.so.9"))).toBe(true);
    expect(existsSync(join(gpu.library, "nvidia/cudnn/__init__.py"))).toBe(false);
    expect(sandbox.calls("python3", /tensorflow\[and-cuda\]==2\.21\.0/)).toBe(1);
    pin("gpu", "0".repeat(64));
    rmSync(gpu.library, { recursive: true });
    expect(await failure("gpu")).toMatch(/SHA-256/);
  });
});
