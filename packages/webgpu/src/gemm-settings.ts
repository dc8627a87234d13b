import type { WebGPUBackend } from "@tensorflow/tfjs-backend-webgpu";
import type { TensorInfo } from "@tensorflow/tfjs-core";
import type { GemmTile, MatrixShape } from "./gemm-tile.js";

/** A class of products that has no tile of its own yet. */
export interface SeenGemm {
  readonly candidates: readonly GemmTile[];
  /** Multiply-adds. */
  readonly work: number;
  /** Numbers in each operand. */
  readonly operands: readonly [number, number];
  /** Runs the product on other operands of these sizes, with the tile that its class has then. */
  readonly run: (inputs: readonly [TensorInfo, TensorInfo]) => TensorInfo;
}

/** How numbers are held in workgroup memory. Sums are float32 either way. */
export type ConvolutionPrecision = "f32" | "f16";

/** How one backend runs its products. */
export interface GemmSettings {
  precision: ConvolutionPrecision;
  /** Operands of products in float16 are stored as float16 first, where they are read several times. */
  pack: boolean;
  /** The subgroup matrices that multiply float16 operands; null where threads multiply them one by one. */
  matrix: MatrixShape | null;
  /** Names of the tiles that tuning has found, by class. */
  readonly tiles: Map<string, string>;
  /** Where classes without a tile are noted while tuning looks for them. */
  seen: Map<string, SeenGemm> | null;
  /** Keeps the tiles for later sessions on the same adapter. */
  keep: ((tiles: ReadonlyMap<string, string>) => Promise<void>) | null;
}

const settings = new WeakMap<WebGPUBackend, GemmSettings>();

/** The settings of a backend, the defaults when nobody has set any. */
export function gemmSettings(backend: WebGPUBackend): GemmSettings {
  const known = settings.get(backend);
  if (known) return known;
  const fresh: GemmSettings = { precision: "f32", pack: true, matrix: null, tiles: new Map(), seen: null, keep: null };
  settings.set(backend, fresh);
  return fresh;
}
