import { type GridValues, sameKind } from "./grid.js";

/** Axis `a` of the result is axis `permutation[a]` of the source, reversed where `flips[a]`. */
export interface AxisMove {
  readonly permutation: readonly number[];
  readonly flips: readonly boolean[];
}

export const isIdentity = (move: AxisMove): boolean =>
  move.permutation.every((p, a) => p === a) && !move.flips.includes(true);

/** The move that leaves everything in place. */
export function identityMove(rank: number): AxisMove {
  return { permutation: Array.from({ length: rank }, (_, a) => a), flips: new Array<boolean>(rank).fill(false) };
}

/** First `first`, then `second`. */
export function composeMoves(first: AxisMove, second: AxisMove): AxisMove {
  return {
    permutation: second.permutation.map((p) => first.permutation[p]!),
    flips: second.permutation.map((p, a) => first.flips[p]! !== second.flips[a]!),
  };
}

/** The move that undoes `move`. */
export function inverseMove(move: AxisMove): AxisMove {
  const back = identityMove(move.permutation.length);
  const permutation = [...back.permutation];
  const flips = [...back.flips];
  move.permutation.forEach((p, a) => {
    permutation[p] = a;
    flips[p] = move.flips[a]!;
  });
  return { permutation, flips };
}

/** A flip along one axis. */
export function flipMove(rank: number, axis: number): AxisMove {
  const { permutation } = identityMove(rank);
  return { permutation, flips: permutation.map((a) => a === axis) };
}

/** `k` quarter turns from axis `p` towards axis `q`, as `numpy.rot90(m, k, (p, q))`. */
export function rot90Move(rank: number, k: number, [p, q]: readonly [number, number]): AxisMove {
  const { permutation, flips } = identityMove(rank) as { permutation: number[]; flips: boolean[] };
  const turns = ((k % 4) + 4) % 4;
  if (turns % 2 === 1) [permutation[p], permutation[q]] = [q, p];
  flips[p] = turns === 1 || turns === 2;
  flips[q] = turns === 2 || turns === 3;
  return { permutation, flips };
}

/**
 * Permutes and reverses spatial axes (flips, quarter turns, reorientation); channels stay last.
 *
 * @returns the moved values and their spatial shape; the source itself when nothing moves.
 */
export function moveAxes<T extends GridValues>(
  data: T,
  spatial: readonly number[],
  channels: number,
  move: AxisMove,
): { data: T; spatial: number[] } {
  if (isIdentity(move)) return { data, spatial: [...spatial] };
  const rank = spatial.length;
  const strides = new Array<number>(rank);
  let stride = channels;
  for (let a = rank - 1; a >= 0; a--) {
    strides[a] = stride;
    stride *= spatial[a]!;
  }
  const shape = move.permutation.map((p) => spatial[p]!);
  const steps = move.permutation.map((p, a) => (move.flips[a] ? -strides[p]! : strides[p]!));
  const origin = move.permutation.reduce((sum, p, a) => sum + (move.flips[a] ? (shape[a]! - 1) * strides[p]! : 0), 0);
  const [n0, n1, n2] = rank === 2 ? [1, shape[0]!, shape[1]!] : (shape as [number, number, number]);
  const [s0, s1, s2] = rank === 2 ? [0, steps[0]!, steps[1]!] : (steps as [number, number, number]);
  const out = sameKind(data, data.length);
  let to = 0;
  for (let i = 0; i < n0; i++)
    for (let j = 0; j < n1; j++) {
      let from = origin + i * s0 + j * s1;
      if (channels === 1) for (let k = 0; k < n2; k++, from += s2) out[to++] = data[from]!;
      else for (let k = 0; k < n2; k++, from += s2) for (let c = 0; c < channels; c++) out[to++] = data[from + c]!;
    }
  return { data: out, spatial: shape };
}
