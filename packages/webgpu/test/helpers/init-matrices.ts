import { initWebgpu, type WebgpuInfo } from "../../src/index.js";

/** Subgroup matrices that an adapter is made to say it has, M x N x K, and its largest subgroup. */
export interface ClaimedMatrices {
  readonly sizes: readonly [number, number, number];
  readonly subgroup: number;
}

const FEATURE = "chromium-experimental-subgroup-matrix";

/**
 * Readies the backend for subgroup matrices on an adapter of `gpu` that is made to say it has them: software has none, and
 * Dawn's null backend has the feature but no sizes.
 *
 * @param change - of the source of each shader that uses them, before the device gets it.
 */
export async function initMatrices(
  gpu: GPU,
  { sizes: [M, N, K], subgroup }: ClaimedMatrices,
  change: (code: string) => string,
): Promise<WebgpuInfo> {
  const adapter = (await gpu.requestAdapter()) as GPUAdapter & { readonly info: GPUAdapterInfo };
  const { vendor, architecture, device, description } = adapter.info;
  const claimed = {
    limits: adapter.limits,
    features: new Set([...adapter.features, FEATURE]),
    info: {
      vendor,
      architecture,
      device,
      description,
      subgroupMaxSize: subgroup,
      subgroupMatrixConfigs: [
        { componentType: "f32", resultComponentType: "f32", M: 16, N: 16, K: 16 },
        { componentType: "f16", resultComponentType: "f16", M: 16, N: 16, K: 16 },
        { componentType: "f16", resultComponentType: "f32", M: 16, N: 16, K: 32 },
        { componentType: "f16", resultComponentType: "f32", M, N, K },
      ],
    },
    requestDevice: async (descriptor: GPUDeviceDescriptor): Promise<GPUDevice> => {
      const requiredFeatures = [...descriptor.requiredFeatures!].filter((feature) => adapter.features.has(feature));
      const made = await adapter.requestDevice({ ...descriptor, requiredFeatures });
      const create = made.createShaderModule.bind(made);
      made.createShaderModule = (shader) =>
        create(shader.code.includes("subgroup_matrix") ? { ...shader, code: change(shader.code) } : shader);
      return made;
    },
  };
  const { navigator } = globalThis as unknown as { navigator: { gpu: GPU } };
  const before = navigator.gpu;
  Object.assign(navigator, { gpu: { requestAdapter: async () => claimed } });
  try {
    return await initWebgpu({ precision: "f16", subgroupMatrices: true, tiles: { get: () => null, set: () => {} } });
  } finally {
    Object.assign(navigator, { gpu: before });
  }
}
