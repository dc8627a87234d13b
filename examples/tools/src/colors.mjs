/** Evenly spaced stops of colour scales; colours between them are mixed. */
const STOPS = {
  // Dark to bright, for one-sided quantities: entropy, similarity, attention.
  ember: ["#06051b", "#3b0f6f", "#8c2981", "#de4968", "#fe9f6d", "#fcfdbf"],
  // Blue below the middle, red above, white between: signed distances, differences.
  signed: ["#1d4f91", "#6aa2d8", "#f7f7f7", "#e58267", "#9b1b30"],
  grey: ["#000000", "#ffffff"],
};

const rgbOf = (hex) => [1, 3, 5].map((at) => Number.parseInt(hex.slice(at, at + 2), 16));

/** Colour of a value in [0, 1] on a scale, as three bytes. */
export function colorAt(scale, value) {
  const stops = STOPS[scale];
  if (!stops)
    throw new RangeError(`colorAt: scale must be one of ${Object.keys(STOPS).join(", ")}, received '${scale}'`);
  const at = Math.max(0, Math.min(1, value)) * (stops.length - 1);
  const low = Math.min(Math.floor(at), stops.length - 2);
  const [a, b] = [rgbOf(stops[low]), rgbOf(stops[low + 1])];
  return a.map((v, i) => Math.round(v + (b[i] - v) * (at - low)));
}

/** Stops of a scale, for a colour bar. */
export const stopsOf = (scale) => STOPS[scale];

/** Colours of classes 1, 2, ...: the truth in greens and blues, predictions in reds and yellows. */
export const truthColors = ["#22c55e", "#22d3ee", "#a3e635", "#60a5fa"];
export const predictionColors = ["#f83f5e", "#fbbf24", "#e879f9", "#fb923c"];
