/**
 * Does @semiseg/data with the optional @itk-wasm/dicom read DICOM series as SimpleITK does? Series are written by pydicom;
 * the packages are packed and installed in a folder of their own, as a user would.
 *
 *   npm run build && SEMISEG_PYTHON=python3 node benchmarks/data/dicom.mjs [--save]
 *
 * Python needs: pip install numpy pydicom SimpleITK.
 */
import { execFileSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { provenance, python, writeResult } from "../lib.mjs";

const here = dirname(fileURLToPath(import.meta.url));
const PEER = "@itk-wasm/dicom@7.6.4";
const folder = mkdtempSync(join(tmpdir(), "semiseg-dicom-"));
const run = (command, args, cwd) => execFileSync(command, args, { cwd, encoding: "utf8", stdio: "pipe" });

for (const name of ["errors", "random", "data"])
  run("npm", ["pack", "--pack-destination", folder], join(here, "../../packages", name));
writeFileSync(join(folder, "package.json"), JSON.stringify({ name: "user", private: true, type: "module" }));
const packed = readdirSync(folder).filter((f) => f.endsWith(".tgz"));
run("npm", ["install", "--no-audit", "--no-fund", ...packed.map((f) => `./${f}`), PEER], folder);
const entry = join(folder, "node_modules/@semiseg/data/dist/index.js");
const { readVolume } = await import(pathToFileURL(entry).href);
const { version } = createRequire(entry)("../../../@itk-wasm/dicom/package.json");

const data = mkdtempSync(join(tmpdir(), "semiseg-dicom-data-"));
run(python, [join(here, "dicom.py"), data]);
const { cases, versions } = JSON.parse(readFileSync(join(data, "cases.json"), "utf8"));
const failures = [];
for (const { name, shape, spacing, affine } of cases) {
  try {
    const volume = await readVolume(join(data, name));
    const bytes = readFileSync(join(data, `${name}.expected`));
    const values = new Float64Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 8);
    const problems = [];
    if (volume.shape.join() !== shape.join()) problems.push(`shape ${volume.shape} for ${shape}`);
    const wrong = values.findIndex((x, i) => volume.data[i] !== x);
    if (wrong >= 0) problems.push(`value ${wrong} is ${volume.data[wrong]} for ${values[wrong]}`);
    if (spacing.some((s, a) => Math.abs(volume.spacing[a] - s) > 1e-4))
      problems.push(`spacing ${volume.spacing} for ${spacing}`);
    if (affine.some((x, a) => Math.abs(volume.affine[a] - x) > 1e-4))
      problems.push(`affine ${volume.affine} for ${affine}`);
    if (problems.length > 0) failures.push(`${name}: ${problems.join("; ")}`);
  } catch (error) {
    failures.push(`${name}: ${error.message}`);
  }
}
const result = {
  ...provenance(),
  libraries: { "@itk-wasm/dicom": version, ...versions },
  seriesRead: cases.length,
  series: cases.map((c) => c.name),
  failures,
};
console.log(JSON.stringify(result, null, 2));
if (process.argv.includes("--save")) writeResult(join(here, "../results/data-dicom.json"), result);
for (const path of [folder, data]) rmSync(path, { recursive: true });
process.exitCode = failures.length > 0 ? 1 : 0;
