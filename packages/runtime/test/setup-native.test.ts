import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { BackendError } from "@semiseg/errors";
import { build } from "esbuild";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from "vitest";
import { BINDING, OPERATORS, QUIET } from "../src/setup/build-binding.js";
import { type NativeLayout, nativeLayout } from "../src/setup/native-layout.js";
import { nativeSources } from "../src/setup/native-sources.js";
import { setupNative } from "../src/setup/setup-native.js";
import { compiler, useSandbox } from "./helpers/sandbox.js";

const sandbox = useSandbox();
let layout: NativeLayout;

/** A cache in which everything is fetched and nothing built. */
beforeEach(() => {
  layout = nativeLayout("cpu", nativeSources().digest);
  mkdirSync(join(layout.library, "tensorflow", "include"), { recursive: true });
  writeFileSync(join(layout.library, "complete.json"), "{}");
  mkdirSync(join(layout.tfjsNode, "binding"), { recursive: true });
  writeFileSync(join(layout.tfjsNode, "package.json"), "{}");
});
afterEach(() => vi.restoreAllMocks());

const failure = async (): Promise<string> => {
  const error = await setupNative().catch((e: unknown) => e);
  expect(error).toBeInstanceOf(BackendError);
  return (error as Error).message;
};
const leftovers = () => readdirSync(sandbox.cache).filter((name) => /^build-|\.lock/.test(name));

describe("setupNative", () => {
  it("builds the binding and the operators, each source once per instruction set", async () => {
    sandbox.tool("g++", compiler());
    const steps: string[] = [];
    const { withoutOperators } = await setupNative({ onProgress: (step) => steps.push(step) });
    expect(withoutOperators).toBeNull();
    expect(readdirSync(layout.build).sort()).toEqual([OPERATORS, BINDING, QUIET].sort());
    for (const target of ["avx512", "avx2", "portable"])
      expect(sandbox.calls("g++", new RegExp(`SEMISEG_TARGET=${target} .*kernels_conv\\.cc`))).toBe(1);
    expect(steps.at(-1)).toBe("ready");
    expect(leftovers()).toEqual([]);
  });

  it("does nothing the second time", async () => {
    sandbox.tool("g++", compiler());
    await setupNative();
    const calls = sandbox.calls("g++");
    await setupNative();
    expect(sandbox.calls("g++")).toBe(calls);
  });

  it("keeps the binding when the operators do not compile, and says why there are none", async () => {
    sandbox.tool("g++", compiler('case "$INPUT" in *kernels_*) echo "bad instruction" >&2; exit 1;; esac'));
    expect((await setupNative()).withoutOperators).toMatch(/bad instruction/);
    expect(readdirSync(layout.build).sort()).toEqual([BINDING, QUIET].sort());
    expect((await setupNative()).withoutOperators).toMatch(/did not compile/);
  });

  it("leaves nothing half-built when the binding does not compile", async () => {
    sandbox.tool(
      "g++",
      compiler('case "$INPUT" in *tfjs_binding*) echo "absl/hash/hash.h: no such type" >&2; exit 1;; esac'),
    );
    expect(await failure()).toMatch(/compiling \S*tfjs_binding\.cc: absl\/hash\/hash\.h: no such type/);
    expect(existsSync(layout.build)).toBe(false);
    expect(leftovers()).toEqual([]);
  });

  it("explains a disk that fills up during the build", async () => {
    sandbox.tool("g++", compiler('echo "fatal error: error writing to x.o: No space left on device" >&2; exit 1'));
    expect(await failure()).toMatch(/disk is full while compiling.*SEMISEG_CACHE/);
  });

  it("names the compiler when there is none, and takes the one named in CXX", async () => {
    expect(await failure()).toMatch(/no C\+\+ compiler was found.*apt-get install g\+\+.*CXX/);
    process.env["CXX"] = sandbox.tool("my-compiler", compiler());
    await setupNative();
    expect(existsSync(join(layout.build, BINDING))).toBe(true);
  });

  it.each([
    ["musl", {}, /no glibc.*Debian or Ubuntu/],
    ["an old glibc", { glibcVersionRuntime: "2.17" }, /glibc 2\.17 is too old, 2\.27/],
  ])("refuses %s with the remedy", async (_, header, message) => {
    vi.spyOn(process.report, "getReport").mockReturnValue({ header } as never);
    expect(await failure()).toMatch(message);
  });

  it("refuses a platform without a TensorFlow build", async () => {
    vi.spyOn(process, "arch", "get").mockReturnValue("arm64");
    expect(await failure()).toMatch(/linux-arm64 is not supported.*WebAssembly/);
  });
});

