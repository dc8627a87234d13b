import { BackendError, checkNumber } from "@semiseg/errors";
import type { WebGPUBackend } from "@tensorflow/tfjs-backend-webgpu";
import { backend as currentBackend, dispose, fill, getBackend, type TensorInfo } from "@tensorflow/tfjs-core";
import { type GemmSettings, gemmSettings, type SeenGemm } from "./gemm-settings.js";
import { type GemmTile, tileName } from "./gemm-tile.js";
import { submitWork } from "./submit-work.js";

/** Options of {@link tuneWebgpu}. */
export interface TuneWebgpuOptions {
  /** Begin no further class after so many seconds; what is left keeps its default until the next call. Default 300. */
  readonly seconds?: number;
}

/** What tuning has found for one class of products. */
export interface TunedClass {
  /** Kind of product, its rounded size `rows x columns x terms`, and what its program depends on. */
  readonly name: string;
  /** `rows x columns x depth/threads` of the fastest tile. */
  readonly tile: string;
  /** Milliseconds of the product with that tile and with the default one. */
  readonly milliseconds: number;
  readonly defaultMilliseconds: number;
}

/** Outcome of {@link tuneWebgpu}. */
export interface TuneReport {
  readonly tuned: readonly TunedClass[];
  /** Classes for which there was no time. */
  readonly left: number;
  /** Why the tiles, which are in use, could not be kept for later sessions. */
  readonly notKept?: string;
}

/** What a tile must gain over the default to be taken: less is within what timing tells apart. */
const WORTH_IT = 0.97;
const ROUNDS = 3;

/** Milliseconds of each of `times` runs on the device, one after the other. */
async function time(backend: WebGPUBackend, run: () => TensorInfo, times: number): Promise<number> {
  submitWork(backend);
  await backend.device.queue.onSubmittedWorkDone();
  const begin = performance.now();
  for (let i = 0; i < times; i++) {
    backend.disposeData(run().dataId);
    // Submitted one by one, each takes the buffer of the one before.
    submitWork(backend);
  }
  await backend.device.queue.onSubmittedWorkDone();
  return (performance.now() - begin) / times;
}

/** Milliseconds of the first run of a program, after it was compiled; null where the device refuses it. */
async function tryOut(backend: WebGPUBackend, run: () => TensorInfo): Promise<number | null> {
  const { device } = backend;
  const filters = ["validation", "internal", "out-of-memory"] as const;
  for (const filter of filters) device.pushErrorScope(filter);
  await time(backend, run, 1);
  const errors = [];
  for (const _ of filters) errors.push(await device.popErrorScope());
  return errors.some((error) => error !== null) ? null : time(backend, run, 1);
}

/** Times a class's tiles and leaves the fastest in use. */
async function tuneClass(
  backend: WebGPUBackend,
  { tiles }: GemmSettings,
  name: string,
  { candidates, operands, run }: SeenGemm,
): Promise<TunedClass | null> {
  const inputs = operands.map((size) => fill([size], 0.5)) as unknown as readonly [TensorInfo, TensorInfo];
  const runWith = (tile: GemmTile) => (): TensorInfo => {
    tiles.set(name, tileName(tile));
    return run(inputs);
  };
  try {
    const best = new Map<GemmTile, number>();
    for (const tile of candidates) {
      const first = await tryOut(backend, runWith(tile));
      if (first !== null) best.set(tile, first);
    }
    const leader = Math.min(...best.values());
    // Long enough that waiting for the device weighs little; in rounds, so that a disturbance does not hit one alone.
    const times = Math.max(1, Math.min(16, Math.round(20 / leader)));
    for (let round = 0; round < ROUNDS; round++)
      for (const [tile, before] of best)
        if (before <= 2 * leader) best.set(tile, Math.min(before, await time(backend, runWith(tile), times)));
    const [standard] = candidates;
    const defaultMilliseconds = best.get(standard!) ?? Number.POSITIVE_INFINITY;
    const [winner] = [...best].sort(([, a], [, b]) => a - b);
    tiles.delete(name);
    if (!winner) return null;
    const [tile, milliseconds] = winner[1] < WORTH_IT * defaultMilliseconds ? winner : [standard!, defaultMilliseconds];
    tiles.set(name, tileName(tile));
    return { name, tile: tileName(tile), milliseconds, defaultMilliseconds };
  } catch (error) {
    tiles.delete(name);
    throw error;
  } finally {
    dispose(inputs as never);
  }
}

/**
 * Finds the fastest tile sizes on this adapter for the 3-D convolutions of a program, and uses them from then on. The
 * tile changes no result: all of them add up the same terms in the same order.
 *
 * `run` is called once. Its convolutions fall into classes by kind (forward, gradient of the input, of the filter) and
 * rounded size; each class that has no tile yet is timed on operands of its own size, the largest first. Results are kept per
 * adapter where `initWebgpu` was told, so that a later session finds them there and `tuneWebgpu` has nothing left to do.
 * Call it while the device does nothing else.
 *
 * @param run - what will be run often: one training step, or one prediction.
 * @throws BackendError when the backend is not WebGPU, is being tuned already, or loses its device; OptionError when
 *   `seconds` is negative.
 */
export async function tuneWebgpu(run: () => unknown, options: TuneWebgpuOptions = {}): Promise<TuneReport> {
  const { seconds = 300 } = options;
  checkNumber("tuneWebgpu", "seconds", seconds, { min: 0 });
  if (getBackend() !== "webgpu")
    throw new BackendError(`tuneWebgpu: the backend is ${getBackend()}: call initWebgpu first`);
  const backend = currentBackend() as unknown as WebGPUBackend;
  const settings = gemmSettings(backend);
  if (settings.seen) throw new BackendError("tuneWebgpu: this backend is being tuned already");
  const seen = new Map<string, SeenGemm>();
  settings.seen = seen;
  try {
    await run();
  } finally {
    settings.seen = null;
  }
  const ends = performance.now() + 1000 * seconds;
  const tuned: TunedClass[] = [];
  let left = 0;
  for (const [name, one] of [...seen].sort(([, a], [, b]) => b.work - a.work)) {
    if (performance.now() >= ends) {
      left++;
      continue;
    }
    const found = await tuneClass(backend, settings, name, one);
    if (found) tuned.push(found);
  }
  // A lost device is told at a read; what was timed on it is worth nothing.
  const probe = fill([1], 1);
  await probe.data();
  dispose(probe);
  try {
    if (tuned.length > 0) await settings.keep?.(settings.tiles);
  } catch (error) {
    return { tuned, left, notKept: (error as Error).message };
  }
  return { tuned, left };
}
