import { existsSync } from "node:fs";
import { relative } from "node:path";
import { SemisegError } from "@semiseg/errors";
import type { DatasetConfig } from "./datasets/dataset-config.js";
import { listFiles } from "./datasets/dataset-files.js";
import { compareCases } from "./doctor/compare-cases.js";
import type { CaseFacts, DoctorReport, Finding } from "./doctor/doctor-report.js";
import { guessConfig } from "./doctor/guess-config.js";
import { type Inspection, inspectCase } from "./doctor/inspect-case.js";
import { openDataset } from "./open-dataset.js";
import type { Dataset } from "./types.js";

/** Options of {@link dataDoctor}. */
export interface DataDoctorOptions {
  /** Make a picture of every case for the HTML page. Default true. */
  readonly thumbnails?: boolean;
  /** Called after each case, for progress. */
  readonly onCase?: (done: number, total: number) => void;
}

/**
 * Looks through a data set and says what is wrong or odd: files that cannot be read, shapes, spacings, orientations and
 * label values that do not fit, float and empty labels, NaN and constant images, the same content twice, leaks between
 * splits, intensities on very different scales. Nothing is changed; every case is looked at, whatever the ones before.
 *
 * @param target - a folder in the layout of one of `openDataset`'s kinds, or with images/ or imagesTr/ beside labels/ or
 * labelsTr/; or a data set's configuration.
 */
export async function dataDoctor(
  target: string | DatasetConfig,
  options: DataDoctorOptions = {},
): Promise<DoctorReport> {
  const path = typeof target === "string" ? target : String("path" in target ? target.path : target.kind);
  let dataset: Dataset;
  try {
    dataset = await openDataset(typeof target === "string" ? guessConfig(target) : target);
  } catch (error) {
    if (!(error instanceof SemisegError)) throw error;
    const code = /is in '.*' and in '/.test(error.message) ? "leak" : "layout";
    return summary(path, path, [], [{ code, severity: "error", cases: [], message: error.message }]);
  }
  const inspections: Inspection[] = [];
  for (const [n, ref] of dataset.cases.entries()) {
    inspections.push(await inspectCase(dataset, ref, partOf(dataset, ref.id), options.thumbnails ?? true));
    options.onCase?.(n + 1, dataset.cases.length);
  }
  const findings = [
    ...inspections.flatMap((i) => i.findings),
    ...compareCases(dataset, inspections),
    ...unlisted(dataset, path),
  ];
  return summary(
    dataset.name,
    path,
    inspections.map((i) => i.facts),
    findings,
  );
}

function summary(name: string, path: string, cases: readonly CaseFacts[], findings: readonly Finding[]): DoctorReport {
  const order = { error: 0, warning: 1, note: 2 };
  const sorted = [...findings].sort((a, b) => order[a.severity] - order[b.severity]);
  const errors = findings.filter((f) => f.severity === "error").length;
  const warnings = findings.filter((f) => f.severity === "warning").length;
  return { name, path, cases, findings: sorted, errors, warnings, ok: errors === 0 };
}

function partOf(dataset: Dataset, id: string): CaseFacts["part"] {
  for (const part of ["train", "validation", "test"] as const) if (dataset.splits?.[part].includes(id)) return part;
  return null;
}

/** Volumes beside the listed ones, in the same folders. */
function unlisted(dataset: Dataset, path: string): Finding[] {
  if (dataset.kind === "phantom" || !existsSync(path)) return [];
  const listed = new Set<string>();
  const folders = new Set<string>();
  for (const { image, label } of dataset.cases)
    for (const file of [image, label ?? []].flat()) {
      const name = relative(path, file.replace(/#[^/\\]*$/, "")).replace(/\\/g, "/");
      listed.add(name);
      folders.add(name.slice(0, name.lastIndexOf("/") + 1));
    }
  const extra = listFiles(path).filter(
    (f) =>
      folders.has(f.slice(0, f.lastIndexOf("/") + 1)) &&
      !listed.has(f) &&
      /\.(nii|nii\.gz|nrrd|mha|mhd|h5|npz|npy)$/i.test(f),
  );
  if (extra.length === 0) return [];
  const message = `${extra.length} files are beside the listed ones and belong to no case: ${extra.slice(0, 5).join(", ")}`;
  return [{ code: "unlisted-file", severity: "warning", cases: [], message }];
}
