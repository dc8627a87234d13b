import { CheckpointError, checkNumber, checkShape, ShapeError } from "@semiseg/errors";
import { withoutGradient } from "@semiseg/nn";
import {
  any,
  cast,
  concat,
  greater,
  matMul,
  mul,
  oneHot,
  ones,
  reshape,
  type Tensor,
  type Tensor2D,
  tensor1d,
  tidy,
} from "@tensorflow/tfjs-core";

/** Options of {@link ConfidenceThresholds}. */
export interface ConfidenceThresholdsOptions {
  /** Background included. */
  readonly numClasses: number;
  readonly numScales: number;
  /** Share of the old value that is kept. Default 0.99. */
  readonly decay?: number;
  /** Smallest value. Default 1 / numClasses. */
  readonly floor?: number;
  /** Largest value. Default 0.95. */
  readonly ceiling?: number;
}

/** Serializable thresholds. */
export interface ConfidenceThresholdsState {
  readonly values: number[][];
}

/**
 * DuCiSC's self-aware confidence: a threshold per scale and class that follows the student's own confidence on
 * unlabelled data, `tau <- clip(decay tau + (1 - decay) a, floor, ceiling)`, a being the mean probability of the class
 * over the voxels pseudo-labelled with it. Starts at 1 / numClasses.
 *
 * @see Dual cross-image semantic consistency (DuCiSC), IEEE TMI 2025, arXiv:2507.21440, self-aware confidence estimation.
 */
export class ConfidenceThresholds {
  readonly numClasses: number;
  readonly numScales: number;
  readonly #decay: number;
  readonly #floor: number;
  readonly #ceiling: number;
  #values: number[][];

  constructor(options: ConfidenceThresholdsOptions) {
    const { numClasses, numScales, decay = 0.99, ceiling = 0.95 } = options;
    checkNumber("ConfidenceThresholds", "numClasses", numClasses, { integer: true, min: 2 });
    checkNumber("ConfidenceThresholds", "numScales", numScales, { integer: true, min: 1 });
    const floor = options.floor ?? 1 / numClasses;
    checkNumber("ConfidenceThresholds", "decay", decay, { min: 0, max: 1 });
    checkNumber("ConfidenceThresholds", "ceiling", ceiling, { above: 0, max: 1 });
    checkNumber("ConfidenceThresholds", "floor", floor, { min: 0, max: ceiling });
    this.numClasses = numClasses;
    this.numScales = numScales;
    this.#decay = decay;
    this.#floor = floor;
    this.#ceiling = ceiling;
    this.#values = Array.from({ length: numScales }, () => Array(numClasses).fill(1 / numClasses));
  }

  /** `values[scale][class]`. */
  get values(): number[][] {
    return this.#values.map((row) => [...row]);
  }

  #check(probs: Tensor, scale: number): void {
    checkNumber("ConfidenceThresholds", "scale", scale, { integer: true, min: 0, max: this.numScales - 1 });
    if (probs.shape.at(-1) !== this.numClasses)
      throw new ShapeError(
        `ConfidenceThresholds: probs must have ${this.numClasses} classes (last axis), received [${probs.shape.join(", ")}]`,
      );
  }

  /** float32 mask `[N, ...S]`: 1 where some class is strictly above its threshold. `probs` `[N, ...S, C]`. */
  certainMask(probs: Tensor, scale: number): Tensor {
    this.#check(probs, scale);
    return withoutGradient(() => tidy(() => cast(any(greater(probs, tensor1d(this.#values[scale]!)), -1), "float32")));
  }

  /**
   * Moves the thresholds of a scale. Classes without a pseudo-labelled voxel keep theirs.
   *
   * @param studentProbs - `[N, ...S, C]`.
   * @param pseudoLabels - int32 `[N, ...S]`.
   */
  update(studentProbs: Tensor, pseudoLabels: Tensor, scale: number): void {
    const sums = this.measure(studentProbs, pseudoLabels, scale);
    this.move(sums.dataSync(), scale);
    sums.dispose();
  }

  /**
   * First half of {@link update}, on the engine: `[2, C]`, the sum of the probabilities of each class over the voxels
   * pseudo-labelled with it, and their number.
   */
  measure(studentProbs: Tensor, pseudoLabels: Tensor, scale: number): Tensor {
    this.#check(studentProbs, scale);
    checkShape("ConfidenceThresholds.update", "pseudoLabels", pseudoLabels, studentProbs.shape.slice(0, -1));
    const classes = this.numClasses;
    const rows = pseudoLabels.size;
    return withoutGradient(() =>
      tidy(() => {
        const held = cast(oneHot(cast(reshape(pseudoLabels, [rows]), "int32"), classes), "float32");
        const all = ones([1, rows]) as Tensor2D;
        // Sums over all voxels as products: engines reduce large tensors slowly.
        return concat([
          matMul(all, mul(reshape(studentProbs, [rows, classes]), held) as Tensor2D),
          matMul(all, held as Tensor2D),
        ]);
      }),
    );
  }

  /** Second half of {@link update}: moves the thresholds of a scale by what was measured. */
  move(sums: ArrayLike<number>, scale: number): void {
    const classes = this.numClasses;
    this.#values[scale] = this.#values[scale]!.map((tau, c) => {
      const count = sums[classes + c]!;
      if (count === 0) return tau;
      const next = this.#decay * tau + (1 - this.#decay) * (sums[c]! / count);
      return Math.min(this.#ceiling, Math.max(this.#floor, next));
    });
  }

  /** For checkpoints. */
  get state(): ConfidenceThresholdsState {
    return { values: this.values };
  }

  set state(state: ConfidenceThresholdsState) {
    const { values } = state ?? {};
    const fits =
      Array.isArray(values) &&
      values.length === this.numScales &&
      values.every((row) => Array.isArray(row) && row.length === this.numClasses && row.every(Number.isFinite));
    if (!fits)
      throw new CheckpointError(
        `ConfidenceThresholds: the state must hold ${this.numScales} scales of ${this.numClasses} classes`,
      );
    this.#values = values.map((row) => [...row]);
  }
}
