import type { DoctorReport, Finding } from "./doctor/doctor-report.js";

const MARKS = { error: "ERROR  ", warning: "warning", note: "note   " } as const;

/** Findings of one kind and wording together, with all their cases. */
export function groupedFindings(report: DoctorReport): Finding[] {
  const groups = new Map<string, Finding>();
  for (const finding of report.findings) {
    const key = `${finding.severity} ${finding.code} ${finding.message}`;
    const known = groups.get(key);
    groups.set(key, known ? { ...known, cases: [...known.cases, ...finding.cases] } : finding);
  }
  return [...groups.values()];
}

/** The report as plain text: what was found, with up to `most` case names per finding. */
export function doctorText(report: DoctorReport, most = 5): string {
  const read = report.cases.filter((c) => c.shape);
  const lines = [`${report.name} (${report.path}): ${report.cases.length} cases, ${read.length} readable`];
  if (read.length > 0) {
    const range = (values: readonly number[]) => {
      const [low, high] = [Math.min(...values), Math.max(...values)];
      return low === high ? `${+low.toPrecision(4)}` : `${+low.toPrecision(4)}-${+high.toPrecision(4)}`;
    };
    const axes = Math.max(...read.map((c) => c.spacing.length));
    const along = (pick: (axis: number) => number[]) =>
      Array.from({ length: axes }, (_, a) => range(pick(a))).join(" x ");
    lines.push(`  voxels   ${along((a) => read.map((c) => c.shape![a] ?? 1))}`);
    lines.push(`  spacing  ${along((a) => read.map((c) => c.spacing[a] ?? 1))} mm`);
    lines.push(
      `  axes to  ${[...new Set(read.map((c) => c.orientation))].join(", ")}; stored as ${[...new Set(read.map((c) => c.dtype))].join(", ")}`,
    );
  }
  for (const { code, severity, cases, message } of groupedFindings(report)) {
    const named =
      cases.length > most ? `${cases.slice(0, most).join(", ")} and ${cases.length - most} more` : cases.join(", ");
    lines.push(`${MARKS[severity]} ${code}: ${named ? `${named}: ` : ""}${message}`);
  }
  const verdict = report.ok
    ? report.warnings
      ? "usable, look at the warnings"
      : "nothing wrong found"
    : "not usable as it is";
  lines.push(`${report.errors} errors, ${report.warnings} warnings: ${verdict}`);
  return `${lines.join("\n")}\n`;
}
