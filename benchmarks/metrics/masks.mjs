import { RandomSource } from "@semiseg/random";

/** The five kinds of mask pairs. */
export const kinds = ["blobs", "thin sheets", "single voxels", "many components", "empty or full"];

const product = (values) => values.reduce((a, b) => a * b, 1);

function each(shape, f) {
  const [d, h, w] = shape.length === 3 ? shape : [1, ...shape];
  for (let z = 0, i = 0; z < d; z++) for (let y = 0; y < h; y++) for (let x = 0; x < w; x++, i++) f(i, [z, y, x]);
}

/** `count` random ellipsoids. */
function blobs(shape, random, count, share) {
  const size = shape.length === 3 ? shape : [1, ...shape];
  const mask = new Uint8Array(product(shape));
  for (let n = 0; n < count; n++) {
    const centre = size.map((side) => random.next() * side);
    const radius = size.map((side) => 1 + random.next() * share * side);
    each(shape, (i, at) => {
      if (at.reduce((sum, c, a) => sum + ((c - centre[a]) / radius[a]) ** 2, 0) <= 1) mask[i] = 1;
    });
  }
  return mask;
}

/** A wavy sheet one or two voxels thick, across the last axis. */
function sheet(shape, random, shift) {
  const mask = new Uint8Array(product(shape));
  const side = shape.at(-1);
  const [a, b, c] = [random.next() * 3, random.next() * 0.6, random.next() * 0.6];
  const thick = random.next() < 0.5 ? 1 : 2;
  each(shape, (i, [z, y, x]) => {
    const middle = Math.round(side / 2 + a * Math.sin(b * z + c * y) + shift);
    if (x >= middle && x < middle + thick) mask[i] = 1;
  });
  return mask;
}

/** A pair of masks of one kind, from a seed. */
export function maskPair(kind, shape, seed) {
  const random = new RandomSource(seed);
  const size = product(shape);
  const pick = () => Math.floor(random.next() * size);
  if (kind === "blobs") {
    const truth = blobs(shape, random, 2, 0.3);
    const prediction = blobs(shape, random, 1, 0.3);
    // Mostly alike, as a prediction is.
    if (random.next() < 0.7) for (let i = 0; i < size; i++) if (random.next() < 0.97) prediction[i] = truth[i];
    return [truth, prediction];
  }
  if (kind === "thin sheets") return [sheet(shape, random, 0), sheet(shape, random, Math.round(random.next() * 4))];
  if (kind === "single voxels")
    return [0, 1].map(() => {
      const mask = new Uint8Array(size);
      for (let n = 1 + Math.floor(random.next() * 5); n > 0; n--) mask[pick()] = 1;
      return mask;
    });
  if (kind === "many components") {
    const share = 0.02 + random.next() * 0.4;
    const truth = Uint8Array.from({ length: size }, () => (random.next() < share ? 1 : 0));
    const change = random.next() * 0.3;
    return [truth, truth.map((v) => (random.next() < change ? 1 - v : v))];
  }
  const of = (what) => {
    if (what === "empty") return new Uint8Array(size);
    if (what === "full") return new Uint8Array(size).fill(1);
    return blobs(shape, random, 1, 0.3);
  };
  const choices = [
    ["empty", "empty"],
    ["empty", "some"],
    ["some", "empty"],
    ["full", "full"],
    ["full", "some"],
    ["some", "full"],
    ["full", "empty"],
    ["empty", "full"],
  ];
  return choices[Math.floor(random.next() * choices.length)].map(of);
}
