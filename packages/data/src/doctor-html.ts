import type { DoctorReport } from "./doctor/doctor-report.js";
import { show } from "./doctor/inspect-case.js";
import { groupedFindings } from "./doctor-text.js";

const escaped = (text: string): string =>
  text.replace(/[&<>"']/g, (c) => ({ "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;" })[c]!);

const STYLE = `body{font:14px/1.45 system-ui,sans-serif;margin:2rem;max-width:75rem;color:#1d2433}table{border-collapse:collapse;width:100%}
td,th{padding:.3rem .6rem;border-bottom:1px solid #dde1ea;text-align:left;vertical-align:top}th{position:sticky;top:0;background:#fff}
.error{color:#b3261e;font-weight:600}.warning{color:#8a5a00}.note{color:#586074}img{image-rendering:pixelated;display:block}code{font-size:.95em}`;

/** The report as one self-contained page: findings, then every case with a picture and its numbers. */
export function doctorHtml(report: DoctorReport): string {
  const number = (x: number) => (Number.isFinite(x) ? String(+x.toPrecision(4)) : "-");
  const findings = groupedFindings(report)
    .map(
      ({ code, severity, cases, message }) =>
        `<tr><td class="${severity}">${severity}</td><td><code>${code}</code></td><td>${escaped(message)}</td><td>${escaped(cases.join(", "))}</td></tr>`,
    )
    .join("\n");
  const odd = new Map<string, string[]>();
  for (const f of report.findings)
    for (const id of f.cases) odd.set(id, [...(odd.get(id) ?? []), `<span class="${f.severity}">${f.code}</span>`]);
  const cases = report.cases
    .map((c) => {
      const labels = c.labels
        ? Object.entries(c.labels)
            .map(([v, n]) => `${v}: ${n}`)
            .join(", ")
        : "none";
      const picture = c.thumbnail ? `<img src="${c.thumbnail}" alt="slice of ${escaped(c.id)}" loading="lazy">` : "";
      return `<tr><td>${picture}</td><td>${escaped(c.id)}<br><span class="note">${c.part ?? ""}</span></td><td>${c.shape?.join(" x ") ?? "unreadable"}<br>${show(c.spacing)} mm, ${c.orientation}<br>${c.dtype}</td><td>${number(c.min)} to ${number(c.max)}<br>mean ${number(c.mean)}</td><td>${escaped(labels)}</td><td>${(odd.get(c.id) ?? []).join("<br>")}</td></tr>`;
    })
    .join("\n");
  return `<!doctype html>
<html lang="en"><meta charset="utf-8"><title>Data doctor: ${escaped(report.name)}</title><style>${STYLE}</style>
<h1>Data doctor: ${escaped(report.name)}</h1>
<p>${report.cases.length} cases, <span class="error">${report.errors} errors</span>, <span class="warning">${report.warnings} warnings</span>.</p>
<h2>Findings</h2>
<table><tr><th></th><th>what</th><th>message</th><th>cases</th></tr>
${findings || '<tr><td colspan="4">nothing found</td></tr>'}
</table>
<h2>Cases</h2>
<table><tr><th></th><th>case</th><th>grid</th><th>intensities</th><th>voxels per label value</th><th>found</th></tr>
${cases}
</table>
</html>
`;
}
