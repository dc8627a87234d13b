import { fileURLToPath } from "node:url";
import { reportOfPage } from "@semiseg/test-utils";
import { build } from "esbuild";

/** Path of a file beside this one. */
export const here = (path: string): string => fileURLToPath(new URL(path, import.meta.url));

/**
 * Bundles a program from the packages' sources and runs it in headless Chromium; gives the JSON that it posts to
 * `/report`.
 *
 * @param program - TypeScript; imports are relative to this folder.
 * @param alias - modules that others take the place of.
 */
export async function runInChromium(
  browser: string,
  program: string,
  alias: Readonly<Record<string, string>> = {},
): Promise<unknown> {
  const { outputFiles } = await build({
    stdin: { contents: program, resolveDir: here("."), loader: "ts" },
    bundle: true,
    format: "esm",
    platform: "browser",
    target: "es2022",
    mainFields: ["browser", "module", "main"],
    conditions: ["@semiseg/source"],
    alias,
    external: ["node:*", "webgpu"],
    write: false,
    logLevel: "error",
  });
  return reportOfPage({
    browser,
    files: {
      "/": '<!doctype html><link rel="icon" href="data:,"><script type="module" src="/page.js"></script>',
      "/page.js": outputFiles[0]!.contents,
    },
  });
}
