import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { cacheFolder } from "@semiseg/kernels";
import { nvrtcPath } from "../../src/engine/cuda/operators.js";
import { nativeLayout, WHEEL_TAGS } from "../../src/setup/native-layout.js";
import { findPip } from "../../src/setup/pip.js";
import { extractEntry, zipEntries } from "../../src/setup/read-zip.js";

/** The release that the GPU build of TensorFlow comes with. */
const RELEASE = "12.9.86";

/**
 * Path of NVIDIA's run-time compiler: that of the GPU build where it is set up; otherwise its wheel alone is fetched into
 * the cache, once.
 */
export async function nvrtc(): Promise<string> {
  const own = nvrtcPath(nativeLayout("gpu", ""));
  if (existsSync(own)) return own;
  const folder = join(cacheFolder(), `nvrtc-${RELEASE}-linux-x64`);
  const library = join("nvidia", "cuda_nvrtc", "lib", "libnvrtc.so.12");
  if (!existsSync(folder)) {
    mkdirSync(cacheFolder(), { recursive: true });
    const work = mkdtempSync(join(cacheFolder(), "nvrtc-"));
    try {
      const { command, args } = await findPip();
      execFileSync(
        command,
        [
          ...args,
          ...["download", "--progress-bar=off", "--disable-pip-version-check", "--quiet", "--no-deps"],
          ...WHEEL_TAGS,
          ...["--dest", work, `nvidia-cuda-nvrtc-cu12==${RELEASE}`],
        ],
        { stdio: "pipe" },
      );
      const wheel = join(work, readdirSync(work).find((name) => name.endsWith(".whl"))!);
      for (const entry of await zipEntries(wheel))
        if (/\.so(\.\d+)*$/.test(entry.name)) await extractEntry(wheel, entry, work);
      rmSync(wheel);
      try {
        renameSync(work, folder);
      } catch (error) {
        // Another process was first.
        if (!existsSync(folder)) throw error;
      }
    } finally {
      rmSync(work, { recursive: true, force: true });
    }
  }
  return join(folder, library);
}
