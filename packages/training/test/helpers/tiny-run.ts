import { batchPlan, createBatchLoader, type Dataset, openDataset, restrictDataset } from "@semiseg/data";
import { composeMethod, type Method, type Term } from "@semiseg/method";
import { type Optimizer, sgd } from "@semiseg/nn";
import * as tf from "@tensorflow/tfjs-core";
import { evaluationCases } from "../../src/evaluation/evaluation-cases.js";
import type { TrainingData } from "../../src/train/training-data.js";
import { tinyNetwork } from "./tiny-network.js";

/** Cross-entropy on the labelled half. */
export const supervisedTerm = (): Term => ({
  name: "ce",
  needs: {},
  weight: () => 1,
  loss: ({ student, labeled }) =>
    tf.tidy(() => {
      const logProbs = tf.logSoftmax(student.labeled().logits);
      return tf.neg(tf.mean(tf.sum(tf.mul(labeled.onehot, logProbs), -1))) as tf.Scalar;
    }),
});

/** Mean squared difference to the teacher, with noise, a state that counts and a state tensor that remembers. */
export function consistencyTerm(): Term {
  let calls = 0;
  const memory = tf.variable(tf.zeros([1]), false);
  return {
    name: "consistency",
    needs: { teacher: true },
    weight: (step) => Math.min(1, step / 5),
    loss: (context) =>
      tf.tidy(() => {
        const noise = context.random("noise").normal(context.image.shape, 0.1);
        const target = tf.softmax(context.teacher.on("noisy", tf.add(context.image, noise)).logits);
        const error = tf.mean(tf.squaredDifference(tf.softmax(context.student.all().logits), target));
        return tf.add(error, tf.mul(memory, calls * 1e-3)).asScalar();
      }),
    state: {
      save: () => ({ json: { calls }, tensors: new Map([["memory", memory]]) }),
      load: ({ json, tensors }) => {
        calls = (json as { calls: number }).calls;
        memory.assign(tf.mul(tensors!.get("memory")!, 1));
      },
    },
    afterStep: () => {
      calls++;
      tf.tidy(() => memory.assign(tf.add(memory, 0.5)));
    },
  };
}

/** A small mean teacher. */
export function tinyMethod(terms: readonly Term[] = [supervisedTerm(), consistencyTerm()], classes = 3): Method {
  const teacher = terms.some((term) => term.needs.teacher) ? { teacher: { decay: 0.9 } } : {};
  return composeMethod({ name: "tiny", student: tinyNetwork(classes, 1), terms, ...teacher });
}

/** 2-D phantoms with 3 classes: 6 training, 2 validation, 2 test cases. */
export const tinyDataset = (): Promise<Dataset> =>
  openDataset({ kind: "phantom", shape: [16, 16], organs: 2, train: 6, validation: 2, test: 2, noise: 0.05 });

/** Batches of 1 labelled and 1 unlabelled patch. */
export async function tinyData(maxSteps: number): Promise<TrainingData> {
  const dataset = await tinyDataset();
  const { train, validation } = dataset.splits!;
  return {
    loader: createBatchLoader({
      dataset: restrictDataset(dataset, train),
      plan: batchPlan({
        labeled: train.slice(0, 2),
        unlabeled: train.slice(2),
        labeledBatchSize: 1,
        unlabeledBatchSize: 1,
        seed: 3,
      }),
      patchSize: [12, 12],
      seed: 4,
      workers: 0,
      maxSteps,
    }),
    classNames: dataset.classNames,
    manifest: { labeled: train.slice(0, 2) },
    validation: evaluationCases(dataset, { part: "validation", ids: validation, keep: true }),
  };
}

/** SGD with momentum and a falling rate. */
export const tinyOptimizer = (): Optimizer =>
  sgd({ learningRate: (step) => 0.1 * 0.95 ** step, momentum: 0.9, weightDecay: 1e-4 });
