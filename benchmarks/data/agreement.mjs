/**
 * Do @semiseg/data and nibabel, SimpleITK, h5py, numpy and Pillow read and write the same? Makes files over the formats'
 * option spaces, reads each with both sides, writes every element type and format and has the libraries read it.
 *
 *   npm run build && SEMISEG_PYTHON=python3 node benchmarks/data/agreement.mjs [--save]
 *
 * Python needs: pip install numpy nibabel SimpleITK h5py pillow. --save writes benchmarks/results/data-agreement.json.
 */
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { readVolume, writeVolume } from "@semiseg/data";

const here = dirname(fileURLToPath(import.meta.url));
const python = process.env.SEMISEG_PYTHON ?? "python3";
const folder = mkdtempSync(join(tmpdir(), "semiseg-agreement-"));
const reference = (what) =>
  execFileSync(python, [join(here, "agreement.py"), what, folder], {
    encoding: "utf8",
    stdio: ["ignore", "pipe", "pipe"],
  });
const close = (a, b, tolerance) =>
  Math.abs(a - b) <= tolerance * Math.max(1, Math.abs(b)) || (Number.isNaN(a) && Number.isNaN(b));
const failures = [];

reference("make");
const { cases, originals } = JSON.parse(readFileSync(join(folder, "cases.json"), "utf8"));
const readers = {};
for (const [n, expected] of cases.entries()) {
  readers[expected.reader] = (readers[expected.reader] ?? 0) + 1;
  try {
    const volume = await readVolume(join(folder, expected.file));
    const bytes = readFileSync(join(folder, `${n}.expected`));
    const values = new Float64Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 8);
    const problems = [];
    if (volume.shape.join() !== expected.shape.join()) problems.push(`shape ${volume.shape} for ${expected.shape}`);
    // Scaled 16-bit integers are kept as float32 here and as float64 there: one rounding, 6e-8 relative.
    const scaled = (volume.meta.sclSlope ?? 1) !== 1 || (volume.meta.sclInter ?? 0) !== 0;
    const wrong = values.findIndex((x, i) =>
      scaled ? !close(volume.data[i], x, 1e-7) : !Object.is(volume.data[i] + 0, x + 0),
    );
    if (wrong >= 0) problems.push(`value ${wrong} is ${volume.data[wrong]} for ${values[wrong]}`);
    if (expected.spacing.some((s, a) => !close(volume.spacing[a], s, 1e-6)))
      problems.push(`spacing ${volume.spacing} for ${expected.spacing}`);
    if (expected.affine?.some((x, a) => !close(volume.affine[a], x, 1e-5)))
      problems.push(`affine ${volume.affine} for ${expected.affine}`);
    if (problems.length > 0) failures.push(`${expected.file} (${expected.reader}): ${problems.join("; ")}`);
  } catch (error) {
    failures.push(`${expected.file} (${expected.reader}): ${error.message}`);
  }
}

const written = [];
for (const [n, { file, affine, spacing }] of originals.entries()) {
  const volume = { ...(await readVolume(join(folder, file))), affine, spacing, meta: {} };
  const targets = [
    [".nii", {}],
    [".nii.gz", {}],
    [".nii", { version: 2 }],
    [".nii.gz", { littleEndian: false }],
    [".nrrd", {}],
    [".nrrd", { compress: false, littleEndian: false }],
    [".npy", { littleEndian: n % 2 === 0 }],
    ...(volume.shape.length < 4
      ? [
          [".mha", {}],
          [".mha", { compress: false, littleEndian: false }],
        ]
      : []),
    ...(volume.shape.length === 2 && /^uint(8|16)$/.test(volume.dtype) ? [[".png", {}]] : []),
  ];
  for (const [extension, options] of targets) {
    // SimpleITK keeps NRRD axes beyond the third as one vector; only the spatial ones are compared with it.
    if (extension === ".nrrd" && volume.shape.length > 3) continue;
    const name = `written-${written.length}${extension}`;
    await writeVolume(join(folder, name), volume, options);
    written.push({ file: name, original: file, affine, spacing, version: options.version ?? 1 });
  }
}
writeFileSync(join(folder, "written.json"), JSON.stringify(written));
const back = JSON.parse(reference("check"));
failures.push(...back.failures);
rmSync(folder, { recursive: true });

const result = {
  date: new Date().toISOString(),
  node: process.version,
  libraries: back.versions,
  filesRead: cases.length,
  readAgainst: readers,
  filesWritten: written.length,
  writtenReadBy: back.readers,
  failures,
};
console.log(JSON.stringify(result, null, 2));
if (process.argv.includes("--save")) {
  mkdirSync(join(here, "../results"), { recursive: true });
  writeFileSync(join(here, "../results/data-agreement.json"), `${JSON.stringify(result, null, 2)}\n`);
}
process.exitCode = failures.length > 0 ? 1 : 0;
