import { createHash } from "node:crypto";
import { mkdir, mkdtemp, readdir, readFile, rename, rm, stat, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { gunzipSync } from "node:zlib";
import { BackendError } from "@semiseg/errors";
import { explainFailure } from "./explain-failure.js";
import { type NativeLayout, TFJS_NODE_VERSION } from "./native-layout.js";
import type { Progress } from "./progress.js";
import { runCommand } from "./run-command.js";

/** SHA-512 of the package as npm's integrity field states it. */
const INTEGRITY = "sha512-uHrXeUlfgkMxTZqHkESSV7zSdKdV0LlsBeblqkuKU9nnfxB1pC6DtoyYVaLxznzZy7WQSegjcohxxCjAf6Dc7w==";

/** The files of a tar archive, by name. */
function* tarFiles(tar: Buffer): Generator<{ name: string; data: Buffer }> {
  for (let at = 0; at + 512 <= tar.length; ) {
    const field = (start: number, length: number) =>
      tar.toString("latin1", at + start, at + start + length).replace(/\0.*$/s, "");
    const name = [field(345, 155), field(0, 100)].filter(Boolean).join("/");
    const size = Number.parseInt(field(124, 12).trim() || "0", 8);
    if (name === "") return;
    const type = field(156, 1);
    if (type === "0" || type === "") yield { name, data: tar.subarray(at + 512, at + 512 + size) };
    at += 512 + Math.ceil(size / 512) * 512;
  }
}

/**
 * Brings tfjs-node's JavaScript and the C++ source of its binding into the cache, as npm publishes them; its install
 * script, which needs a download host, never runs.
 */
export async function fetchTfjsNode(layout: NativeLayout, progress: Progress): Promise<void> {
  if (await stat(join(layout.tfjsNode, "package.json")).catch(() => null)) return;
  progress(`fetching @tensorflow/tfjs-node@${TFJS_NODE_VERSION}'s sources through npm`);
  const parent = dirname(layout.tfjsNode);
  await mkdir(parent, { recursive: true });
  const work = await mkdtemp(join(parent, "tfjs-node-"));
  try {
    const npm = process.platform === "win32" ? "npm.cmd" : "npm";
    const { status, stdout, stderr, missing } = await runCommand(
      npm,
      ["pack", "--ignore-scripts", "--silent", `@tensorflow/tfjs-node@${TFJS_NODE_VERSION}`],
      { cwd: work },
    );
    if (missing)
      throw new BackendError(
        "native TensorFlow: npm was not found, which fetches tfjs-node's sources: put npm on the PATH",
      );
    if (status !== 0) throw explainFailure("fetching tfjs-node's sources", stderr + stdout);
    const file = (await readdir(work)).find((name) => name.endsWith(".tgz"));
    if (!file) throw explainFailure("fetching tfjs-node's sources", "npm pack left no file");
    const data = await readFile(join(work, file));
    const digest = `sha512-${createHash("sha512").update(data).digest("base64")}`;
    if (digest !== INTEGRITY) throw explainFailure("fetching tfjs-node's sources", `EINTEGRITY ${digest}`);
    for (const { name, data: content } of tarFiles(gunzipSync(data))) {
      const relative = name.replace(/^package\//, "");
      if (!/^(package\.json|binding\/.*|dist\/.*\.js)$/.test(relative) || relative.includes("..")) continue;
      const target = join(work, "unpacked", relative);
      await mkdir(dirname(target), { recursive: true });
      await writeFile(target, content);
    }
    await rm(layout.tfjsNode, { recursive: true, force: true });
    await rename(join(work, "unpacked"), layout.tfjsNode);
  } catch (error) {
    if (error instanceof BackendError) throw error;
    throw explainFailure("unpacking tfjs-node's sources", String((error as Error).message ?? error), error);
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}
