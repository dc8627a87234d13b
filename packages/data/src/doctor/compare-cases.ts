import type { Dataset } from "../types.js";
import type { CaseFacts, Finding } from "./doctor-report.js";
import { type Inspection, show } from "./inspect-case.js";

/** Spread of intensities or spacings that is worth a look: one is this many times the set's median. */
const FAR = 10;
const SPACING_FAR = 2;

const median = (values: readonly number[]): number =>
  [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;

/** Findings that show only when cases are put side by side. */
export function compareCases(dataset: Dataset, inspections: readonly Inspection[]): Finding[] {
  return [
    ...duplicates(inspections),
    ...orientations(inspections),
    ...spacings(inspections),
    ...intensities(inspections),
    ...classes(dataset, inspections),
    ...patients(dataset, inspections),
  ];
}

function groups(inspections: readonly Inspection[], key: (i: Inspection) => string | null): CaseFacts[][] {
  const found = new Map<string, CaseFacts[]>();
  for (const inspection of inspections) {
    const k = key(inspection);
    if (k !== null) found.set(k, [...(found.get(k) ?? []), inspection.facts]);
  }
  return [...found.values()];
}

const ids = (facts: readonly CaseFacts[]): string[] => facts.map((f) => f.id);

function duplicates(inspections: readonly Inspection[]): Finding[] {
  const out: Finding[] = [];
  const seen = new Set<string>();
  for (const same of groups(inspections, (i) => i.imageHash)) {
    if (same.length < 2) continue;
    for (const f of same) seen.add(f.id);
    const parts = new Set(same.map((f) => f.part).filter((p) => p !== null));
    if (parts.size > 1)
      out.push({
        code: "leak",
        severity: "error",
        cases: ids(same),
        message: `the same image is in ${[...parts].join(" and ")}: ${same.map((f) => `${f.id} (${f.part})`).join(", ")}`,
      });
    else
      out.push({
        code: "duplicate",
        severity: "warning",
        cases: ids(same),
        message: "the same image under several names",
      });
  }
  const labeled = inspections.filter((i) => Object.keys(i.facts.labels ?? {}).some((value) => value !== "0"));
  for (const same of groups(labeled, (i) => i.labelHash))
    if (same.length > 1 && !same.every((f) => seen.has(f.id)))
      out.push({
        code: "duplicate-label",
        severity: "warning",
        cases: ids(same),
        message: "different images with the very same label",
      });
  return out;
}

function orientations(inspections: readonly Inspection[]): Finding[] {
  const kinds = groups(inspections, (i) => (i.facts.shape ? i.facts.orientation : null)).sort(
    (a, b) => b.length - a.length,
  );
  return kinds.slice(1).map((odd) => ({
    code: "orientation-differs",
    severity: "warning",
    cases: ids(odd),
    message: `axes run to ${odd[0]!.orientation}, in most cases to ${kinds[0]![0]!.orientation} (preprocess: reorient)`,
  }));
}

function spacings(inspections: readonly Inspection[]): Finding[] {
  const read = inspections.filter((i) => i.facts.shape);
  if (read.length > 0 && read.every((i) => i.affineIsIdentity && i.facts.spacing.every((s) => s === 1)))
    return [
      {
        code: "spacing-unknown",
        severity: "warning",
        cases: [],
        message:
          "spacing is 1 mm and the affine is the identity in every case: the true ones are probably unknown, so distances are in voxels",
      },
    ];
  const middle = [0, 1, 2].map((a) =>
    median(read.map((i) => i.facts.spacing[a] ?? Number.NaN).filter(Number.isFinite)),
  );
  const odd = read.filter((i) =>
    i.facts.spacing.some((s, a) => s > SPACING_FAR * middle[a]! || s * SPACING_FAR < middle[a]!),
  );
  if (odd.length === 0) return [];
  return [
    {
      code: "spacing-differs",
      severity: "warning",
      cases: odd.map((i) => i.facts.id),
      message: `spacing is more than ${SPACING_FAR} times off the median ${show(middle.filter(Number.isFinite))} mm (preprocess: spacing)`,
    },
  ];
}

function intensities(inspections: readonly Inspection[]): Finding[] {
  const out: Finding[] = [];
  const usable = inspections.filter((i) => i.facts.range > 0).map((i) => i.facts);
  const middle = median(usable.map((f) => f.range));
  const odd = usable.filter((f) => f.range > FAR * middle || f.range * FAR < middle);
  if (odd.length > 0)
    out.push({
      code: "intensity-scale",
      severity: "warning",
      cases: ids(odd),
      message:
        `intensities are on another scale: the middle 98 % spans ${+Math.min(...odd.map((f) => f.range)).toPrecision(3)} to ` +
        `${+Math.max(...odd.map((f) => f.range)).toPrecision(3)}, the median case ${+middle.toPrecision(3)} (normalise each case)`,
    });
  const kinds = groups(inspections, (i) => (i.facts.shape ? i.facts.dtype : null)).sort((a, b) => b.length - a.length);
  for (const few of kinds.slice(1))
    out.push({
      code: "dtype-differs",
      severity: "note",
      cases: ids(few),
      message: `stored as ${few[0]!.dtype}, most are ${kinds[0]![0]!.dtype}: perhaps processed differently`,
    });
  return out;
}

function classes(dataset: Dataset, inspections: readonly Inspection[]): Finding[] {
  const labeled = inspections
    .map((i) => i.facts)
    .filter((f) => f.labels && Object.keys(f.labels).some((value) => value !== "0"));
  const out: Finding[] = [];
  for (let c = 1; c < dataset.classNames.length; c++) {
    const values = [dataset.labelValues?.[c] ?? c].flat().map(String);
    const without = labeled.filter((f) => !values.some((value) => f.labels![value]));
    if (labeled.length > 0 && without.length === labeled.length)
      out.push({
        code: "missing-class",
        severity: "error",
        cases: [],
        message: `no label has class ${c} (${dataset.classNames[c]})`,
      });
    else if (without.length > 0)
      out.push({
        code: "missing-class",
        severity: "note",
        cases: ids(without),
        message: `class ${c} (${dataset.classNames[c]}) is absent`,
      });
  }
  return out;
}

function patients(dataset: Dataset, inspections: readonly Inspection[]): Finding[] {
  const patientOf = new Map(dataset.cases.map((c) => [c.id, c.patient ?? null]));
  return groups(inspections, (i) => patientOf.get(i.facts.id) ?? null)
    .filter((same) => new Set(same.map((f) => f.part).filter((p) => p !== null)).size > 1)
    .map((same) => ({
      code: "leak",
      severity: "error",
      cases: ids(same),
      message: `one patient is in several parts: ${same.map((f) => `${f.id} (${f.part})`).join(", ")}`,
    }));
}
