import { stopsOf } from "./colors.mjs";
import { pngDataUri } from "./png.mjs";
import { escapeText } from "./text.mjs";

const label = (value) => String(Number(value.toPrecision(3)));

/** The bar that says which colour stands for which value. */
function colorBar({ low, high, colors, unit }, x, y, height, id) {
  const stops = stopsOf(colors);
  const gradient = stops.map((color, i) => `<stop offset="${i / (stops.length - 1)}" stop-color="${color}"/>`).join("");
  return `<defs><linearGradient id="${id}" x1="0" y1="1" x2="0" y2="0">${gradient}</linearGradient></defs>
<rect x="${x}" y="${y}" width="8" height="${height}" fill="url(#${id})" stroke="#888" stroke-width="0.5"/>
<text x="${x + 12}" y="${y + 8}" class="s">${label(high)}</text><text x="${x + 12}" y="${y + height}" class="s">${label(low)}</text>
<text x="${x + 12}" y="${y + height / 2 + 3}" class="s">${escapeText(unit)}</text>`;
}

/**
 * Pictures side by side with captions and colour bars, as a self-contained SVG file that GitHub and browsers show.
 *
 * @param {object} options
 * @param {{ picture: object, caption: string, contours?: { path: string, color: string }[] }[]} options.panels
 * @param {number} [options.columns] - panels a row; default all in one row.
 * @param {number} [options.size] - width of a picture in pixels; default 180.
 * @param {string} [options.title]
 */
export function panelsSvg({ panels, columns = panels.length, size = 180, title = "" }) {
  if (panels.length === 0) throw new RangeError("panelsSvg: panels must hold at least one picture");
  const bar = panels.some(({ picture }) => picture.scale) ? 46 : 0;
  const tallest = Math.max(...panels.map(({ picture }) => picture.height / picture.width));
  const [gap, top, below] = [10, title ? 30 : 8, 22];
  const [cellWidth, cellHeight] = [size + bar + gap, Math.round(size * tallest) + below + gap];
  const rows = Math.ceil(panels.length / columns);
  // Wide enough for the title too: about 8 pixels a letter.
  const width = Math.max(columns * cellWidth + gap, 2 * gap + 8 * title.length);
  const height = rows * cellHeight + top;
  const cells = panels.map(({ picture, caption, contours = [] }, i) => {
    const [x, y] = [gap + (i % columns) * cellWidth, top + Math.floor(i / columns) * cellHeight];
    const zoom = size / picture.width;
    const tall = Math.round(picture.height * zoom);
    const lines = contours
      .map(
        ({ path, color }) =>
          `<path d="${path}" fill="none" stroke="${color}" stroke-width="${(1.6 / zoom).toFixed(3)}"/>`,
      )
      .join("");
    return `<image x="${x}" y="${y}" width="${size}" height="${tall}" style="image-rendering:pixelated" preserveAspectRatio="none" href="${pngDataUri(picture)}"/>
${lines ? `<g transform="translate(${x} ${y}) scale(${zoom})">${lines}</g>` : ""}
${picture.scale ? colorBar(picture.scale, x + size + 4, y, tall, `bar${i}`) : ""}
<text x="${x}" y="${y + tall + 15}">${escapeText(caption)}</text>`;
  });
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img" aria-label="${escapeText(title || panels.map(({ caption }) => caption).join(", "))}">
<style>text{font:12px system-ui,sans-serif;fill:#555}.s{font-size:9px}.t{font-size:14px;font-weight:600}</style>
<rect width="100%" height="100%" fill="#fff"/>
${title ? `<text class="t" x="${gap}" y="19">${escapeText(title)}</text>` : ""}
${cells.join("\n")}
</svg>
`;
}
