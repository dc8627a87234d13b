import { mkdir, mkdtemp, readdir, rename, rm, stat } from "node:fs/promises";
import { createRequire } from "node:module";
import { availableParallelism } from "node:os";
import { dirname, join, relative } from "node:path";
import { BackendError } from "@semiseg/errors";
import { explainFailure } from "./explain-failure.js";
import { NAPI_VERSION, type NativeLayout } from "./native-layout.js";
import { nativeSources } from "./native-sources.js";
import type { Progress } from "./progress.js";
import { type CommandResult, runCommand } from "./run-command.js";

/** File names of what is built. */
export const BINDING = "tfjs_binding.node";
export const OPERATORS = "semiseg_ops.node";
export const QUIET = "quiet.node";

/** Operators on a CUDA device: only the GPU build of TensorFlow has such devices. */
const CUDA_SOURCE = "operators_cuda.cc";

/** Instruction sets that get a copy of the kernels, chosen at run time. */
const TARGETS: Readonly<Record<string, readonly string[]>> = {
  avx512: ["-march=x86-64-v4", "-mprefer-vector-width=512", "-DSEMISEG_TARGET=avx512"],
  avx2: ["-march=x86-64-v3", "-DSEMISEG_TARGET=avx2"],
  portable: ["-march=x86-64", "-DSEMISEG_TARGET=portable"],
};

async function compiler(): Promise<string> {
  const candidates = [process.env["CXX"], "g++", "c++", "clang++"].filter((name): name is string => !!name);
  for (const name of candidates) if ((await runCommand(name, ["--version"])).status === 0) return name;
  throw new BackendError(
    "native TensorFlow: no C++ compiler was found, which builds the binding: install one (Debian: apt-get install g++), or name it in CXX",
  );
}

function check(step: string, result: CommandResult): void {
  if (result.status === 0) return;
  if (/GLIBC(XX)?_[\d.]+' not found|undefined reference to .*@GLIBC/i.test(result.stderr))
    throw new BackendError(
      "native TensorFlow: this system's C library is older than the TensorFlow build needs (glibc 2.27): update the system; the fallback engine works",
    );
  throw explainFailure(step, result.stderr + result.stdout);
}

/** Runs jobs, at most one per core at a time. After a failure none is begun, and those that run are waited for. */
async function inParallel(jobs: readonly (() => Promise<void>)[]): Promise<void> {
  const queue = [...jobs];
  const worker = async (): Promise<void> => {
    for (let job = queue.shift(); job; job = queue.shift())
      try {
        await job();
      } catch (error) {
        queue.length = 0;
        throw error;
      }
  };
  const workers = Array.from({ length: Math.min(availableParallelism(), jobs.length) }, worker);
  for (const result of await Promise.allSettled(workers)) if (result.status === "rejected") throw result.reason;
}

/**
 * Compiles tfjs-node's binding and our operators against the cached library. The binding alone is kept when the
 * operators do not compile: slower, still native.
 *
 * @returns why there are no operators, or null.
 */
export async function buildBinding(layout: NativeLayout, progress: Progress): Promise<string | null> {
  const ready = await readdir(layout.build).catch(() => [] as string[]);
  if (ready.includes(BINDING)) return ready.includes(OPERATORS) ? null : "the operators did not compile";
  const cxx = await compiler();
  const parent = dirname(layout.build);
  await mkdir(parent, { recursive: true });
  const work = await mkdtemp(join(parent, "build-"));
  const tensorflow = join(layout.library, "tensorflow");
  const napi = join(dirname(createRequire(import.meta.url).resolve("node-api-headers/package.json")), "include");
  // Relative, so that the cache folder can be moved.
  const rpath = `$ORIGIN/${relative(layout.build, tensorflow)}`;
  const common = [
    "-O2",
    "-fPIC",
    "-std=c++17",
    "-w",
    `-DNAPI_VERSION=${NAPI_VERSION}`,
    `-I${napi}`,
    `-I${join(tensorflow, "include")}`,
  ];
  const link = (output: string, objects: string[], libraries: string[]) =>
    runCommand(cxx, ["-shared", "-o", output, ...objects, `-L${tensorflow}`, ...libraries, `-Wl,-rpath,${rpath}`], {
      cwd: work,
    });
  try {
    const { folder, files, digest: _ } = nativeSources();
    const operatorSources = files.filter(
      (name) => name.endsWith(".cc") && (layout.variant === "gpu" || name !== CUDA_SOURCE),
    );
    const kernels = operatorSources.filter((name) => name.startsWith("kernels_"));
    const plain = operatorSources.filter((name) => !name.startsWith("kernels_"));
    let failure: string | null = null;
    const objects: string[] = [];
    const compile = (input: string, output: string, flags: readonly string[], operator: boolean) => async () => {
      const result = await runCommand(cxx, [...common, ...flags, "-c", input, "-o", output], { cwd: work });
      if (operator && result.status !== 0) failure ??= explainFailure(`compiling ${input}`, result.stderr).message;
      else check(`compiling ${input}`, result);
      if (operator) objects.push(output);
    };
    const bindingFiles = ["tfjs_backend.cc", "tfjs_binding.cc"];
    const abi = ["-D_GLIBCXX_USE_CXX11_ABI=1", "-DEIGEN_MAX_ALIGN_BYTES=64", "-DNDEBUG"];
    const jobs = [
      ...plain.map((name) => compile(join(folder, name), `${name}.o`, abi, true)),
      ...bindingFiles.map((name) => compile(join(layout.tfjsNode, "binding", name), `${name}.o`, [], false)),
      ...kernels.flatMap((name) =>
        Object.entries(TARGETS).map(([target, flags]) =>
          compile(
            join(folder, name),
            `${name}.${target}.o`,
            ["-O3", "-fno-math-errno", "-fno-trapping-math", "-ffp-contract=fast", ...flags],
            true,
          ),
        ),
      ),
    ];
    let done = 0;
    progress("compiling", 0);
    await inParallel(
      jobs.map((job) => async () => {
        await job();
        progress("compiling", (100 * ++done) / jobs.length);
      }),
    );
    check(
      "linking the binding",
      await link(
        BINDING,
        bindingFiles.map((name) => `${name}.o`),
        ["-l:libtensorflow_cc.so.2", "-l:libtensorflow_framework.so.2"],
      ),
    );
    // A nicety: without it TensorFlow's start-up notes are seen.
    await runCommand(cxx, [...common, "-shared", join(folder, "quiet.c"), "-o", QUIET], { cwd: work });
    if (plain.length > 0 && failure === null) {
      const linked = await link(OPERATORS, [...objects].sort(), [
        "-l:libtensorflow_cc.so.2",
        "-l:libtensorflow_framework.so.2",
        "-ldl",
      ]);
      if (linked.status !== 0) failure = explainFailure("linking the operators", linked.stderr).message;
    }
    for (const name of await readdir(work)) if (name.endsWith(".o")) await rm(join(work, name));
    if (failure !== null) await rm(join(work, OPERATORS), { force: true });
    if (await stat(layout.build).catch(() => null)) await rm(layout.build, { recursive: true, force: true });
    await rename(work, layout.build);
    return failure;
  } catch (error) {
    if (error instanceof BackendError) throw error;
    throw explainFailure("building the binding", String((error as Error).message ?? error), error);
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}
