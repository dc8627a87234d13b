import { existsSync, realpathSync } from "node:fs";
import Module, { createRequire } from "node:module";
import { join } from "node:path";
import { BackendError } from "@semiseg/errors";
import { replaceSumGradients } from "@semiseg/kernels";
import { findBackendFactory, type KernelBackend, registerBackend } from "@tensorflow/tfjs-core";
import { BINDING, OPERATORS, QUIET } from "../setup/build-binding.js";
import { type NativeLayout, type NativeVariant, nativeLayout } from "../setup/native-layout.js";
import { nativeSources } from "../setup/native-sources.js";
import { type OperatorsAddon, registerCudaOperators } from "./cuda/operators.js";
import type { OperatorBinding } from "./cuda/self-check.js";
import { type CudaOptions, cudaEnvironment } from "./cuda-environment.js";
import { packageOf, restoreUtil } from "./load-installed.js";
import { BACKEND } from "./native/operator.js";
import { registerNativeKernels } from "./native/register-native-kernels.js";

/** The native engine after it was loaded into this process. */
export interface LoadedNative {
  readonly variant: NativeVariant;
  /** Kernels of our own are in use; on a CUDA device those that passed their self-check. */
  readonly operators: boolean;
  /** A CUDA device is in use. */
  readonly gpu: boolean;
  readonly version: string;
}

type Resolve = (request: string, parent: { filename?: string } | undefined, ...rest: unknown[]) => string;
type Binding = OperatorBinding & { TF_Version: string; isUsingGpuDevice(): boolean };

/** The layout of a readied engine, or null when the cache holds none. */
export function readyLayout(variant: NativeVariant): NativeLayout | null {
  const layout = nativeLayout(variant, nativeSources().digest);
  const parts = [
    join(layout.build, BINDING),
    join(layout.library, "complete.json"),
    join(layout.tfjsNode, "package.json"),
  ];
  return parts.every((path) => existsSync(path)) ? layout : null;
}

/** Runs `load` with standard error switched off, where the setup built the switch for it. */
function quietly<T>(layout: NativeLayout, load: () => T): T {
  const path = join(layout.build, QUIET);
  if (!existsSync(path) || process.env["TF_CPP_MIN_LOG_LEVEL"] === "0") return load();
  const { mute, unmute } = createRequire(import.meta.url)(path) as { mute(): void; unmute(): void };
  mute();
  try {
    return load();
  } finally {
    unmute();
  }
}

/**
 * Requires a file of the cached tfjs-node so that it shares this process's one tfjs: its packages resolve to ours, and
 * its protocol buffers (only for SavedModel and tf.summary) are not needed.
 */
function requireTfjsNode(layout: NativeLayout, files: readonly string[]): unknown[] {
  const own = createRequire(import.meta.url);
  // As Node names loaded files: home folders and caches are links on many machines.
  const folder = realpathSync(layout.tfjsNode);
  const target = Module as unknown as { _resolveFilename: Resolve };
  const original = target._resolveFilename;
  target._resolveFilename = (request, parent, ...rest) => {
    const inside = parent?.filename?.startsWith(folder) === true;
    if (inside && request.startsWith("@tensorflow/")) return own.resolve(request);
    return original.call(target, request, parent, ...rest);
  };
  const modules = (Module as unknown as { _cache: Record<string, unknown> })._cache;
  const protocol = join(folder, "dist", "proto", "api_pb.js");
  const empty = new Module(protocol);
  empty.loaded = true;
  modules[protocol] = empty;
  try {
    return files.map((file) => own(join(folder, file)));
  } finally {
    target._resolveFilename = original;
  }
}

let loaded: LoadedNative | null = null;

/** The native engine that this process has loaded, or null. */
export const loadedNative = (): LoadedNative | null => loaded;

/**
 * Loads a readied engine and registers it as the tfjs backend `tensorflow`; once per process.
 *
 * On a CUDA device only those of our operators are used that are written for it: another would copy its tensors to and
 * fro.
 *
 * @throws BackendError when the cache holds none, it does not load, or the process holds the other variant.
 */
export function loadNative(variant: NativeVariant, options: CudaOptions = {}): LoadedNative {
  if (loaded?.variant === variant) return loaded;
  if (loaded)
    throw new BackendError(
      `native TensorFlow (${variant}): this process has loaded the ${loaded.variant} build already: use another process`,
    );
  const layout = readyLayout(variant);
  if (!layout)
    throw new BackendError(
      `native TensorFlow (${variant}) is not set up: run npx semiseg-runtime setup${variant === "gpu" ? " --gpu" : ""}`,
    );
  // TensorFlow's start-up notes are of no use to our users; errors stay. TF_CPP_MIN_LOG_LEVEL=0 shows everything.
  process.env["TF_CPP_MIN_LOG_LEVEL"] ??= "2";
  // Its default; stating it spares two lines on standard error.
  process.env["TF_ENABLE_ONEDNN_OPTS"] ??= "1";
  Object.assign(process.env, cudaEnvironment(variant, options, process.env));
  restoreUtil();
  const own = createRequire(import.meta.url);
  let binding: Binding;
  try {
    binding = quietly(layout, () => own(join(layout.build, BINDING)) as Binding);
  } catch (cause) {
    throw new BackendError(
      `native TensorFlow does not load (${(cause as Error).message}): delete ${layout.build} and run npx semiseg-runtime setup again`,
      { cause },
    );
  }
  const [backendModule] = requireTfjsNode(layout, ["dist/nodejs_kernel_backend.js", "dist/register_all_kernels.js"]);
  const { NodeJSKernelBackend } = backendModule as {
    NodeJSKernelBackend: new (binding: Binding, name: string) => KernelBackend;
  };
  const gpu = binding.isUsingGpuDevice();
  let operators = existsSync(join(layout.build, OPERATORS)) && process.env["SEMISEG_NATIVE_OPS"] !== "off";
  if (operators) {
    const addon = own(join(layout.build, OPERATORS)) as OperatorsAddon;
    if (gpu) operators = registerCudaOperators(layout, addon, binding);
    else registerNativeKernels();
  }
  replaceSumGradients(BACKEND);
  if (!findBackendFactory(BACKEND))
    registerBackend(BACKEND, () => new NodeJSKernelBackend(binding, packageOf(variant)), 3);
  loaded = { variant, operators, gpu, version: binding.TF_Version };
  return loaded;
}
