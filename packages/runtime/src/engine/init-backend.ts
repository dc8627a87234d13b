import "@tensorflow/tfjs";
import { existsSync } from "node:fs";
import { BackendError, checkChoice, SemisegError } from "@semiseg/errors";
import { backend, getBackend, ready, setBackend, version_core } from "@tensorflow/tfjs-core";
import type { Progress } from "../setup/progress.js";
import { setupNative } from "../setup/setup-native.js";
import { convolveIn } from "./cuda/convolutions.js";
import type { CudaOptions } from "./cuda-environment.js";
import { installedTfjsNode, loadInstalled, packageOf } from "./load-installed.js";
import { type LoadedNative, loadedNative, loadNative, readyLayout } from "./load-native.js";

/** Engines in the order of preference: `cuda` and `tensorflow` are native TensorFlow on a GPU and on the CPU. */
export const ENGINES = ["cuda", "webgpu", "tensorflow", "wasm", "cpu"] as const;

/** Name of an engine. */
export type EngineName = (typeof ENGINES)[number];

/** How convolutions hold their operands: float32 with TF32 products on CUDA, or 16 bits. */
export const PRECISIONS = ["float32", "float16", "bfloat16"] as const;

/** Name of a precision. */
export type Precision = (typeof PRECISIONS)[number];

/** Options of {@link initBackend}. */
export interface InitBackendOptions {
  /** Use this engine or throw; the environment variable SEMISEG_BACKEND does the same. */
  readonly prefer?: EngineName;
  /** Do not print the one line about the choice. Default false. */
  readonly quiet?: boolean;
  /** Set native TensorFlow up first when it is missing (fetches about 270 MB). Default false. */
  readonly setup?: boolean;
  readonly onProgress?: Progress;
  /** For the engine `cuda`. */
  readonly cuda?: CudaOptions;
  /**
   * Mixed precision: convolutions multiply operands of 16 bits, everything else stays float32. `cuda` has both types,
   * `webgpu` has float16; the engines of the CPU have neither and are not chosen then. Default "float32".
   */
  readonly precision?: Precision;
}

/** The engine that was chosen. */
export interface BackendInfo {
  readonly name: EngineName;
  /** Name of the tfjs backend: `tensorflow`, `webgpu`, `wasm` or `cpu`. */
  readonly backend: string;
  /** What computes: a GPU's name, or `cpu`. */
  readonly device: string;
  /** The library behind it. */
  readonly engine: string;
  readonly version: string;
  /** How convolutions hold their operands. */
  readonly precision: Precision;
  /** Why the better engines were not chosen, in their order. */
  readonly why: readonly string[];
}

type Attempt = Omit<BackendInfo, "why" | "precision">;

async function use(backend: string): Promise<void> {
  if (!(await setBackend(backend))) throw new BackendError(`the tfjs backend ${backend} cannot be initialised`);
  await ready();
}

/** The user's own tfjs-node, for want of a set-up engine; it lacks our operators, and works. */
async function installed(variant: "cpu" | "gpu"): Promise<Attempt | null> {
  const found = loadInstalled(variant);
  if (!found) return null;
  await use("tensorflow");
  const common = { backend: "tensorflow", engine: `the installed ${packageOf(variant)}`, version: found.version };
  if (variant === "cpu") return { name: "tensorflow", device: "cpu", ...common };
  const { binding } = getBackend() === "tensorflow" ? (backend() as { binding?: { isUsingGpuDevice(): boolean } }) : {};
  if (!binding?.isUsingGpuDevice())
    throw new BackendError("no CUDA device was found: check the driver with nvidia-smi");
  return { name: "cuda", device: "cuda", ...common };
}

const engineOf = ({ operators }: LoadedNative): string =>
  operators ? "TensorFlow with SemiSeg operators" : "TensorFlow";

async function cuda(options: InitBackendOptions): Promise<Attempt> {
  const own = readyLayout("gpu") ? null : await installed("gpu");
  if (own) return own;
  const native = loadNative("gpu", options.cuda);
  if (!native.gpu) throw new BackendError("no CUDA device was found: check the driver with nvidia-smi");
  await use("tensorflow");
  return { name: "cuda", backend: "tensorflow", device: "cuda", engine: engineOf(native), version: native.version };
}

/** Device files of GPUs on Linux; without any of them Vulkan has only software drivers, and Dawn is loud about it. */
export const GPU_FILES = ["/dev/dri", "/dev/nvidia0", "/dev/dxg", "/dev/kfd"];

