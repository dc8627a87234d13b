import { type OmniCorrelationTerm, type OmniCorrelationTermOptions, omniCorrelationTerm } from "@semiseg/correlation";
import { composeMethod, createStepContext, type OwnedStepContext } from "@semiseg/method";
import { moduleOf, type Network, RandomStream } from "@semiseg/nn";
import * as tf from "@tensorflow/tfjs-core";

/** What a network of {@link fixedNetwork} says, whatever it is shown. */
export interface Said {
  /** Class of each of the 4 x 4 voxels (two labelled samples, then two unlabelled ones), -1 for none. */
  readonly classes: readonly number[];
  /** `[16, 3]`. */
  embedding: tf.Tensor;
  /** Confidence by voxel, larger is more; default by index. */
  readonly margin?: (voxel: number) => number;
}

/** Four samples of 2 x 2 voxels. */
export const voxels = 16;

/** A network whose outputs are given: the logits by classes and margins, the embedding by a tensor of 3 channels. */
export function fixedNetwork(said: Said, classes: number): Network {
  const nothing = { name: "e", stride: 1, channels: 3 };
  const scale = tf.tidy(() => tf.variable(tf.scalar(1)));
  return {
    ...moduleOf({ scale }),
    config: {},
    provides: {
      spatialDims: 2,
      inChannels: 1,
      classes,
      dropout: false,
      normalization: "none",
      divisor: 1,
      encoder: [],
      decoder: [],
      gated: [],
      scales: [],
      embedding: nothing,
      heads: [],
    },
    apply: (x) => {
      const { classes: own, embedding, margin = (voxel) => 1 + voxel / 100 } = said;
      const samples = x.shape[0]!;
      const logits = own.flatMap((c, v) => Array.from({ length: classes }, (_, k) => (k === c ? margin(v) : 0)));
      return {
        logits: tf.mul(tf.tensor(logits.slice(0, samples * 4 * classes), [samples, 2, 2, classes]), scale),
        features: { e: tf.reshape(tf.slice(tf.mul(embedding, scale), 0, samples * 4), [samples, 2, 2, 3]) },
        heads: {},
      };
    },
    clone: () => fixedNetwork(said, classes),
  };
}

/** Two such networks, the term between them, and contexts of a step. */
export interface FixedMethod {
  readonly term: OmniCorrelationTerm;
  readonly v: Said;
  readonly a: Said;
  /** What scales the outputs of both networks. */
  readonly scales: readonly tf.Variable[];
  context(options?: {
    labels?: readonly number[];
    ids?: readonly string[];
    unlabeled?: boolean;
    step?: number;
  }): OwnedStepContext;
}

/** A method of nothing but the term; `v` and `a` can be changed between steps. */
export function fixedMethod(
  v: Said,
  a: Said,
  options: Partial<OmniCorrelationTermOptions> = {},
  classes = 2,
): FixedMethod {
  const random = new RandomStream(11);
  const term = omniCorrelationTerm({ channels: 3, numClasses: classes, perClass: 2, width: 4, random, ...options });
  const method = composeMethod({
    name: "test",
    student: fixedNetwork(v, classes),
    auxiliary: fixedNetwork(a, classes),
    terms: [term],
  });
  return {
    term,
    v,
    a,
    scales: [method.student, method.auxiliary!].flatMap(({ variables }) => variables),
    context: ({ labels = v.classes.slice(0, 8), ids = ["s1", "s2"], unlabeled = true, step = 0 } = {}) => {
      const samples = ids.length;
      const image = tf.zeros([samples, 2, 2, 1]);
      const y = tf.tensor([...labels].slice(0, samples * 4), [samples, 2, 2], "int32");
      const half = unlabeled ? { image: tf.zeros([2, 2, 2, 1]), ids: ["u1", "u2"] } : null;
      const batch = { labeled: { image, labels: y, ids }, unlabeled: half };
      return createStepContext(method, batch, { step, maxSteps: 100, random: new RandomStream(5) });
    },
  };
}
