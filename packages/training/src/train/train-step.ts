import type { Batch } from "@semiseg/data";
import {
  afterStep,
  createStepContext,
  type Method,
  methodGradients,
  NonFiniteLossError,
  type OwnedStepContext,
  type StepBatch,
  teacherDistance,
} from "@semiseg/method";
import type { Optimizer, RandomStream } from "@semiseg/nn";
import { addN, dispose, slice, square, sum, type Tensor, tensor, tidy } from "@tensorflow/tfjs-core";
import { DivergenceError } from "../run/training-error.js";

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
  /** Norm of the whole gradient. */
  readonly gradientNorm: number;
  /** Whatever terms logged. */
  readonly log: Readonly<Record<string, number>>;
}

/** What a step works on. */
export interface TrainStepOptions {
  readonly method: Method;
  readonly optimizer: Optimizer;
  /** The teacher's average, if there is a teacher. */
  readonly average: { update(step: number): void } | null;
  readonly batch: Batch;
  readonly step: number;
  readonly maxSteps: number;
  /** The run's stream; a step's numbers are forks of it by step. */
  readonly random: RandomStream;
  readonly gradientNorms: boolean;
}

/** The batch as tensors, labelled items first. */
function toTensors(batch: Batch): { readonly tensors: Tensor[]; readonly batch: StepBatch } {
  const image = tensor(batch.image, [...batch.imageShape]);
  const labels = tensor(batch.labels, [...batch.labelsShape], "int32");
  const count = batch.labelsShape[0]!;
  const rest = batch.imageShape[0]! - count;
  const labeled = slice(image, [0], [count]);
  const unlabeled = rest > 0 ? slice(image, [count], [rest]) : null;
  image.dispose();
  // Labels are learned from the weak view; the strong one is for consistency on unlabelled items.
  const first = (batch.image.length / batch.imageShape[0]!) * count;
  const strong =
    batch.strong && rest > 0 ? tensor(batch.strong.subarray(first), [rest, ...batch.imageShape.slice(1)]) : null;
  return {
    tensors: [labels, labeled, ...(unlabeled ? [unlabeled] : []), ...(strong ? [strong] : [])],
    batch: {
      labeled: { image: labeled, labels, ids: batch.labeledIds },
      unlabeled: unlabeled ? { image: unlabeled, ...(strong ? { strong } : {}), ids: batch.unlabeledIds } : null,
    },
  };
}

async function globalNorm(gradients: ReadonlyMap<string, Tensor>): Promise<number> {
  if (gradients.size === 0) return 0;
  const squares = tidy(() => addN([...gradients.values()].map((gradient) => sum(square(gradient)))));
  const [value] = await squares.data();
  squares.dispose();
  return Math.sqrt(value!);
}

/** Terms whose own gradient is not finite; asked only when the sum's isn't, just before the run stops. */
async function culprits(method: Method, open: (method: Method) => OwnedStepContext): Promise<string[]> {
  const found: string[] = [];
  for (const term of method.terms) {
    const alone: Method = { ...method, terms: [term] };
    const context = open(alone);
    const { gradients } = await methodGradients(alone, context);
    if (!Number.isFinite(await globalNorm(gradients))) found.push(term.name);
    dispose([...gradients.values()]);
    context.dispose();
  }
  return found;
}

/**
 * One optimizer step: losses and gradients, weights, teacher, then the terms' `afterStep` (without gradient).
 *
 * @throws DivergenceError naming the term when a loss or its gradient is not finite; no weight was changed by then.
 */
export async function trainStep(options: TrainStepOptions): Promise<StepResult> {
  const { method, optimizer, average, step, maxSteps, random, gradientNorms } = options;
  const { tensors, batch } = toTensors(options.batch);
  const open = (of: Method): OwnedStepContext => createStepContext(of, batch, { step, maxSteps, random });
  const context = open(method);
  let gradients = new Map<string, Tensor>();
  try {
    const found = await methodGradients(method, context, { gradientNorms });
    gradients = found.gradients;
    const gradientNorm = await globalNorm(gradients);
    if (!Number.isFinite(gradientNorm)) {
      const terms = await culprits(method, open);
      throw new DivergenceError(
        `the gradient of ${terms.map((name) => `'${name}'`).join(", ") || "the loss"} is ${gradientNorm} at step ${step} although every loss is finite: no weight was changed`,
        step,
        terms,
      );
    }
    optimizer.apply(gradients, method.trainable.named, step);
    average?.update(step);
    await afterStep(method, context);
    const log: Record<string, number> = {};
    if (method.teacher) {
      const distance = teacherDistance(method.student, method.teacher.network);
      log["teacher distance"] = (await distance.data())[0]!;
      distance.dispose();
    }
    for (const [name, value] of context.logged)
      log[name] = typeof value === "number" ? value : ((await value.data()) as Float32Array)[0]!;
    const terms = Object.fromEntries(
      found.terms.map(({ name, ...term }) => [name, { ...term, weighted: term.value * term.weight }] as const),
    );
    return { loss: found.total, terms, gradientNorm, log };
  } catch (error) {
    if (error instanceof NonFiniteLossError) throw new DivergenceError(error.message, step, [error.term]);
    throw error;
  } finally {
    dispose([...gradients.values()]);
    context.dispose();
    dispose(tensors);
  }
}
