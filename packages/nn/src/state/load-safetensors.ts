import { CheckpointError } from "@semiseg/errors";
import type { Tensor } from "@tensorflow/tfjs-core";
import { decodeSafetensors } from "./decode-safetensors.js";

/**
 * Reads a safetensors file (Node only); in a browser fetch the bytes and use `decodeSafetensors`. The caller disposes
 * the tensors.
 *
 * @throws CheckpointError naming the file when it is missing, truncated or not safetensors.
 */
export async function loadSafetensors(path: string): Promise<Map<string, Tensor>> {
  const { readFile } = await import("node:fs/promises");
  let bytes: Uint8Array;
  try {
    bytes = await readFile(path);
  } catch (error) {
    throw new CheckpointError(`loadSafetensors: ${path} cannot be read: ${(error as Error).message}`, { cause: error });
  }
  try {
    return decodeSafetensors(bytes);
  } catch (error) {
    throw new CheckpointError(`${path}: ${(error as Error).message}`, { cause: error });
  }
}
