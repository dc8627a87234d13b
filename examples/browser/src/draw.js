const COLORS = { 1: [37, 99, 235], 2: [217, 119, 6], 3: [124, 58, 237] };
const TRUTH = [22, 163, 74];

/** Axial slice `z` of `{ data, shape [X, Y, Z], labels, truth? }` with classes in colour and the truth as an outline. */
export function drawSlice(canvas, { data, shape, labels, truth }, z) {
  const [width, height, depth] = shape;
  canvas.width = width;
  canvas.height = height;
  const picture = new ImageData(width, height);
  const at = (x, y) => (x * height + y) * depth + z;
  let [low, high] = [Infinity, -Infinity];
  for (let x = 0; x < width; x++)
    for (let y = 0; y < height; y++) {
      low = Math.min(low, data[at(x, y)]);
      high = Math.max(high, data[at(x, y)]);
    }
  for (let y = 0; y < height; y++)
    for (let x = 0; x < width; x++) {
      const gray = (255 * (data[at(x, y)] - low)) / (high - low || 1);
      const label = labels[at(x, y)];
      let color = label ? COLORS[label].map((c) => 0.55 * gray + 0.45 * c) : [gray, gray, gray];
      if (truth) {
        const own = truth[at(x, y)];
        const edge = [
          [1, 0],
          [-1, 0],
          [0, 1],
          [0, -1],
        ].some(([dx, dy]) => {
          const [px, py] = [x + dx, y + dy];
          return px >= 0 && py >= 0 && px < width && py < height && truth[at(px, py)] !== own;
        });
        if (own && edge) color = TRUTH;
      }
      // Rows of the picture are the second axis, from the patient's front to the back.
      picture.data.set([...color, 255], 4 * ((height - 1 - y) * width + x));
    }
  canvas.getContext("2d").putImageData(picture, 0, 0);
}

/** Values as a line over `svg`, with its ends' values written beside it. */
export function drawCurve(svg, values) {
  const [width, height, left, bottom] = [460, 300, 44, 24];
  const most = Math.max(...values);
  const x = (i) => left + ((width - left - 10) * i) / Math.max(1, values.length - 1);
  const y = (v) => 10 + (height - 10 - bottom) * (1 - v / (most || 1));
  const points = values.map((v, i) => `${x(i).toFixed(1)},${y(v).toFixed(1)}`).join(" ");
  svg.innerHTML = `<g fill="currentColor" font-size="12"><text x="4" y="${y(most) + 10}">${most.toPrecision(3)}</text><text x="4" y="${y(0)}">0</text><text x="${width - 40}" y="${height - 6}">${values.length}</text></g>
<path d="M${left} 10V${y(0)}H${width - 10}" fill="none" stroke="currentColor" opacity=".4"/><polyline points="${points}" fill="none" stroke="#2563eb" stroke-width="2"/>`;
}
