import { join } from "node:path";
import { cacheFolder } from "@semiseg/kernels";

/** CPU or CUDA build of TensorFlow. */
export type NativeVariant = "cpu" | "gpu";

/** TensorFlow release whose C library is used. */
export const TENSORFLOW_VERSION = "2.21.0";

/** tfjs-node release whose JavaScript and binding source are used. */
export const TFJS_NODE_VERSION = "4.22.0";

/** N-API level of the binding; any Node that has it loads the same file. */
export const NAPI_VERSION = 8;

/** One wheel of the pinned release. */
export interface PinnedWheel {
  /** Requirement for pip. */
  readonly requirement: string;
  readonly sha256: string;
}

/** The wheels for Linux on x86-64. The library does not depend on Python: one interpreter tag serves all machines. */
export const WHEELS: Readonly<Record<NativeVariant, PinnedWheel>> = {
  cpu: {
    requirement: `tensorflow-cpu==${TENSORFLOW_VERSION}`,
    sha256: "2b847d217b02ee7731ed91431daf3250daa0196c3c94614d23be27232e6e5b6c",
  },
  gpu: {
    requirement: `tensorflow[and-cuda]==${TENSORFLOW_VERSION}`,
    sha256: "9056fbc9ba04235810b71ae6cbd958a196e8804fb53bbcffbf3e23b56155f124",
  },
};

/** pip options that name the pinned wheel whatever Python runs pip. */
export const WHEEL_TAGS = [
  "--only-binary=:all:",
  "--python-version=3.11",
  "--implementation=cp",
  "--abi=cp311",
  "--platform=manylinux_2_27_x86_64",
  "--platform=manylinux2014_x86_64",
] as const;

/** Where the parts of a native engine are. */
export interface NativeLayout {
  readonly variant: NativeVariant;
  /** Unpacked wheel: `tensorflow/` with libraries and headers (and `nvidia/` beside it). */
  readonly library: string;
  /** tfjs-node's npm package. */
  readonly tfjsNode: string;
  /** Built binding and operators of this platform. */
  readonly build: string;
  readonly downloads: string;
  readonly lock: string;
}

/** Paths inside the cache folder for a variant. `sources` is the digest of the operators' source. */
export function nativeLayout(variant: NativeVariant, sources: string): NativeLayout {
  const root = cacheFolder();
  const platform = `${process.platform}-${process.arch}`;
  return {
    variant,
    library: join(root, `tensorflow-${TENSORFLOW_VERSION}-${variant}-${platform}`),
    tfjsNode: join(root, `tfjs-node-${TFJS_NODE_VERSION}`),
    build: join(root, `binding-${TENSORFLOW_VERSION}-${variant}-${platform}-napi${NAPI_VERSION}-${sources}`),
    downloads: join(root, "downloads"),
    // One for both variants: they share tfjs-node's sources.
    lock: join(root, "setup.lock"),
  };
}
