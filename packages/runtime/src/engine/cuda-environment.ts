import { checkNumber } from "@semiseg/errors";
import type { NativeVariant } from "../setup/native-layout.js";

/** How CUDA TensorFlow uses a GPU. It reads these once, when it is loaded. */
export interface CudaOptions {
  /** Number of the GPU, as nvidia-smi counts; -1 for none. Default: the first of CUDA_VISIBLE_DEVICES. */
  readonly device?: number;
  /** Take GPU memory as it is needed, not all of it at the start. Default true. */
  readonly memoryGrowth?: boolean;
  /** Convolutions and matrix products with 10-bit mantissas on tensor cores (Ampere and newer). Default true. */
  readonly tf32?: boolean;
  /**
   * Only such convolution algorithms of cuDNN that add up in a fixed order, so that a run can be repeated to the digit.
   * They may be slower. Default false.
   */
  readonly deterministic?: boolean;
}

/**
 * Environment variables that bring the options about; what the user has set stays, unless an option says otherwise.
 *
 * @throws OptionError for a device that is not a whole number from -1 up.
 */
export function cudaEnvironment(
  variant: NativeVariant,
  options: CudaOptions,
  environment: Readonly<Record<string, string | undefined>>,
): Record<string, string> {
  const { device, memoryGrowth, tf32, deterministic } = options;
  if (device !== undefined) checkNumber("initBackend", "cuda.device", device, { integer: true, min: -1 });
  if (variant === "cpu") return {};
  const growth = memoryGrowth ?? (environment["TF_FORCE_GPU_ALLOW_GROWTH"] ?? "true") === "true";
  return {
    // The order of nvidia-smi; CUDA's own default puts the fastest first.
    CUDA_DEVICE_ORDER: environment["CUDA_DEVICE_ORDER"] ?? "PCI_BUS_ID",
    TF_FORCE_GPU_ALLOW_GROWTH: String(growth),
    ...(device === undefined ? {} : { CUDA_VISIBLE_DEVICES: String(device) }),
    ...(deterministic === undefined ? {} : { TF_CUDNN_DETERMINISTIC: deterministic ? "1" : "0" }),
    ...(tf32 === undefined ? {} : { NVIDIA_TF32_OVERRIDE: tf32 ? "1" : "0" }),
  };
}
