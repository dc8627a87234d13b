import { lineChart } from "@semiseg/training";
import { escapeText } from "./text.mjs";

const css = `text{font:11px system-ui,sans-serif;fill:#444}.title{font-size:13px;font-weight:600}.grid{stroke:#8884}`;

/**
 * A line chart as a self-contained SVG file: the chart of run reports with its legend inside.
 *
 * @param {import("@semiseg/training").LineChartOptions} options - title, series of `{ name, points: [x, y][] }`, x label.
 */
export function chartSvg(options) {
  const figure = lineChart(options);
  if (!figure) throw new RangeError(`chartSvg: '${options.title}' has no finite point to draw`);
  const [, box, inside] = /<svg viewBox="([^"]+)"[^>]*>([\s\S]*)<\/svg>/.exec(figure);
  const [, , width, height] = box.split(" ").map(Number);
  const colors = [...figure.matchAll(/<i style="background:([^"]+)">/g)].map((match) => match[1]);
  let x = 56;
  let y = height + 12;
  const legend = options.series.map(({ name }, i) => {
    const wide = 24 + name.length * 6.2;
    if (x + wide > width && x > 56) [x, y] = [56, y + 16];
    const item = `<rect x="${x}" y="${y - 9}" width="10" height="10" rx="2" fill="${colors[i]}"/><text x="${x + 14}" y="${y}">${escapeText(name)}</text>`;
    x += wide;
    return item;
  });
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${y + 8}" width="${width}" height="${y + 8}" role="img" aria-label="${escapeText(options.title)}">
<style>${css}</style><rect width="100%" height="100%" fill="#fff"/>${inside}${legend.join("")}</svg>
`;
}
