import * as tf from "@tensorflow/tfjs-core";

/** Tensors left behind by `f` beyond what it returns (and disposes here). 0 is the only good answer. */
export function leakedTensors(f: () => tf.TensorContainer): number {
  tf.dispose(f()); // the first call may create caches that stay
  const before = tf.memory().numTensors;
  tf.dispose(f());
  return tf.memory().numTensors - before;
}
