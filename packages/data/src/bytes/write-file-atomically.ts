import { DataError } from "@semiseg/errors";
import { nodeFs } from "./node-modules.js";

let counter = 0;

/** Writes beside the target and renames, so that readers and crashes never see half a file. */
export async function writeFileAtomically(path: string, bytes: Uint8Array | string): Promise<void> {
  const fs = await nodeFs();
  const part = `${path}.${process.pid}-${counter++}-${Math.random().toString(36).slice(2)}.part`;
  try {
    await fs.writeFile(part, bytes);
    await fs.rename(part, path);
  } catch (cause) {
    await fs.rm(part, { force: true }).catch(() => {});
    throw new DataError(`${path}: cannot be written (${(cause as Error).message})`, { cause });
  }
}
