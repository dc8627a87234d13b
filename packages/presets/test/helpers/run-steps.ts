import {
  afterStep,
  createStepContext,
  ExponentialMovingAverage,
  type Method,
  type MethodGradients,
  methodGradients,
  type StepBatch,
} from "@semiseg/method";
import { loadStateDict, moduleOf, type Optimizer, RandomStream, sgd } from "@semiseg/nn";
import * as tf from "@tensorflow/tfjs-core";

/** What a short run works with. */
export interface RunOptions {
  readonly size: readonly number[];
  readonly classes: number;
  readonly maxSteps: number;
  /** Samples per half. Default 2. */
  readonly half?: number;
  /** Default: {@link randomBatch}. */
  readonly batch?: (step: number, options: RunOptions) => StepBatch;
}

/** One step as a test sees it. */
export interface StepRecord {
  readonly total: number;
  readonly terms: MethodGradients["terms"];
  readonly log: Readonly<Record<string, number>>;
}

/** Random images of a step; labels are thresholds of them, so that there is something to learn. */
export function randomBatch(step: number, { size, classes, half = 2 }: RunOptions): StepBatch {
  const random = new RandomStream(100 + step);
  const image = () => random.normal([half, ...size, 1]);
  const first = image();
  const labels = tf.tidy(() =>
    tf.cast(
      tf.clipByValue(tf.add(tf.mul(tf.reshape(first, [half, ...size]), 1.5), classes / 2), 0, classes - 1),
      "int32",
    ),
  );
  const ids = (from: number) => Array.from({ length: half }, (_, i) => `scan ${(from + step * half + i) % 4}`);
  return { labeled: { image: first, labels, ids: ids(0) }, unlabeled: { image: image(), ids: ids(4) } };
}

type SavedTensors = ReadonlyMap<string, { readonly values: tf.TypedArray; readonly shape: readonly number[] }>;

/** Everything the next step depends on, in host memory. */
export interface SavedRun {
  readonly weights: SavedTensors;
  readonly optimizer: { readonly json: unknown; readonly tensors: SavedTensors };
  readonly terms: readonly ({ readonly json: unknown; readonly tensors: SavedTensors } | undefined)[];
}

/** A run of single steps. */
export interface Run {
  step(step: number, gradientNorms?: boolean): Promise<StepRecord>;
  save(): Promise<SavedRun>;
  load(saved: SavedRun): void;
}

/** A method with what a training loop keeps beside it. */
export function openRun(method: Method, options: RunOptions): Run {
  const optimizer: Optimizer = sgd({ learningRate: 0.01, momentum: 0.9, weightDecay: 1e-4 });
  const average = method.teacher
    ? new ExponentialMovingAverage(method.student, method.teacher.network, method.teacher.config)
    : null;
  const everything = moduleOf({ trainable: method.trainable, teacher: method.teacher?.network });
  return {
    async step(step: number, gradientNorms = false): Promise<StepRecord> {
      const batch = (options.batch ?? randomBatch)(step, options);
      const { maxSteps } = options;
      const context = createStepContext(method, batch, { step, maxSteps, random: new RandomStream(7) });
      const { total, terms, gradients } = await methodGradients(method, context, { gradientNorms });
      optimizer.apply(gradients, method.trainable.named, step);
      average?.update(step);
      await afterStep(method, context);
      const log: Record<string, number> = {};
      for (const [name, v] of context.logged) log[name] = typeof v === "number" ? v : (await v.data())[0]!;
      tf.dispose([...gradients.values()]);
      context.dispose();
      tf.dispose([batch.labeled.image, batch.labeled.labels, batch.unlabeled!.image]);
      return { total, terms, log };
    },
    async save() {
      const copy = async (tensors: ReadonlyMap<string, tf.Tensor>) => {
        const values = await Promise.all([...tensors.values()].map((t) => t.data()));
        return new Map(
          [...tensors].map(([name, { shape }], i) => [name, { values: values[i]!.slice(), shape }] as const),
        );
      };
      const saved = optimizer.saveState();
      const terms = method.terms.map(async ({ state }) => {
        const s = state?.save();
        return (
          s && { json: JSON.parse(JSON.stringify(s.json)) as unknown, tensors: await copy(s.tensors ?? new Map()) }
        );
      });
      return {
        weights: await copy(everything.named),
        optimizer: { json: structuredClone(saved.json), tensors: await copy(saved.tensors) },
        terms: await Promise.all(terms),
      };
    },
    load(saved) {
      const tensors = (from: SavedTensors) =>
        new Map([...from].map(([name, { values, shape }]) => [name, tf.tensor(values, [...shape])]));
      const scratch = [tensors(saved.weights), tensors(saved.optimizer.tensors)] as const;
      loadStateDict(everything, scratch[0]);
      optimizer.loadState({ json: saved.optimizer.json, tensors: scratch[1] });
      for (const map of scratch) tf.dispose([...map.values()]);
      for (const [i, { state }] of method.terms.entries()) {
        const s = saved.terms[i];
        if (!state || !s) continue;
        const own = tensors(s.tensors);
        state.load({ json: s.json, tensors: own });
        tf.dispose([...own.values()]);
      }
    },
  };
}
