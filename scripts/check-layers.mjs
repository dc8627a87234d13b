/**
 * Dependencies point down. Each package names its layer in package.json ("semiseg": { "layer": n }); it may depend on
 * lower layers and, beside it, only on what ALLOWED_BESIDE names; every
 * `@semiseg/*` import in src must be a declared dependency.
 */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { packages } from "./workspaces.mjs";

/** Same-layer edges that the design allows. */
const ALLOWED_BESIDE = { 0: ["errors"], 1: ["wasm", "webgpu"], 2: ["losses"] };

const all = packages().filter(({ manifest }) => !manifest.private);
const byName = new Map(all.map((p) => [p.manifest.name, p]));
const problems = [];

for (const { folder, path, manifest } of all) {
  const layer = manifest.semiseg?.layer;
  if (!Number.isInteger(layer)) {
    problems.push(`packages/${folder}: package.json has no "semiseg": { "layer": n }`);
    continue;
  }
  const declared = { ...manifest.dependencies, ...manifest.peerDependencies, ...manifest.optionalDependencies };
  for (const name of Object.keys(declared)) {
    const other = byName.get(name);
    if (!other) continue;
    const below = other.manifest.semiseg?.layer;
    const beside = below === layer && ALLOWED_BESIDE[layer]?.includes(other.folder);
    if (below >= layer && !beside)
      problems.push(`packages/${folder} (L${layer}) depends on ${name} (L${below}): dependencies point down only`);
  }
  for (const entry of readdirSync(join(path, "src"), { recursive: true })) {
    if (!/\.(ts|mts|js|mjs)$/.test(entry)) continue;
    const source = readFileSync(join(path, "src", entry), "utf8");
    for (const [, specifier] of source.matchAll(/(?:from|import)\s*\(?\s*["']((?:@semiseg|@tensorflow)\/[^"'/]+)/g)) {
      const optional = manifest.peerDependenciesMeta?.[specifier]?.optional;
      if (specifier !== manifest.name && !(specifier in declared) && !optional)
        problems.push(`packages/${folder}/src/${entry} imports ${specifier}, which package.json does not declare`);
      if (/tfjs-(backend|node)/.test(specifier) && !["runtime", "webgpu", "wasm", "cli"].includes(folder))
        problems.push(`packages/${folder}/src/${entry} names a backend (${specifier}); only runtime and webgpu may`);
    }
  }
}

for (const problem of problems) console.error(problem);
console.log(`layers: ${all.length} packages, ${problems.length} problems`);
process.exit(problems.length ? 1 : 0);
