import { RandomSource, type RandomState } from "@semiseg/random";
import { type Tensor, tensor } from "@tensorflow/tfjs-core";

export type { RandomState };

/** A `RandomSource` that also gives tensors. Same seed, same numbers on every backend. */
export class RandomStream extends RandomSource {
  /** An independent stream; the same name gives the same stream, however many numbers were drawn before. */
  override fork(name: string | number): RandomStream {
    return new RandomStream(this.forkSeed(name));
  }

  /** A float32 tensor of independent normal numbers with mean 0; the caller disposes it. */
  normal(shape: readonly number[], std = 1): Tensor {
    return tensor(
      this.normals(
        shape.reduce((a, b) => a * b, 1),
        std,
      ),
      [...shape],
    );
  }
}
