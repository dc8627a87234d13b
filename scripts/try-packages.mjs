/**
 * A user of one package: packs it with the packages it depends on, installs the tarballs in an empty project, and runs
 * the first example of its README, on this Node and on others from npm. What else the README says to install is installed.
 *
 *   npm run try-packages -- metrics backbones --node 20,22,24
 */
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { transformSync } from "esbuild";
import { packages } from "./workspaces.mjs";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { node: { type: "string" }, help: { type: "boolean" } },
});
if (values.help) {
  console.log("npm run try-packages -- [package ...] [--node 20,22,24]\nDefault: every published package, this Node.");
  process.exit(0);
}
const published = new Map(packages().flatMap((p) => (p.manifest.private ? [] : [[p.manifest.name, p]])));
const chosen = [...published.values()].filter(({ folder }) => positionals.length === 0 || positionals.includes(folder));
const unknown = positionals.find((name) => !chosen.some(({ folder }) => folder === name));
if (unknown) throw new Error(`there is no published package '${unknown}' under packages/`);

/** A package and all of ours that it needs. */
function closure(name, found = new Set()) {
  if (!published.has(name) || found.has(name)) return found;
  found.add(name);
  for (const needed of Object.keys(published.get(name).manifest.dependencies ?? {})) closure(needed, found);
  return found;
}
const npm = (args, cwd) =>
  execFileSync("npm", [...args, "--loglevel=error", "--no-audit", "--no-fund"], { cwd, encoding: "utf8" });
const example = (readme) => /```(?:js|ts)\n(.*?)```/s.exec(readme)?.[1];

/** Packages of others in the README's `npm install` lines. */
const alsoInstalled = (readme) =>
  [...readme.matchAll(/npm install ([^#\n]+)/g)]
    .flatMap(([, words]) => words.trim().split(/\s+/))
    .filter((word) => /^[@a-z]/.test(word) && !published.has(word));

const scratch = mkdtempSync(join(tmpdir(), "semiseg-try-"));
let failed = 0;
try {
  const nodes = [[process.version, process.execPath]];
  if (values.node) {
    nodes.length = 0;
    const folder = join(scratch, "nodes");
    mkdirSync(folder);
    writeFileSync(join(folder, "package.json"), "{}");
    const binary = `node-${process.platform === "win32" ? "win" : process.platform}-${process.arch}`;
    for (const version of values.node.split(",")) {
      if (process.versions.node.startsWith(`${version}.`)) nodes.push([process.version, process.execPath]);
      else {
        npm(["install", `node${version}@npm:${binary}@${version}`], folder);
        const path = join(folder, "node_modules", `node${version}`, "bin", "node");
        nodes.push([execFileSync(path, ["--version"], { encoding: "utf8" }).trim(), path]);
      }
    }
  }
  for (const { folder, path, manifest } of chosen) {
    const readme = readFileSync(join(path, "README.md"), "utf8");
    const code = example(readme);
    if (!code) {
      console.log(`${manifest.name}: no example in js or ts, skipped`);
      continue;
    }
    const project = join(scratch, folder);
    mkdirSync(project);
    writeFileSync(join(project, "package.json"), JSON.stringify({ type: "module", private: true }));
    // What the example imports too, beside the package itself: a reader would install it.
    const imported = [...published.keys()].filter((name) => code.includes(`"${name}"`));
    const needed = [...new Set([manifest.name, ...imported].flatMap((name) => [...closure(name)]))];
    npm(["pack", "--pack-destination", project, ...needed.flatMap((name) => ["-w", name])], process.cwd());
    const tarballs = needed.map((name) => {
      const { version } = published.get(name).manifest;
      return `./${name.replace("@", "").replace("/", "-")}-${version}.tgz`;
    });
    const tfjs = code.includes("@tensorflow/tfjs") || JSON.stringify(manifest.peerDependencies ?? {}).includes("tfjs");
    const others = new Set([...alsoInstalled(readme), ...(tfjs ? ["@tensorflow/tfjs"] : [])]);
    npm(["install", ...tarballs, ...others], project);
    // Examples are TypeScript: types go, imports stay as they are.
    const { code: script } = transformSync(code, {
      loader: "ts",
      tsconfigRaw: { compilerOptions: { verbatimModuleSyntax: true } },
    });
    writeFileSync(join(project, "example.mjs"), script);
    for (const [version, node] of nodes) {
      try {
        const output = execFileSync(node, ["example.mjs"], { cwd: project, encoding: "utf8", stdio: "pipe" });
        console.log(`${manifest.name} on Node ${version}: ran\n${output.replaceAll(/^/gm, "  ").trimEnd()}`);
      } catch (error) {
        failed++;
        console.error(`${manifest.name} on Node ${version}: FAILED\n${error.stdout ?? ""}${error.stderr ?? error}`);
      }
    }
  }
} finally {
  rmSync(scratch, { recursive: true, force: true });
}
process.exit(failed ? 1 : 0);
