import { checkNumber } from "@semiseg/errors";
import { RandomSource } from "@semiseg/random";
import type { Volume } from "../types.js";
import { drawAnatomy, LIVER, TISSUES } from "./anatomy.js";
import { type PhantomOptions, resolvePhantomOptions } from "./phantom-options.js";

/** Intensity per tissue, in the order of TISSUES. */
const CONTRAST = {
  a: [-1.4, -0.6, 0, 1.7, 0.45, 0.75, 1.1, 1.35, 0.3, -0.25],
  b: [-1.2, 1.5, 0.2, -0.9, 0.65, 0.95, -0.35, -0.95, 0.0, 1.25],
} as const;

/** mm from the middle of the body to the coordinate 1. */
const HALF_BODY = [80, 80, 60] as const;

/** One generated case. */
export interface Phantom {
  readonly image: Volume;
  readonly label: Volume;
}

/**
 * Generates an abdomen-like phantom: organs of varying position, size and outline among fat, muscle, bone and
 * look-alike gut, blurred by partial volume, with a smooth bias field and noise. Two-dimensional shapes give one axial
 * slice. The case is a function of options and `index` alone.
 *
 * @returns image (float32) and label (uint8: 0 background, 1 .. organs) of `options.shape`.
 */
export function generatePhantom(index: number, options: PhantomOptions = {}): Phantom {
  checkNumber("generatePhantom", "index", index, { integer: true, min: 0 });
  const o = resolvePhantomOptions(options);
  const other = options.otherModalityFrom !== undefined && index >= options.otherModalityFrom;
  const modality = other ? (o.modality === "a" ? "b" : "a") : o.modality;
  const random = new RandomSource(o.seed).fork("phantom").fork(index);
  const anatomy = drawAnatomy(random.fork("anatomy"), o.variation);
  const planar = o.shape.length === 2;
  const [nx, ny] = o.shape as [number, number];
  const nz = planar ? 1 : o.shape[2]!;
  const [sx, sy] = o.spacing as [number, number];
  const sz = planar ? 1 : o.spacing[2]!;
  // A slice is taken where liver and kidneys usually show.
  const level = planar ? 0.05 + 0.15 * (2 * random.fork("level").next() - 1) : 0;

  const voxels = nx * ny * nz;
  const tissue = new Uint8Array(voxels);
  for (let i = 0, at = 0; i < nx; i++) {
    const x = ((i - (nx - 1) / 2) * sx) / HALF_BODY[0];
    for (let j = 0; j < ny; j++) {
      const y = ((j - (ny - 1) / 2) * sy) / HALF_BODY[1];
      for (let k = 0; k < nz; k++)
        tissue[at++] = anatomy(x, y, planar ? level : ((k - (nz - 1) / 2) * sz) / HALF_BODY[2]);
    }
  }

  const appearance = random.fork("appearance");
  const level0 = CONTRAST[modality].map((mean) => mean + o.contrastJitter * appearance.nextNormal());
  const image = Float32Array.from(tissue, (t) => level0[t]!);
  blur(image, [nx, ny, nz]);
  shade(image, [nx, ny, nz], o.bias, appearance.fork("bias"));
  const noise = random.fork("noise");
  if (o.noise > 0) for (let v = 0; v < voxels; v++) image[v]! += o.noise * noise.nextNormal();
  const label = new Uint8Array(voxels);
  for (let v = 0; v < voxels; v++) {
    const organ = Math.min(tissue[v]! - LIVER + 1, 4); // wall and cavity of the bladder are one organ
    label[v] = organ >= 1 && organ <= o.organs ? organ : 0;
  }
  const affine = [
    sx,
    0,
    0,
    -((nx - 1) / 2) * sx,
    0,
    sy,
    0,
    -((ny - 1) / 2) * sy,
    0,
    0,
    sz,
    -((nz - 1) / 2) * sz,
    0,
    0,
    0,
    1,
  ];
  const common = { shape: o.shape, spacing: o.spacing, affine };
  const meta = { format: "phantom", source: `phantom ${index}`, affineSource: "header" } as const;
  return {
    image: { ...common, data: image, dtype: "float32", meta: { ...meta, description: `modality ${modality}` } },
    label: { ...common, data: label, dtype: "uint8", meta: { ...meta, header: { tissues: TISSUES } } },
  };
}

/** Partial volume: a [1 2 1] / 4 filter along each axis, edges repeated. */
function blur(data: Float32Array, shape: readonly [number, number, number]): void {
  const strides = [shape[1] * shape[2], shape[2], 1];
  for (let axis = 0; axis < 3; axis++) {
    const n = shape[axis]!;
    if (n < 2) continue;
    const stride = strides[axis]!;
    for (let start = 0; start < data.length; start++) {
      if (Math.floor(start / stride) % n !== 0) continue;
      let before = data[start]!;
      for (let s = 0; s < n; s++) {
        const at = start + s * stride;
        const here = data[at]!;
        const after = s + 1 < n ? data[at + stride]! : here;
        data[at] = (before + 2 * here + after) / 4;
        before = here;
      }
    }
  }
}

/** Multiplies by 1 + bias * (a quadratic in the coordinates, at most 1 in size), after lifting values above 0. */
function shade(data: Float32Array, shape: readonly [number, number, number], bias: number, random: RandomSource): void {
  if (bias === 0) return;
  const c = Array.from({ length: 9 }, () => 2 * random.next() - 1);
  const total = c.reduce((sum, x) => sum + Math.abs(x), 0) || 1;
  const lift = 1.5; // so that shading darkens or brightens every tissue, as a coil's field does
  const coordinate = (i: number, n: number) => (n < 2 ? 0 : (2 * i) / (n - 1) - 1);
  let at = 0;
  for (let i = 0; i < shape[0]; i++) {
    const x = coordinate(i, shape[0]);
    for (let j = 0; j < shape[1]; j++) {
      const y = coordinate(j, shape[1]);
      for (let k = 0; k < shape[2]; k++) {
        const z = coordinate(k, shape[2]);
        const terms = [x, y, z, x * x, y * y, z * z, x * y, y * z, x * z];
        let field = 0;
        for (let n = 0; n < 9; n++) field += c[n]! * terms[n]!;
        data[at] = (data[at]! + lift) * (1 + (bias * field * 2) / total) - lift;
        at++;
      }
    }
  }
}
