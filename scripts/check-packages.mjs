/**
 * What a stranger gets: every public package is packed, linted by publint, type-resolved by attw, has a README with an
 * example, a licence field and a description.
 */
import { execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { checkPackage, createPackageFromTarballData } from "@arethetypeswrong/core";
import { publint } from "publint";
import { formatMessage } from "publint/utils";
import { packages } from "./workspaces.mjs";

const problems = [];
const folder = mkdtempSync(join(tmpdir(), "semiseg-pack-"));
try {
  const published = packages().filter(({ manifest }) => !manifest.private);
  const packed = JSON.parse(
    execFileSync(
      "npm",
      [
        "pack",
        "--json",
        "--loglevel=error",
        "--pack-destination",
        folder,
        ...published.flatMap((p) => ["-w", p.manifest.name]),
      ],
      { encoding: "utf8", maxBuffer: 1 << 28 },
    ),
  );
  const tarballs = Array.isArray(packed) ? packed : Object.values(packed);
  for (const { folder: name, path, manifest } of published) {
    const { messages } = await publint({ pkgDir: path, strict: true });
    for (const message of messages) problems.push(`packages/${name}: publint: ${formatMessage(message, manifest)}`);
    const { filename } = tarballs.find((t) => t.name === manifest.name);
    const tarball = new Uint8Array(readFileSync(join(folder, filename)));
    const analysis = await checkPackage(createPackageFromTarballData(tarball));
    for (const problem of analysis.problems ?? []) {
      // ESM only: CommonJS consumers on Node >= 20.19 can require() it, older resolution modes are not supported.
      if (["CJSResolvesToESM", "NoResolution"].includes(problem.kind) && problem.resolutionKind !== "node16-esm")
        continue;
      problems.push(`packages/${name}: attw: ${problem.kind} ${JSON.stringify(problem)}`);
    }
    if (!existsSync(join(path, "README.md"))) problems.push(`packages/${name}: no README.md`);
    else if (!/```(ts|js|sh|bash)/.test(readFileSync(join(path, "README.md"), "utf8")))
      problems.push(`packages/${name}: README.md has no example`);
  }
  console.log(`packages: ${published.length} checked, ${problems.length} problems`);
} finally {
  rmSync(folder, { recursive: true, force: true });
}
for (const problem of problems) console.error(problem);
process.exit(problems.length ? 1 : 0);