async function webgpu(requireHardware: boolean, options: InitBackendOptions): Promise<Attempt> {
  if (requireHardware && globalThis.process?.platform === "linux" && !GPU_FILES.some((path) => existsSync(path)))
    throw new BackendError("no GPU was found");
  if (options.precision === "bfloat16") throw new BackendError("WebGPU has no bfloat16: use precision float16");
  const precision = options.precision === "float16" ? "f16" : "f32";
  let module: { initWebgpu(options: object): Promise<{ device: string }> };
  try {
    module = (await import("@semiseg/webgpu" as string)) as typeof module;
  } catch (cause) {
    throw new BackendError("the package @semiseg/webgpu is not installed", { cause });
  }
  const { device } = await module.initWebgpu({ precision, requireHardware });
  return { name: "webgpu", backend: "webgpu", device, engine: "tfjs-backend-webgpu", version: version_core };
}

async function tensorflow(options: InitBackendOptions): Promise<Attempt> {
  // The CUDA build computes on the CPU too: where it was tried and found no GPU, or is the only one set up.
  const cudaBuild = loadedNative()?.variant === "gpu" || (!readyLayout("cpu") && readyLayout("gpu") !== null);
  if (!cudaBuild) {
    if (!readyLayout("cpu") && options.setup && !installedTfjsNode("cpu"))
      await setupNative(options.onProgress ? { onProgress: options.onProgress } : {});
    const own = readyLayout("cpu") ? null : await installed("cpu");
    if (own) return own;
  }
  const native = cudaBuild ? loadNative("gpu", { device: -1 }) : loadNative("cpu");
  if (native.gpu)
    throw new BackendError("the CUDA build is loaded on a GPU: use the engine cuda, or tensorflow in another process");
  await use("tensorflow");
  return {
    name: "tensorflow",
    backend: "tensorflow",
    device: "cpu",
    engine: engineOf(native),
    version: native.version,
  };
}

async function wasm(): Promise<Attempt> {
  await import("@tensorflow/tfjs-backend-wasm");
  const { registerWasmKernels } = await import("@semiseg/wasm");
  const { relaxed } = await registerWasmKernels();
  await use("wasm");
  const engine = `tfjs-backend-wasm with SemiSeg kernels${relaxed ? " (fused multiply-add)" : ""}`;
  return { name: "wasm", backend: "wasm", device: "cpu", engine, version: version_core };
}

async function cpu(): Promise<Attempt> {
  await use("cpu");
  return { name: "cpu", backend: "cpu", device: "cpu", engine: "tfjs-backend-cpu", version: version_core };
}

async function attempt(name: EngineName, options: InitBackendOptions, forced: boolean): Promise<Attempt> {
  const { precision = "float32" } = options;
  if (name === "webgpu") return webgpu(!forced, options);
  if (name === "cuda") {
    const found = await cuda(options);
    convolveIn(precision === "float32" ? null : precision);
    return found;
  }
  if (precision !== "float32")
    throw new BackendError(
      `the engine ${name} computes in float32: precision ${precision} is for a GPU (cuda, webgpu), use float32 here`,
    );
  if (name === "tensorflow") return tensorflow(options);
  return name === "wasm" ? wasm() : cpu();
}

const reason = (error: unknown): string => (error instanceof Error ? error.message : String(error)).split("\n")[0]!;

/**
 * Readies the fastest engine this machine has and makes it tfjs's current backend: CUDA TensorFlow, WebGPU on a real
 * GPU, TensorFlow on the CPU, WebAssembly, plain JavaScript. Prints one line on what it chose and why not the better
 * ones. Nothing is downloaded unless `setup` is true.
 *
 * @throws OptionError for an unknown engine or precision; BackendError when the one asked for cannot be used.
 */
export async function initBackend(options: InitBackendOptions = {}): Promise<BackendInfo> {
  const { precision = "float32" } = options;
  checkChoice("initBackend", "precision", precision, PRECISIONS);
  const prefer = options.prefer ?? process.env["SEMISEG_BACKEND"];
  if (prefer !== undefined && prefer !== "") {
    checkChoice("initBackend", "prefer", prefer, ENGINES);
    try {
      return announce({ ...(await attempt(prefer, options, true)), precision, why: [] }, options);
    } catch (error) {
      if (error instanceof SemisegError) throw error;
      throw new BackendError(`the engine ${prefer} cannot be used: ${reason(error)}`, { cause: error });
    }
  }
  const why: string[] = [];
  for (const name of ENGINES) {
    // A GPU build that was never set up is no failure worth a line.
    if (name === "cuda" && !readyLayout("gpu") && !installedTfjsNode("gpu")) continue;
    try {
      return announce({ ...(await attempt(name, options, false)), precision, why }, options);
    } catch (error) {
      why.push(`${name}: ${reason(error)}`);
    }
  }
  throw new BackendError(`no engine can be used: ${why.join("; ")}`);
}

function announce(info: BackendInfo, { quiet = false }: InitBackendOptions): BackendInfo {
  if (!quiet) {
    const rest = info.why.length ? `; not ${info.why.join("; not ")}` : "";
    const half = info.precision === "float32" ? "" : `, convolutions in ${info.precision}`;
    console.error(`engine: ${info.name} (${info.engine} ${info.version}, ${info.device}${half})${rest}`);
  }
  return info;
}
