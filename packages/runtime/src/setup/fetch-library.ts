import { mkdir, readdir, rename, rm, stat, statfs, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { BackendError } from "@semiseg/errors";
import { explainFailure } from "./explain-failure.js";
import { type NativeLayout, WHEEL_TAGS, WHEELS } from "./native-layout.js";
import { findPip } from "./pip.js";
import type { Progress } from "./progress.js";
import { extractEntry, zipEntries } from "./read-zip.js";
import { runCommand } from "./run-command.js";
import { sha256File } from "./sha256-file.js";

/** Written last: a folder without it is a setup that stopped half-way. */
const COMPLETE = "complete.json";

const LIBRARIES = ["tensorflow/libtensorflow_cc.so.2", "tensorflow/libtensorflow_framework.so.2"];

/** Headers that the binding and the operators include, directly or not. */
const HEADERS = [
  "tensorflow/c/",
  "tensorflow/core/",
  "tensorflow/tsl/",
  "tensorflow/compiler/jit/",
  "tensorflow/compiler/xla/",
  "tensorflow/compiler/tf2xla/",
  "tsl/",
  "xla/",
  "absl/",
  "Eigen/",
  "unsupported/",
  "google/",
  "ml_dtypes/",
  "third_party/",
  "eigen3/",
  "external/ml_dtypes",
  "external/eigen",
].map((folder) => `tensorflow/include/${folder}`);

const wanted = (name: string): boolean =>
  LIBRARIES.includes(name) ||
  (HEADERS.some((prefix) => name.startsWith(prefix)) && /\.(h|hpp|inc)$|\/[A-Z][A-Za-z]*$/.test(name)) ||
  (name.startsWith("nvidia/") && /\.so(\.\d+)*$/.test(name));

async function isComplete(layout: NativeLayout): Promise<boolean> {
  return (await stat(join(layout.library, COMPLETE)).catch(() => null)) !== null;
}

async function freeBytes(path: string): Promise<number> {
  for (let folder = path; ; folder = dirname(folder)) {
    const found = await statfs(folder).catch(() => null);
    if (found) return found.bavail * found.bsize;
    if (folder === dirname(folder)) return Number.POSITIVE_INFINITY;
  }
}

async function download(layout: NativeLayout, progress: Progress): Promise<string[]> {
  const { requirement, sha256 } = WHEELS[layout.variant];
  const folder = join(layout.downloads, layout.variant);
  await mkdir(folder, { recursive: true });
  const wheels = async () =>
    (await readdir(folder)).filter((name) => name.endsWith(".whl")).map((name) => join(folder, name));
  const main = async () => (await wheels()).find((path) => /\/tensorflow(_cpu)?-/.test(path));
  const found = await main();
  const sound = found !== undefined && (await sha256File(found)) === sha256;
  if (found && !sound) await rm(found);
  // The CUDA libraries' versions are pip's choice: it also skips those that are there.
  if (!sound || layout.variant === "gpu") {
    const pip = await findPip();
    progress(`fetching ${requirement} through pip ${pip.version}`);
    const { status, stdout, stderr } = await runCommand(pip.command, [
      ...pip.args,
      "download",
      "--progress-bar=off",
      "--disable-pip-version-check",
      "--quiet",
      ...(layout.variant === "cpu" ? ["--no-deps"] : []),
      ...WHEEL_TAGS,
      "--dest",
      folder,
      requirement,
    ]);
    if (status !== 0) throw explainFailure("fetching the TensorFlow library", stderr + stdout);
  }
  const path = await main();
  if (!path) throw explainFailure("fetching the TensorFlow library", "pip ended well but left no wheel");
  progress("verifying");
  const actual = await sha256File(path);
  if (actual !== sha256) {
    await rm(path, { force: true });
    throw new BackendError(
      `native TensorFlow: ${requirement} has SHA-256 ${actual}, expected ${sha256}; it was deleted: run the setup again, and if it recurs check the package index that pip uses`,
    );
  }
  return layout.variant === "gpu" ? (await wheels()).filter((p) => p === path || /\/nvidia_/.test(p)) : [path];
}

/**
 * Brings TensorFlow's C library and headers into the cache: the pinned wheel through pip (its configuration, proxies and
 * mirrors apply), verified, and only what is needed unpacked. What an interrupted run left is used again.
 */
export async function fetchLibrary(layout: NativeLayout, progress: Progress): Promise<void> {
  if (await isComplete(layout)) return;
  const need = layout.variant === "gpu" ? 8e9 : 1.4e9;
  const free = await freeBytes(layout.library);
  if (free < need)
    throw new BackendError(
      `native TensorFlow: ${(free / 1e9).toFixed(1)} GB are free for ${layout.library}, about ${(need / 1e9).toFixed(1)} GB are needed: free some or set SEMISEG_CACHE to another disk`,
    );
  const wheels = await download(layout, progress);
  try {
    for (const wheel of wheels) {
      const entries = (await zipEntries(wheel)).filter(({ name }) => wanted(name));
      const total = entries.reduce((sum, { size }) => sum + size, 0);
      let done = 0;
      for (const entry of entries) {
        await extractEntry(wheel, entry, layout.library);
        done += entry.size;
        progress("unpacking", (100 * done) / Math.max(1, total));
      }
    }
    const marker = join(layout.library, COMPLETE);
    await writeFile(`${marker}.part`, JSON.stringify({ wheels: wheels.map((path) => path.split("/").at(-1)) }));
    await rename(`${marker}.part`, marker);
    for (const wheel of wheels) await rm(wheel, { force: true });
  } catch (error) {
    if (error instanceof BackendError) throw error;
    throw explainFailure("unpacking the TensorFlow library", String((error as Error).message ?? error), error);
  }
}
