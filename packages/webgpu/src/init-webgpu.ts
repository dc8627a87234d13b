import { BackendError, checkChoice, OptionError } from "@semiseg/errors";
import { env, findBackendFactory, ready, registerBackend, removeBackend, setBackend } from "@tensorflow/tfjs-core";
import { fixGradients } from "./fix-gradients.js";
import { fixKernels } from "./fix-kernels.js";
import { type ConvolutionPrecision, gemmSettings } from "./gemm-settings.js";
import { type ErrorGuard, guardErrors } from "./guard-errors.js";
import { MATRIX_FEATURE, matrixShape } from "./matrix-shape.js";
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
   * How 3-D convolutions hold their operands in workgroup memory; tensors, weights and sums are float32 either way. "f16"
   * rounds each operand to 11 bits, whatever its magnitude. Default "f32".
   */
  readonly precision?: ConvolutionPrecision;
  /**
   * Experimental: multiply the tiles of 3-D convolutions with the GPU's matrix units, as subgroup matrices. Needs precision
   * "f16" and an adapter with `chromium-experimental-subgroup-matrix`. Default false.
   */
  readonly subgroupMatrices?: boolean;
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

/** What Node has for `navigator.gpu`, made here, without and with Dawn's experimental features. */
const made = new Map<boolean, GPU>();

/** `navigator.gpu` in the browser; Dawn through the npm package `webgpu` in Node. */
async function gpuApi(experimental: boolean): Promise<GPU> {
  const { navigator } = globalThis as { navigator?: { gpu?: GPU } };
  const known = made.get(experimental);
  // One that was not made here is a browser's or the caller's.
  if (navigator?.gpu && (navigator.gpu === known || ![...made.values()].includes(navigator.gpu))) return navigator.gpu;
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
  const gpu = known ?? dawn.create(experimental ? ["enable-dawn-features=allow_unsafe_apis"] : []);
  made.set(experimental, gpu);
  Object.defineProperty(globalThis, "navigator", {
    value: { gpu, userAgent: "node" },
    configurable: true,
    writable: true,
  });
  return gpu;
}

/** What shaders with subgroup matrices say first. That a subgroup's threads agree on its number, Chromium cannot see. */
const MATRIX_DIRECTIVES =
  "enable subgroups; enable chromium_experimental_subgroup_matrix; diagnostic(off, chromium.subgroup_matrix_uniformity);";

/** Lets shaders use float16 and subgroup matrices: WGSL wants directives first, where tfjs puts its own declarations. */
function enableExtensions(device: GPUDevice): void {
  const create = device.createShaderModule.bind(device);
  device.createShaderModule = (descriptor) => {
    const { code } = descriptor;
    if (!/\bf16\b/.test(code)) return create(descriptor);
    const directives = code.includes("subgroup_matrix_left<") ? MATRIX_DIRECTIVES : "";
    return create({ ...descriptor, code: `enable f16; ${directives}\n${code}` });
  };
}

/**
 * Readies tfjs's WebGPU backend with the rank-5 fixes and makes it current. tfjs gradients must be registered
 * (the package `@tensorflow/tfjs` does that when imported).
 *
 * @throws BackendError when there is no WebGPU, no adapter, only a software one and hardware was asked for, or no float16
 *   or subgroup matrices in shaders and they were; OptionError for another precision, or subgroup matrices of "f32".
 */
export async function initWebgpu(options: InitWebgpuOptions = {}): Promise<WebgpuInfo> {
  const {
    requireHardware = false,
    lowPower = false,
    precision = "f32",
    subgroupMatrices = false,
    tiles = fileStorage(),
  } = options;
  checkChoice("initWebgpu", "precision", precision, ["f32", "f16"]);
  if (subgroupMatrices && precision !== "f16")
    throw new OptionError(`initWebgpu: subgroupMatrices needs precision 'f16', received '${precision}'`);
  const gpu = await gpuApi(subgroupMatrices);
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
  if (precision === "f16" && !adapter.features.has("shader-f16"))
    throw new BackendError(
      `initWebgpu: precision 'f16' needs shader-f16, which the adapter lacks (${name}): use precision 'f32', or another driver or browser`,
    );
  const matrix = subgroupMatrices ? matrixShape(adapter, name) : null;
  const wanted = matrix ? [...FEATURES, MATRIX_FEATURE] : FEATURES;
  const device = await adapter.requestDevice({
    requiredFeatures: wanted.filter((feature) => adapter.features.has(feature)) as GPUFeatureName[],
    requiredLimits: Object.fromEntries(LIMITS.map((limit) => [limit, adapter.limits[limit]])),
  });
  // Imported late: the module looks at navigator.gpu when it is loaded.
  const { WebGPUBackend } = await import("@tensorflow/tfjs-backend-webgpu");
  env().set("WEBGPU_CPU_FORWARD", false);
  if (findBackendFactory("webgpu")) removeBackend("webgpu");
  const backend = new WebGPUBackend(device, adapter.info);
  const guard = guardErrors(backend);
  if (precision === "f16") enableExtensions(device);
  registerBackend("webgpu", () => backend, 3);
  const settings = gemmSettings(backend);
  settings.precision = precision;
  settings.matrix = matrix;
  if (tiles) {
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
