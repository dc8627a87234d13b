import { escapeHtml } from "./escape-html.js";

/** One method's values against the baseline's, case by case. */
export interface PairedValues {
  readonly name: string;
  /** `[baseline, method]` per case. */
  readonly pairs: readonly (readonly [number, number])[];
}

/**
 * The same cases under two methods as an inline SVG: a dot per case, above the diagonal where the method is larger. Empty
 * text without a finite pair.
 */
export function pairedPlot(title: string, baseline: string, { name, pairs }: PairedValues): string {
  const finite = pairs.filter((pair) => pair.every(Number.isFinite));
  if (finite.length === 0) return "";
  const all = finite.flat();
  let [low, high] = [Math.min(...all), Math.max(...all)];
  const margin = (high - low || 1) * 0.06;
  [low, high] = [low - margin, high + margin];
  const [size, left, top, bottom] = [300, 52, 28, 42];
  const width = left + size + 16;
  const height = top + size + bottom;
  const x = (v: number): string => (left + ((v - low) / (high - low)) * size).toFixed(1);
  const y = (v: number): string => (top + size - ((v - low) / (high - low)) * size).toFixed(1);
  const ticks = Array.from({ length: 5 }, (_, i) => low + margin + ((high - low - 2 * margin) * i) / 4);
  const above = finite.filter(([a, b]) => b > a).length;
  const text = (value: number): string => String(Number(value.toPrecision(3)));
  return `<figure class="chart square"><svg viewBox="0 0 ${width} ${height}" role="img" aria-label="${escapeHtml(title)}"><text x="8" y="16" class="title">${escapeHtml(title)}</text>
${ticks
  .map(
    (t) =>
      `<line x1="${x(t)}" x2="${x(t)}" y1="${top}" y2="${top + size}" class="grid"/><line x1="${left}" x2="${left + size}" y1="${y(t)}" y2="${y(t)}" class="grid"/><text x="${x(t)}" y="${top + size + 14}" text-anchor="middle">${text(t)}</text><text x="${left - 6}" y="${Number(y(t)) + 4}" text-anchor="end">${text(t)}</text>`,
  )
  .join("")}
<line x1="${x(low)}" y1="${y(low)}" x2="${x(high)}" y2="${y(high)}" stroke="currentColor" stroke-dasharray="4 3"/>
${finite.map(([a, b]) => `<circle cx="${x(a)}" cy="${y(b)}" r="3" class="dot"/>`).join("")}
<text x="${left + size}" y="${height - 8}" text-anchor="end">${escapeHtml(baseline)}; ${escapeHtml(name)}: above in ${above} of ${finite.length} cases</text></svg></figure>`;
}
