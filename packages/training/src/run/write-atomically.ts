import { closeSync, fsyncSync, openSync, renameSync, rmSync, writeFileSync, writeSync } from "node:fs";
import { dirname } from "node:path";
import { asDiskError } from "./training-error.js";

/** Makes a rename or a new name in `folder` survive a power cut, where the platform can. */
export function syncFolder(folder: string): void {
  try {
    const handle = openSync(folder, "r");
    try {
      fsyncSync(handle);
    } finally {
      closeSync(handle);
    }
  } catch {
    // Windows cannot open a folder; its renames are journalled.
  }
}

/** Writes all bytes: on a disk that runs full the system may take a part without an error, and only then refuse. */
export function writeFully(handle: number, bytes: Uint8Array): void {
  for (let done = 0; done < bytes.length; ) done += writeSync(handle, bytes, done);
}

/** Writes a file and waits until it is on the disk. Throws DiskFullError when there is no space. */
export function writeSynced(path: string, content: string | Uint8Array): void {
  try {
    const handle = openSync(path, "w");
    try {
      writeFileSync(handle, content);
      fsyncSync(handle);
    } finally {
      closeSync(handle);
    }
  } catch (error) {
    throw asDiskError(error, path);
  }
}

/** Replaces a file so that a reader, or a crash, sees the old content or the new, never a part of it. */
export function writeAtomically(path: string, content: string | Uint8Array): void {
  const temporary = `${path}.${process.pid}.tmp`;
  try {
    writeSynced(temporary, content);
    renameSync(temporary, path);
    syncFolder(dirname(path));
  } catch (error) {
    rmSync(temporary, { force: true });
    throw asDiskError(error, path);
  }
}
