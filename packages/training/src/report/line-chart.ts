import { escapeHtml } from "./escape-html.js";

/** One curve; points that are not finite break the line. */
export interface Series {
  readonly name: string;
  readonly points: readonly (readonly [number, number])[];
}

/** Options of {@link lineChart}. */
export interface LineChartOptions {
  readonly title: string;
  readonly series: readonly Series[];
  readonly xLabel?: string;
  /** Draw single points as dots. Default: only where a series has fewer than 40 points. */
  readonly dots?: boolean;
}

const palette = ["#2563eb", "#dc2626", "#059669", "#d97706", "#7c3aed", "#0891b2", "#be185d", "#4d7c0f"];
const [width, height, left, right, top, bottom] = [520, 240, 56, 12, 30, 34];

/** Ticks at 1, 2 or 5 times a power of ten. */
export function niceTicks(low: number, high: number, count = 5): number[] {
  const span = high - low || Math.abs(high) || 1;
  const raw = span / count;
  const power = 10 ** Math.floor(Math.log10(raw));
  const step = ([1, 2, 5, 10].find((m) => m * power >= raw) ?? 10) * power;
  const ticks: number[] = [];
  for (let k = Math.ceil(low / step - 1e-9); k * step <= high + step * 1e-9; k++) ticks.push(k * step);
  return ticks;
}

/** At most `limit` points: means over equal ranges of x, so that long runs stay small and smooth. */
export function thinned(points: Series["points"], limit = 400): (readonly [number, number])[] {
  if (points.length <= limit) return [...points];
  const size = points.length / limit;
  return Array.from({ length: limit }, (_, i) => {
    const part = points.slice(Math.floor(i * size), Math.floor((i + 1) * size));
    const mean = (at: 0 | 1): number => part.reduce((sum, point) => sum + point[at], 0) / part.length;
    return [mean(0), mean(1)] as const;
  });
}

const label = (value: number): string =>
  value !== 0 && (Math.abs(value) < 1e-3 || Math.abs(value) >= 1e5)
    ? value.toExponential(0)
    : String(Number(value.toPrecision(4)));

/** A line chart as an inline SVG element; empty text when no series has a finite point. */
export function lineChart({ title, series, xLabel = "step", dots }: LineChartOptions): string {
  const curves = series.map(({ name, points }) => ({ name, points: thinned(points) }));
  const finite = curves.flatMap(({ points }) => points.filter(([x, y]) => Number.isFinite(x) && Number.isFinite(y)));
  if (finite.length === 0) return "";
  const bounds = (at: 0 | 1): [number, number] => {
    let [low, high] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
    for (const point of finite) [low, high] = [Math.min(low, point[at]), Math.max(high, point[at])];
    const margin = at === 1 ? (high - low || Math.abs(high) || 1) * 0.05 : high === low ? 1 : 0;
    return [low - margin, high + margin];
  };
  const [x0, x1] = bounds(0);
  const [y0, y1] = bounds(1);
  const px = (x: number): number => left + ((x - x0) / (x1 - x0)) * (width - left - right);
  const py = (y: number): number => height - bottom - ((y - y0) / (y1 - y0)) * (height - top - bottom);
  const parts: string[] = [];
  for (const tick of niceTicks(y0, y1))
    parts.push(
      `<line class="grid" x1="${left}" x2="${width - right}" y1="${py(tick).toFixed(1)}" y2="${py(tick).toFixed(1)}"/>`,
      `<text x="${left - 6}" y="${(py(tick) + 4).toFixed(1)}" text-anchor="end">${label(tick)}</text>`,
    );
  for (const tick of niceTicks(x0, x1))
    parts.push(
      `<text x="${px(tick).toFixed(1)}" y="${height - bottom + 16}" text-anchor="middle">${label(tick)}</text>`,
    );
  for (const [i, { points }] of curves.entries()) {
    const color = palette[i % palette.length]!;
    let path = "";
    let pen = false;
    for (const [x, y] of points) {
      const ok = Number.isFinite(x) && Number.isFinite(y);
      if (ok) path += `${pen ? "L" : "M"}${px(x).toFixed(1)} ${py(y).toFixed(1)}`;
      pen = ok;
      if (ok && (dots ?? points.length < 40))
        parts.push(`<circle cx="${px(x).toFixed(1)}" cy="${py(y).toFixed(1)}" r="2.5" fill="${color}"/>`);
    }
    parts.push(`<path d="${path}" fill="none" stroke="${color}" stroke-width="1.5"/>`);
  }
  const legend = curves
    .map(({ name }, i) => `<span><i style="background:${palette[i % palette.length]!}"></i>${escapeHtml(name)}</span>`)
    .join("");
  return `<figure class="chart"><svg viewBox="0 0 ${width} ${height}" role="img" aria-label="${escapeHtml(title)}">
<text class="title" x="${left}" y="18">${escapeHtml(title)}</text>${parts.join("")}
<text x="${width - right}" y="${height - 4}" text-anchor="end">${escapeHtml(xLabel)}</text></svg>
<figcaption>${legend}</figcaption></figure>`;
}
