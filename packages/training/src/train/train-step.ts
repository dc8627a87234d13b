/** One term in one step. */
export interface TermResult {
  /** Before the weight; NaN-free, or the step would have thrown. 0 where the weight is 0. */
  readonly value: number;
  readonly weight: number;
  readonly weighted: number;
  /** Norm of the weighted term's own gradient; only with `gradientNorms`. */
  readonly gradientNorm?: number;
}

/** One step, in numbers. */
export interface StepResult {
  /** Sum of the weighted terms. */
  readonly loss: number;
  readonly terms: Readonly<Record<string, TermResult>>;
  /** Norm of the whole gradient before clipping. */
  readonly gradientNorm: number;
  /** Learning rate of this step. */
  readonly lr: number;
  /** Whatever terms logged. */
  readonly log: Readonly<Record<string, number>>;
}
export declare const trainStep: (options: any) => Promise<StepResult>;
