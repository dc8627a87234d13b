import { readdir, rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import { BackendError } from "@semiseg/errors";
import { buildBinding } from "./build-binding.js";
import { fetchLibrary } from "./fetch-library.js";
import { fetchTfjsNode } from "./fetch-tfjs-node.js";
import { type NativeLayout, type NativeVariant, nativeLayout } from "./native-layout.js";
import { nativeSources } from "./native-sources.js";
import { type Progress, silent } from "./progress.js";
import { withLock } from "./with-lock.js";

/** Options of {@link setupNative}. */
export interface SetupNativeOptions {
  /** The CUDA build (several GB) instead of the CPU one. Default false. */
  readonly gpu?: boolean;
  readonly onProgress?: Progress;
}

/** Where the engine is and what it can do. */
export interface NativeSetup {
  readonly layout: NativeLayout;
  /** Why our own operators are not in use, or null when they are. */
  readonly withoutOperators: string | null;
}

/** Throws BackendError where no TensorFlow build exists for this system. */
export function checkPlatform(): void {
  const { platform, arch } = process;
  if (platform !== "linux" || arch !== "x64")
    throw new BackendError(
      `native TensorFlow: ${platform}-${arch} is not supported (linux-x64 is): the WebAssembly engine is used instead`,
    );
  const report = process.report?.getReport() as { header?: { glibcVersionRuntime?: string } } | undefined;
  const glibc = report?.header?.glibcVersionRuntime;
  if (glibc === undefined)
    throw new BackendError(
      "native TensorFlow: this system has no glibc (Alpine?), which TensorFlow's build needs: use a Debian or Ubuntu image",
    );
  const [major = 0, minor = 0] = glibc.split(".").map(Number);
  if (major < 2 || (major === 2 && minor < 27))
    throw new BackendError(`native TensorFlow: glibc ${glibc} is too old, 2.27 or newer is needed: update the system`);
}

/** Deletes the work folders of setups that were killed. Only for the holder of the lock. */
async function removeLeftovers(root: string): Promise<void> {
  const names = await readdir(root).catch(() => [] as string[]);
  for (const name of names)
    if (/^(build|tfjs-node)-[A-Za-z0-9]{6}$/.test(name)) await rm(join(root, name), { recursive: true, force: true });
}

/**
 * Readies native TensorFlow in the per-user cache: fetches the library and tfjs-node's sources, builds the binding.
 * Idempotent, resumable, safe when several processes do it at once; needs pip, npm and a C++ compiler, no root.
 *
 * @throws BackendError naming what is missing and the remedy; the fallback engines keep working.
 */
export async function setupNative(options: SetupNativeOptions = {}): Promise<NativeSetup> {
  const { gpu = false, onProgress: progress = silent } = options;
  checkPlatform();
  const variant: NativeVariant = gpu ? "gpu" : "cpu";
  const layout = nativeLayout(variant, nativeSources().digest);
  return withLock(layout.lock, progress, async () => {
    await removeLeftovers(dirname(layout.build));
    await fetchTfjsNode(layout, progress);
    await fetchLibrary(layout, progress);
    const withoutOperators = await buildBinding(layout, progress);
    progress("ready", 100);
    return { layout, withoutOperators };
  });
}
