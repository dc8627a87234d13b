import type { RandomSource } from "@semiseg/random";

/** Tissues of a phantom; organs to segment start at `LIVER`. */
export const TISSUES = [
  "air",
  "fat",
  "muscle",
  "bone",
  "gut",
  "liver",
  "kidney",
  "aorta",
  "bladder wall",
  "bladder cavity",
] as const;
export const AIR = 0;
export const FAT = 1;
export const MUSCLE = 2;
export const BONE = 3;
export const GUT = 4;
export const LIVER = 5;

/** An ellipsoid with a wavy outline, in body coordinates (about -1 to 1 per axis). */
interface Blob {
  readonly tissue: number;
  readonly centre: readonly [number, number, number];
  readonly radii: readonly [number, number, number];
  /** Rotation about the long axis of the body. */
  readonly cos: number;
  readonly sin: number;
  /** Waves over the surface: amplitude, direction frequency and phase. */
  readonly waves: readonly (readonly [number, number, number, number, number])[];
  /** A dent: makes kidneys bean-shaped. */
  readonly dent?: readonly [number, number, number, number];
  /** Bends the axis sideways along the body, in a sine of this amplitude and phase. */
  readonly bend?: readonly [number, number];
}

/** One body: a function from body coordinates to tissue. */
export type Anatomy = (x: number, y: number, z: number) => number;

/**
 * Draws a body: x runs to the right, y to the front, z to the head. Positions, sizes, rotations and outlines vary with
 * `variation`; the gut is unlabelled and looks like an organ in places, bones and fat frame them.
 */
export function drawAnatomy(random: RandomSource, variation: number): Anatomy {
  const vary = (value: number, spread: number): number => value + spread * variation * (2 * random.next() - 1);
  const scale = (spread: number): number => Math.exp(vary(0, spread));
  const waves = (strength: number): Blob["waves"] =>
    Array.from({ length: 3 }, () => [
      vary(0, strength),
      vary(0, 4),
      vary(0, 4),
      vary(0, 4),
      vary(0, Math.PI),
    ]) as unknown as Blob["waves"];
  const blob = (
    tissue: number,
    centre: [number, number, number],
    radii: [number, number, number],
    turn: number,
    extra: Partial<Blob> = {},
  ): Blob => {
    const size = scale(0.15);
    const angle = vary(turn, 0.3);
    return {
      tissue,
      centre: [vary(centre[0], 0.08), vary(centre[1], 0.07), vary(centre[2], 0.12)],
      radii: radii.map((r) => r * size * scale(0.1)) as [number, number, number],
      cos: Math.cos(angle),
      sin: Math.sin(angle),
      waves: waves(0.09),
      ...extra,
    };
  };
  const pose = { turn: vary(0, 0.12), x: vary(0, 0.06), y: vary(0, 0.06), z: vary(0, 0.1), size: scale(0.08) };
  const outline = { width: 0.93 * scale(0.04), depth: 0.72 * scale(0.07), fat: vary(0.1, 0.05) };
  // Later blobs lie over earlier ones.
  const blobs: Blob[] = [
    blob(BONE, [0, -0.42, 0], [0.11, 0.12, 5], 0),
    blob(BONE, [0, -0.58, 0], [0.05, 0.08, 5], 0),
    ...Array.from({ length: 3 }, () =>
      blob(GUT, [vary(-0.2, 0.35), vary(0.25, 0.2), vary(-0.2, 0.7)], [0.13, 0.12, 0.2], 0),
    ),
    blob(LIVER, [0.4, 0.12, 0.3], [0.36, 0.4, 0.55], 0.3, { waves: waves(0.14) }),
    ...[-1, 1].map((side) =>
      blob(LIVER + 1, [side * 0.44, -0.28, -0.1 - 0.05 * side], [0.16, 0.2, 0.42], 0.4 * side, {
        dent: [-side * 0.17, 0.03, 0, 0.13],
      }),
    ),
    blob(LIVER + 2, [-0.08, -0.2, 0], [0.11, 0.11, 5], 0, { bend: [vary(0.05, 0.04), vary(0, 3)], waves: waves(0.05) }),
  ];
  const bladder = blob(LIVER + 3, [0.02, 0.24, -0.62], [0.28, 0.23, 0.34], 0);
  blobs.push(bladder);
  const wall = 1 - vary(0.3, 0.08);
  const [turnCos, turnSin] = [Math.cos(pose.turn), Math.sin(pose.turn)];

  return (bodyX, bodyY, bodyZ) => {
    const px = (bodyX - pose.x) / pose.size;
    const py = (bodyY - pose.y) / pose.size;
    const x = px * turnCos + py * turnSin;
    const y = py * turnCos - px * turnSin;
    const z = (bodyZ - pose.z) / pose.size;
    const skin = Math.abs(x / outline.width) ** 2.4 + Math.abs(y / outline.depth) ** 2.4;
    if (skin > 1) return AIR;
    let tissue = skin > 1 - 3 * outline.fat ? FAT : MUSCLE;
    for (const b of blobs) {
      const r = radius(b, x, y, z);
      if (r < 1) tissue = b === bladder && r < wall ? b.tissue + 1 : b.tissue;
    }
    return tissue;
  };
}

/** Below 1 inside the blob. */
function radius(b: Blob, x: number, y: number, z: number): number {
  let dx = x - b.centre[0];
  const dy = y - b.centre[1];
  const dz = z - b.centre[2];
  if (b.bend) dx -= b.bend[0] * Math.sin(2.5 * z + b.bend[1]);
  const u = (dx * b.cos + dy * b.sin) / b.radii[0];
  const v = (dy * b.cos - dx * b.sin) / b.radii[1];
  const w = dz / b.radii[2];
  const plain = Math.sqrt(u * u + v * v + w * w);
  if (plain > 1.6) return plain;
  if (b.dent) {
    const [ex, ey, ez, er] = b.dent;
    const near = (dx - ex) ** 2 + (dy - ey) ** 2 + ((dz - ez) * 0.5) ** 2;
    if (near < er * er) return 2;
  }
  const n = plain || 1;
  let waved = 1;
  for (const [amplitude, fu, fv, fw, phase] of b.waves)
    waved += amplitude * Math.sin((fu * u + fv * v + fw * w) / n + phase);
  return plain / waved;
}
