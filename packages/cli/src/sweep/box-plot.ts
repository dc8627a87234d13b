import { escapeHtml } from "./escape-html.js";

/** Values of one box. */
export interface Box {
  readonly name: string;
  readonly values: readonly number[];
}

const quantile = (sorted: readonly number[], p: number): number => {
  const at = p * (sorted.length - 1);
  const from = Math.floor(at);
  return sorted[from]! + (at - from) * ((sorted[from + 1] ?? sorted[from])! - sorted[from]!);
};

/**
 * Boxes side by side as an inline SVG: median, quartiles, whiskers to the furthest value within 1.5 interquartile
 * ranges, and every value as a dot. `zero` draws a line at 0, for differences. Empty text without finite values.
 */
export function boxPlot(title: string, boxes: readonly Box[], options: { readonly zero?: boolean } = {}): string {
  const finite = boxes
    .map(({ name, values }) => ({ name, values: values.filter(Number.isFinite).sort((a, b) => a - b) }))
    .filter(({ values }) => values.length > 0);
  if (finite.length === 0) return "";
  const all = finite.flatMap(({ values }) => values);
  let [low, high] = [Math.min(...all), Math.max(...all)];
  if (options.zero) [low, high] = [Math.min(low, 0), Math.max(high, 0)];
  const margin = (high - low || 1) * 0.05;
  [low, high] = [low - margin, high + margin];
  const [row, left, width] = [34, 230, 760];
  const height = finite.length * row + 50;
  const x = (v: number): string => (left + ((v - low) / (high - low)) * (width - left - 20)).toFixed(1);
  const ticks = Array.from({ length: 6 }, (_, i) => low + ((high - low) * i) / 5);
  const parts = ticks.map(
    (t) =>
      `<line x1="${x(t)}" x2="${x(t)}" y1="26" y2="${height - 22}" class="grid"/><text x="${x(t)}" y="${height - 8}" text-anchor="middle">${t.toPrecision(3)}</text>`,
  );
  if (options.zero) parts.push(`<line x1="${x(0)}" x2="${x(0)}" y1="26" y2="${height - 22}" stroke="currentColor"/>`);
  for (const [i, { name, values }] of finite.entries()) {
    const y = 26 + i * row + row / 2;
    const [q1, q2, q3] = [0.25, 0.5, 0.75].map((p) => quantile(values, p)) as [number, number, number];
    const reach = 1.5 * (q3 - q1);
    const whiskers = values.filter((v) => v >= q1 - reach && v <= q3 + reach);
    const [w0, w1] = [whiskers[0] ?? q1, whiskers.at(-1) ?? q3];
    parts.push(
      `<text x="${left - 10}" y="${y + 4}" text-anchor="end">${escapeHtml(name)}</text>`,
      `<line x1="${x(w0)}" x2="${x(w1)}" y1="${y}" y2="${y}" stroke="currentColor"/>`,
      `<rect x="${x(q1)}" y="${y - 9}" width="${Math.max(1, Number(x(q3)) - Number(x(q1))).toFixed(1)}" height="18" class="box"/>`,
      `<line x1="${x(q2)}" x2="${x(q2)}" y1="${y - 9}" y2="${y + 9}" stroke="currentColor" stroke-width="2"/>`,
      ...values.map((v, k) => `<circle cx="${x(v)}" cy="${(y + ((k % 5) - 2) * 2).toFixed(1)}" r="1.6" class="dot"/>`),
    );
  }
  return `<figure class="chart wide"><svg viewBox="0 0 ${width} ${height}" role="img" aria-label="${escapeHtml(title)}"><text x="8" y="16" class="title">${escapeHtml(title)}</text>${parts.join("")}</svg></figure>`;
}
