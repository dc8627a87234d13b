#!/usr/bin/env node
// Everything that benchmarks/gpu/run.mjs needs on a bare Linux x64 machine without network, as one archive in parts:
// Node, the built packages and their dependencies, the Vulkan loader, and with --cuda the native engine's GPU variant.
// node benchmarks/gpu/bundle.mjs --help
import { execFileSync } from "node:child_process";
import {
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { homedir, tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

const root = fileURLToPath(new URL("../../", import.meta.url));
const { values } = parseArgs({
  options: {
    out: { type: "string", default: join(root, "benchmarks/gpu/bundle") },
    cuda: { type: "boolean", default: false },
    data: { type: "string" },
    "part-mb": { type: "string", default: "57" },
    help: { type: "boolean", default: false },
  },
});
if (values.help) {
  console.log(`bundle.mjs [--out benchmarks/gpu/bundle] [--cuda] [--data FOLDER] [--part-mb 57]
Writes go.sh and the archive's parts. On the GPU machine, with all of them in one folder: sh go.sh [options of run.mjs]
--cuda adds what 'npx semiseg-runtime setup --gpu' has made (several GB); --data adds a data set's folder, such as
left-atrium, for: sh go.sh protocol`);
  process.exit(0);
}
const cache = process.env.SEMISEG_CACHE ?? join(process.env.XDG_CACHE_HOME ?? join(homedir(), ".cache"), "semiseg");

/** Packages that are needed, by name: those of the workers and all that they depend on, as far as installed. */
function closure(names) {
  const found = new Map();
  const visit = (name, from) => {
    for (let folder = from; ; folder = dirname(folder)) {
      const place = join(folder, "node_modules", name);
      if (existsSync(join(place, "package.json"))) {
        if (found.has(place)) return;
        found.set(place, name);
        const { dependencies, optionalDependencies, peerDependencies } = JSON.parse(
          readFileSync(join(place, "package.json"), "utf8"),
        );
        for (const next of Object.keys({ ...dependencies, ...optionalDependencies, ...peerDependencies }))
          visit(next, realpathSync(place));
        return;
      }
      if (folder === dirname(folder)) return;
    }
  };
  for (const name of names) visit(name, root);
  return found;
}

const work = mkdtempSync(join(tmpdir(), "semiseg-gpu-bundle-"));
const app = join(work, "semiseg-gpu");
mkdirSync(join(app, "lib"), { recursive: true });
const own = ["backbones", "method", "nn", "presets", "runtime", "webgpu"].map((name) => `@semiseg/${name}`);
const needed = [...own, "semiseg", "@tensorflow/tfjs", "@tensorflow/tfjs-backend-webgpu", "webgpu"];
const others = new Set(["darwin-universal", "linux-arm64", "win32-arm64", "win32-x64", "src", "test"]);
for (const [place] of closure(needed)) {
  const inside = place.slice(root.length);
  // Workspaces are links: their files come along as a package's would.
  const workspace = /^node_modules\/(@semiseg\/|semiseg$)/.test(inside);
  cpSync(realpathSync(place), join(app, inside), {
    recursive: true,
    dereference: true,
    filter: (file) =>
      !file.endsWith(".map") && !((workspace || file.includes("/webgpu/dist/")) && others.has(file.split("/").at(-1))),
  });
}
for (const folder of ["gpu", "train-step", "pytorch"])
  cpSync(join(root, "benchmarks", folder), join(app, "benchmarks", folder), {
    recursive: true,
    filter: (file) => !/\/(bundle|__pycache__)$/.test(file),
  });
for (const file of ["lib.mjs", "package.json"])
  copyFileSync(join(root, "benchmarks", file), join(app, "benchmarks", file));
cpSync(join(root, "examples/ug-mcl/la.yaml"), join(app, "examples/ug-mcl/la.yaml"));
if (values.data) cpSync(values.data, join(app, "data", basename(realpathSync(values.data))), { recursive: true });
copyFileSync(process.execPath, join(app, "node"));

const loader = [
  join(cache, "software-vulkan/usr/lib/x86_64-linux-gnu/libvulkan.so.1"),
  "/usr/lib/x86_64-linux-gnu/libvulkan.so.1",
  "/usr/lib64/libvulkan.so.1",
].find(existsSync);
if (loader) copyFileSync(realpathSync(loader), join(app, "lib/libvulkan.so.1"));
else console.warn("no Vulkan loader is here (libvulkan1): the GPU machine must have one");
if (values.cuda) {
  const parts = readdirSync(cache).filter((name) => name.includes("-gpu-linux-x64") || name.startsWith("tfjs-node"));
  if (parts.length < 3) throw new Error(`${cache} holds no GPU variant: npx semiseg-runtime setup --gpu`);
  for (const name of parts) cpSync(join(cache, name), join(app, "cache", name), { recursive: true });
}
let commit = "unknown";
try {
  commit = execFileSync("git", ["-C", root, "rev-parse", "--short", "HEAD"], { encoding: "utf8" }).trim();
} catch {}
writeFileSync(join(app, "commit"), `${commit}\n`);

rmSync(values.out, { recursive: true, force: true });
mkdirSync(values.out, { recursive: true });
const name = "semiseg-gpu.tar.gz";
execFileSync("sh", [
  "-c",
  `tar -C "$0" -cf - semiseg-gpu | gzip -3 | split -b ${Number(values["part-mb"])}m -d -a 3 - "$1"`,
  work,
  join(values.out, `${name}.`),
]);
copyFileSync(join(root, "benchmarks/gpu/go.sh"), join(values.out, "go.sh"));
rmSync(work, { recursive: true, force: true });
const parts = readdirSync(values.out).filter((file) => file.startsWith(name));
console.log(`${parts.length} parts and go.sh in ${values.out}; on the GPU machine: sh go.sh, or sh go.sh protocol`);
