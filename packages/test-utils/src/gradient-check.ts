import * as tf from "@tensorflow/tfjs-core";

/**
 * Compares the gradient of `f` with central differences at every entry (or at `samples` spread entries of large inputs).
 * Returns the largest |analytic - numeric| / max(1e-3, |numeric|max): a number for `expect(...).toBeLessThan(1e-2)`.
 */
export function gradientError(
  f: (...xs: tf.Tensor[]) => tf.Scalar,
  xs: readonly tf.Tensor[],
  { step = 1e-2, samples = 24 }: { readonly step?: number; readonly samples?: number } = {},
): number {
  const analytic = tf.grads(f as (...xs: tf.Tensor[]) => tf.Tensor)([...xs]);
  let worst = 0;
  for (const [index, x] of xs.entries()) {
    const values = x.dataSync().slice();
    const gradient = analytic[index]!.dataSync();
    const stride = Math.max(1, Math.floor(values.length / samples));
    const pairs: [number, number][] = [];
    for (let i = 0; i < values.length; i += stride) {
      const at = (delta: number): number =>
        tf.tidy(() => {
          const moved = values.slice();
          moved[i] = values[i]! + delta;
          return f(...xs.map((other, j) => (j === index ? tf.tensor(moved, x.shape) : other))).dataSync()[0]!;
        });
      pairs.push([gradient[i]!, (at(step) - at(-step)) / (2 * step)]);
    }
    const scale = Math.max(1e-3, ...pairs.map(([, numeric]) => Math.abs(numeric)));
    for (const [a, n] of pairs) worst = Math.max(worst, Math.abs(a - n) / scale);
    if (!pairs.every(([a, n]) => Number.isFinite(a) && Number.isFinite(n))) worst = Number.POSITIVE_INFINITY;
  }
  tf.dispose(analytic);
  return worst;
}
