import { BackendError } from "@semiseg/errors";
import { env, findBackendFactory, ready, registerBackend, removeBackend, setBackend } from "@tensorflow/tfjs-core";
import { fixGradients } from "./fix-gradients.js";
import { fixKernels } from "./fix-kernels.js";
import { gemmSettings } from "./gemm-settings.js";
import { type ErrorGuard, guardErrors } from "./guard-errors.js";
import { registerNorms } from "./register-norms.js";
import { replaceConvolutions } from "./replace-convolutions.js";
import { fileStorage, readTiles, type TileStorage, writeTiles } from "./tile-storage.js";

/** Options of {@link initWebgpu}. */
export interface InitWebgpuOptions {
  /** Refuse software adapters (lavapipe, SwiftShader). Default false. */
  readonly requireHardware?: boolean;
  /** Ask for the low-power GPU of a laptop. Default false. */
  readonly lowPower?: boolean;
  /**
   * Where `tuneWebgpu` keeps tile sizes between sessions, and where those of earlier ones are read from now. Default: files
   * in the cache folder in Node, nowhere in browsers.
   */
  readonly tiles?: TileStorage;
}

/** The readied device. */
export interface WebgpuInfo {
  /** Adapter description as the driver gives it. */
  readonly device: string;
  /** True for a CPU implementation of Vulkan. */
  readonly software: boolean;
  readonly features: readonly string[];
  /** Throws BackendError when a validation error or device loss was seen; `flush` waits for the queue first. */
  readonly guard: ErrorGuard;
}

const SOFTWARE = /llvmpipe|lavapipe|swiftshader|software|\bcpu\b/i;
const LIMITS = [
  "maxComputeWorkgroupStorageSize",
  "maxComputeWorkgroupsPerDimension",
  "maxStorageBufferBindingSize",
  "maxBufferSize",
  "maxComputeWorkgroupSizeX",
  "maxComputeInvocationsPerWorkgroup",
] as const;
const FEATURES = ["timestamp-query", "shader-f16", "subgroups"] as const;

/** `navigator.gpu` in the browser; Dawn through the npm package `webgpu` in Node. */
async function gpuApi(): Promise<GPU> {
  const { navigator } = globalThis as { navigator?: { gpu?: GPU } };
  if (navigator?.gpu) return navigator.gpu;
  let dawn: { create(options: string[]): GPU; globals: object };
  try {
    dawn = (await import("webgpu" as string)) as typeof dawn;
  } catch (cause) {
    throw new BackendError(
      "initWebgpu: this runtime has no navigator.gpu; in Node install the optional package: npm install webgpu",
      { cause },
    );
  }
  Object.assign(globalThis, dawn.globals);
  const gpu = dawn.create([]);
  Object.defineProperty(globalThis, "navigator", {
    value: { gpu, userAgent: "node" },
    configurable: true,
    writable: true,
  });
  return gpu;
}

/**
 * Readies tfjs's WebGPU backend with the rank-5 fixes and makes it current. tfjs gradients must be registered
 * (the package `@tensorflow/tfjs` does that when imported).
 *
 * @throws BackendError when there is no WebGPU, no adapter, or only a software one and hardware was asked for.
 */
export async function initWebgpu(options: InitWebgpuOptions = {}): Promise<WebgpuInfo> {
  const { requireHardware = false, lowPower = false, tiles = fileStorage() } = options;
  const gpu = await gpuApi();
  const adapter = (await gpu.requestAdapter({ powerPreference: lowPower ? "low-power" : "high-performance" })) as
    | (GPUAdapter & { readonly info: GPUAdapterInfo })
    | null;
  if (!adapter)
    throw new BackendError(
      "initWebgpu: no WebGPU adapter was found: install a Vulkan driver (on Linux: mesa-vulkan-drivers or the GPU vendor's) or update the browser",
    );
  const { description, device: model, vendor, architecture } = adapter.info;
  // Browsers hide the model: the architecture is then all that tells a GPU from its imitation.
  const name = description || model || [vendor, architecture].filter(Boolean).join(" ") || "unknown adapter";
  const software = SOFTWARE.test(`${description} ${model} ${vendor} ${architecture}`);
  if (software && requireHardware)
    throw new BackendError(`initWebgpu: only a software adapter was found (${name}) and hardware was asked for`);
  const device = await adapter.requestDevice({
    requiredFeatures: FEATURES.filter((feature) => adapter.features.has(feature)) as GPUFeatureName[],
    requiredLimits: Object.fromEntries(LIMITS.map((limit) => [limit, adapter.limits[limit]])),
  });
  // Imported late: the module looks at navigator.gpu when it is loaded.
  const { WebGPUBackend } = await import("@tensorflow/tfjs-backend-webgpu");
  env().set("WEBGPU_CPU_FORWARD", false);
  if (findBackendFactory("webgpu")) removeBackend("webgpu");
  const backend = new WebGPUBackend(device, adapter.info);
  const guard = guardErrors(backend);
  registerBackend("webgpu", () => backend, 3);
  if (tiles) {
    const settings = gemmSettings(backend);
    for (const [name, tile] of await readTiles(tiles, adapter.info)) settings.tiles.set(name, tile);
    settings.keep = (found) => writeTiles(tiles, adapter.info, found);
  }
  fixKernels();
  fixGradients();
  replaceConvolutions();
  registerNorms();
  await setBackend("webgpu");
  await ready();
  return { device: name, software, features: [...device.features].map(String), guard };
}