describe("setups in several processes", () => {
  let script = "";
  const children: ChildProcess[] = [];
  beforeAll(async () => {
    // Beside the package, where the built file finds it and its dependencies.
    const folder = mkdtempSync(join(import.meta.dirname, "..", ".test-"));
    script = join(folder, "setup.mjs");
    await build({
      stdin: {
        contents: `import { setupNative } from "../src/setup/setup-native.js";
          const { withoutOperators } = await setupNative();
          console.log(JSON.stringify(withoutOperators));`,
        resolveDir: folder,
      },
      bundle: true,
      platform: "node",
      format: "esm",
      conditions: ["@semiseg/source"],
      outfile: script,
    });
  });
  afterAll(() => rmSync(join(script, ".."), { recursive: true, force: true }));
  afterEach(() => {
    for (const child of children.splice(0)) child.kill("SIGKILL");
  });

  const start = () => {
    const child = spawn(process.execPath, [script], { stdio: ["ignore", "pipe", "pipe"] });
    children.push(child);
    let output = "";
    child.stdout.on("data", (data) => {
      output += data;
    });
    child.stderr.on("data", (data) => {
      output += data;
    });
    const ended = new Promise<{ status: number | null; output: string }>((resolve) =>
      child.on("close", (status) => resolve({ status, output })),
    );
    return { child, ended };
  };
  const until = async (condition: () => boolean) => {
    for (let i = 0; i < 500 && !condition(); i++) await new Promise((resolve) => setTimeout(resolve, 20));
    expect(condition()).toBe(true);
  };

  it("wait for each other: everything is built once and both end well", async () => {
    sandbox.tool("g++", compiler("/bin/sleep 0.1"));
    const results = await Promise.all([start().ended, start().ended, start().ended]);
    for (const { status, output } of results) expect({ status, output }).toEqual({ status: 0, output: "null\n" });
    expect(sandbox.calls("g++", /-c .*tfjs_binding\.cc/)).toBe(1);
    expect(leftovers()).toEqual([]);
  });

  it("take over from one that was killed in the middle, and clear what it left", async () => {
    sandbox.tool("g++", compiler("/bin/sleep 1"));
    const first = start();
    await until(() => sandbox.calls("g++", /-c /) > 0);
    first.child.kill("SIGKILL");
    await first.ended;
    expect(leftovers().length).toBe(2);
    sandbox.tool("g++", compiler());
    expect(await start().ended).toEqual({ status: 0, output: "null\n" });
    expect(readdirSync(layout.build).sort()).toEqual([OPERATORS, BINDING, QUIET].sort());
    expect(leftovers()).toEqual([]);
  });

  it("take a dead one's lock over only once, however many wait for it", async () => {
    sandbox.tool("g++", compiler("/bin/sleep 0.05"));
    const dead = spawn("/bin/true");
    await new Promise((resolve) => dead.on("close", resolve));
    mkdirSync(layout.lock, { recursive: true });
    writeFileSync(
      join(layout.lock, "owner.json"),
      JSON.stringify({ pid: dead.pid, host: (await import("node:os")).hostname() }),
    );
    const results = await Promise.all([start().ended, start().ended, start().ended, start().ended]);
    expect(results.map(({ status }) => status)).toEqual([0, 0, 0, 0]);
    expect(sandbox.calls("g++", /-c .*tfjs_binding\.cc/)).toBe(1);
  });
});
