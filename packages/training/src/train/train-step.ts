import type { Batch } from "@semiseg/data";
import type { Method } from "@semiseg/method";
import type { Optimizer, RandomStream } from "@semiseg/nn";
import { addN, cast, dispose, oneHot, slice, square, sum, type Tensor, tensor, tidy } from "@tensorflow/tfjs-core";
import { DivergenceError } from "../run/training-error.js";
import { localGradients } from "./local-method.js";

/** One term in one step. */
export interface TermResult {
  /** Before the weight. 0 where the weight is 0. */
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
  /** Whatever terms logged. */
  readonly log: Readonly<Record<string, number>>;
}

/** What a step works on. */
export interface StepOptions {
  readonly method: Method;
  readonly optimizer: Optimizer;
  readonly average: { update(step: number): void } | null;
  readonly batch: Batch;
  readonly step: number;
  readonly maxSteps: number;
  readonly random: RandomStream;
  readonly numClasses: number;
  readonly gradientNorms: boolean;
}

/** One optimizer step. Throws DivergenceError before anything is changed by a loss or gradient that is not finite. */
export async function trainStep(options: StepOptions): Promise<StepResult> {
  const { method, optimizer, average, batch, step, maxSteps, random, numClasses } = options;
  const image = tensor(batch.image, [...batch.imageShape]);
  const labels = tensor(batch.labels, [...batch.labelsShape], "int32");
  const onehot = tidy(() => cast(oneHot(labels as never, numClasses), "float32"));
  const count = batch.labelsShape[0]!;
  const labeled = slice(image, [0], [count]);
  const rest = batch.imageShape[0]! - count;
  const unlabeled = rest > 0 ? slice(image, [count], [rest]) : null;
  const { loss, gradients, terms, log } = localGradients({
    method,
    batch: {
      image,
      labeled: { image: labeled, labels, onehot, ids: batch.labeledIds },
      unlabeled: unlabeled ? { image: unlabeled, ids: batch.unlabeledIds } : null,
    },
    step,
    maxSteps,
    random,
    numClasses,
  });
  const squares = tidy(() => addN(Object.values(gradients).map((g) => sum(square(g)))));
  const [total] = await loss.data();
  const gradientNorm = Math.sqrt((await squares.data())[0]!);
  const results: Record<string, TermResult> = {};
  for (const [name, { value, weight }] of Object.entries(terms)) {
    const [number] = await value.data();
    results[name] = { value: number!, weight, weighted: number! * weight };
    value.dispose();
  }
  const culprits = Object.entries(results)
    .filter(([, r]) => !Number.isFinite(r.weighted))
    .map(([name]) => name);
  const ok = culprits.length === 0 && Number.isFinite(gradientNorm);
  if (ok) {
    optimizer.apply(gradients, method.trainable.named, step);
    average?.update(step);
  }
  dispose([
    image,
    labels,
    onehot,
    labeled,
    ...(unlabeled ? [unlabeled] : []),
    loss,
    squares,
    ...(Object.values(gradients) as Tensor[]),
  ]);
  if (!ok)
    throw new DivergenceError(
      culprits.length > 0
        ? `step ${step}: the loss of ${culprits.map((name) => `'${name}' (${results[name]!.value})`).join(", ")} is not finite; nothing was changed, and the last checkpoint is from before`
        : `step ${step}: the gradient is not finite although every loss is; nothing was changed`,
      step,
      culprits,
    );
  return { loss: total!, terms: results, gradientNorm, log };
}
