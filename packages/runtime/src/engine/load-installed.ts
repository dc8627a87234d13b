import { createRequire } from "node:module";
import { join } from "node:path";
import util from "node:util";
import { BackendError } from "@semiseg/errors";
import { findBackendFactory } from "@tensorflow/tfjs-core";
import type { NativeVariant } from "../setup/native-layout.js";

/** tfjs-node calls functions of `util` that Node 23 removed and Node 22 warns of. */
export function restoreUtil(): void {
  const legacy = util as unknown as Record<string, unknown>;
  legacy["isNullOrUndefined"] = (x: unknown) => x === null || x === undefined;
  legacy["isArray"] = Array.isArray;
}

/** The npm package of a variant. */
export const packageOf = (variant: NativeVariant): string =>
  variant === "gpu" ? "@tensorflow/tfjs-node-gpu" : "@tensorflow/tfjs-node";

/** Path of a tfjs-node that the user's project has installed, or null. */
export function installedTfjsNode(variant: NativeVariant, from: string = process.cwd()): string | null {
  try {
    return createRequire(join(from, "package.json")).resolve(packageOf(variant));
  } catch {
    return null;
  }
}

/**
 * Loads the tfjs-node (or tfjs-node-gpu) of the user's project, which registers the tfjs backend `tensorflow`.
 *
 * @returns Its version, or null when none is installed.
 * @throws BackendError when it does not load, or brings a tfjs-core of its own.
 */
export function loadInstalled(variant: NativeVariant, from?: string): { readonly version: string } | null {
  const path = installedTfjsNode(variant, from);
  if (!path) return null;
  const name = packageOf(variant);
  restoreUtil();
  let module: { readonly version?: Readonly<Record<string, string>> };
  try {
    module = createRequire(import.meta.url)(path) as typeof module;
  } catch (cause) {
    throw new BackendError(
      `the installed ${name} does not load (${(cause as Error).message.split("\n")[0]}): run npx semiseg-runtime setup${variant === "gpu" ? " --gpu" : ""}, which needs no download of its own`,
      { cause },
    );
  }
  if (!findBackendFactory("tensorflow"))
    throw new BackendError(
      `the installed ${name} works on another copy of @tensorflow/tfjs-core: run npm dedupe, or npx semiseg-runtime setup`,
    );
  return { version: module.version?.["tfjs-node"] ?? module.version?.["tfjs"] ?? "unknown" };
}
