/**
 * Bytes of the published token perceptrons (`tokenMixing: 'full'`): weights, gradients and momentum, float32, of two
 * N x N layers with biases per scale, in both modules. 13.7 GB for 2-D patches of 256 x 256.
 *
 * @param sizes - spatial size of the feature of each scale.
 */
export function tokenMixingMemory(sizes: readonly (readonly number[])[]): number {
  const weights = sizes.reduce((total, size) => {
    const n = size.reduce((a, b) => a * b, 1);
    return total + 2 * (n * n + n);
  }, 0);
  return 2 * 3 * 4 * weights;
}
