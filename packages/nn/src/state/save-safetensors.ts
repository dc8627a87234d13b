import type { Tensor } from "@tensorflow/tfjs-core";
import { encodeSafetensors } from "./encode-safetensors.js";

/**
 * Writes named tensors to a safetensors file (Node only). The file appears whole or not at all: bytes go to a temporary
 * file beside it, are synced to disk, then renamed.
 */
export async function saveSafetensors(
  path: string,
  dict: ReadonlyMap<string, Tensor>,
  metadata?: Readonly<Record<string, string>>,
): Promise<void> {
  const { open, rename, rm } = await import("node:fs/promises");
  const bytes = await encodeSafetensors(dict, metadata);
  const temporary = `${path}.${process.pid}.${Math.random().toString(36).slice(2)}.tmp`;
  try {
    const file = await open(temporary, "w");
    try {
      await file.writeFile(bytes);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
}
