import { mkdir, readFile, rm, stat, utimes, writeFile } from "node:fs/promises";
import { hostname } from "node:os";
import { dirname, join } from "node:path";
import type { Progress } from "./progress.js";

const STALE_MS = 120_000;

async function holder(path: string): Promise<{ pid: number; host: string } | null> {
  try {
    return JSON.parse(await readFile(join(path, "owner.json"), "utf8"));
  } catch {
    return null;
  }
}

function alive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}

async function isStale(path: string): Promise<boolean> {
  const owner = await holder(path);
  if (owner && owner.host === hostname()) return !alive(owner.pid);
  try {
    return Date.now() - (await stat(path)).mtimeMs > STALE_MS;
  } catch {
    return false;
  }
}

/**
 * Removes a stale lock. Only one process at a time does it, and looks again before: another may have taken the lock over
 * already, and must not lose it.
 */
async function breakStaleLock(path: string): Promise<void> {
  const guard = `${path}.break`;
  try {
    await mkdir(guard);
  } catch {
    const age = Date.now() - ((await stat(guard).catch(() => null))?.mtimeMs ?? Date.now());
    if (age > STALE_MS) await rm(guard, { recursive: true, force: true });
    return;
  }
  try {
    if (await isStale(path)) await rm(path, { recursive: true, force: true });
  } finally {
    await rm(guard, { recursive: true, force: true });
  }
}

/**
 * Runs `f` while holding the lock folder `path`. A second process waits; a lock whose process died on this machine, or
 * that was not renewed for two minutes on another, is taken over.
 */
export async function withLock<T>(path: string, progress: Progress, f: () => Promise<T>): Promise<T> {
  await mkdir(dirname(path), { recursive: true });
  for (let waited = false; ; waited = true) {
    try {
      await mkdir(path);
      break;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
      if (await isStale(path)) await breakStaleLock(path);
      else if (!waited) progress("waiting for another setup that is running");
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }
  await writeFile(join(path, "owner.json"), JSON.stringify({ pid: process.pid, host: hostname() }));
  const renew = setInterval(() => void utimes(path, new Date(), new Date()).catch(() => undefined), STALE_MS / 8);
  try {
    return await f();
  } finally {
    clearInterval(renew);
    await rm(path, { recursive: true, force: true });
  }
}
