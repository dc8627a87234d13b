import { CompatibilityError } from "@semiseg/errors";
import type { LabeledBatch, Method, Passes, StepContext, UnlabeledBatch } from "@semiseg/method";
import { copyTensor, type Network, type NetworkOutput, type RandomStream, withoutGradient } from "@semiseg/nn";
import * as tf from "@tensorflow/tfjs-core";

export interface LocalBatch {
  labeled: LabeledBatch;
  unlabeled: UnlabeledBatch | null;
  image: tf.Tensor;
}

export function localGradients(options: {
  method: Method;
  batch: LocalBatch;
  step: number;
  maxSteps: number;
  random: RandomStream;
  numClasses: number;
}): {
  loss: tf.Scalar;
  gradients: tf.NamedTensorMap;
  terms: Record<string, { value: tf.Scalar; weight: number }>;
  log: Record<string, number>;
} {
  const { method, batch, step, maxSteps, random, numClasses } = options;
  const log: Record<string, number> = {};
  const shared = new Map<string, unknown>();
  const passes = (network: Network | null, name: string, gradient: boolean): Passes => {
    const cache = new Map<string, NetworkOutput>();
    const on = (view: string, image: tf.Tensor): NetworkOutput => {
      if (!network) throw new CompatibilityError(`no ${name}`);
      let out = cache.get(view);
      if (!out) {
        const run = (): NetworkOutput =>
          network.apply(image, { training: true, random: random.fork(`${name}/${view}`) });
        out = gradient ? run() : withoutGradient(run);
        cache.set(view, out);
      }
      return out;
    };
    const all = (): NetworkOutput => on("all", batch.image);
    const part = (key: string, from: number, count: number): NetworkOutput => {
      let out = cache.get(key);
      if (!out) {
        const whole = all();
        const cut = (t: tf.Tensor): tf.Tensor => tf.slice(t, [from], [count]);
        const map = (r: Readonly<Record<string, tf.Tensor>>) =>
          Object.fromEntries(Object.entries(r).map(([k, t]) => [k, cut(t)]));
        out = { logits: cut(whole.logits), features: map(whole.features), heads: map(whole.heads) };
        cache.set(key, out);
      }
      return out;
    };
    const labeled = batch.labeled.image.shape[0]!;
    return {
      network: network!,
      all,
      on,
      labeled: () => part("labeled", 0, labeled),
      unlabeled: () => part("unlabeled", labeled, batch.image.shape[0]! - labeled),
    };
  };
  const context: StepContext = {
    step,
    maxSteps,
    numClasses,
    labeled: batch.labeled,
    unlabeled: batch.unlabeled,
    image: batch.image,
    student: passes(method.student, "student", true),
    teacher: passes(method.teacher?.network ?? null, "teacher", false),
    auxiliary: passes(method.auxiliary, "auxiliary", true),
    random: (name) => random.fork(name),
    share: <T>(key: string, compute: () => T): T => {
      if (!shared.has(key)) shared.set(key, compute());
      return shared.get(key) as T;
    },
    log: (name, value) => {
      log[name] = typeof value === "number" ? value : value.dataSync()[0]!;
    },
  };
  const terms: Record<string, { value: tf.Scalar; weight: number }> = {};
  const variables = method.trainable.variables.filter((v) => v.trainable);
  const { value, grads } = tf.variableGrads(() => {
    let total: tf.Tensor = tf.scalar(0);
    for (const term of method.terms) {
      const weight = term.weight(step, maxSteps);
      if (weight === 0) {
        terms[term.name] = { value: tf.keep(tf.scalar(0)), weight };
        continue;
      }
      const loss = term.loss(context);
      terms[term.name] = { value: tf.keep(withoutGradient(() => tf.clone(loss))), weight };
      total = tf.add(total, tf.mul(loss, weight));
    }
    return total as tf.Scalar;
  }, variables);
  const names = new Map([...method.trainable.named].map(([name, v]) => [v.name, name]));
  return {
    loss: value,
    gradients: Object.fromEntries(Object.entries(grads).map(([name, g]) => [names.get(name)!, g])),
    terms,
    log,
  };
}

export class LocalAverage {
  constructor(readonly_source: Network, target: Network, options: { readonly decay: number }) {
    this.source = readonly_source;
    this.target = target;
    this.decay = options.decay;
  }
  source: Network;
  target: Network;
  decay: number;
  update(step: number): void {
    const decay = Math.min(1 - 1 / (step + 1), this.decay);
    tf.tidy(() => {
      for (const [name, variable] of this.target.named) {
        const from = this.source.named.get(name)!;
        variable.assign(
          variable.trainable ? tf.add(tf.mul(variable, decay), tf.mul(from, 1 - decay)) : copyTensor(from),
        );
      }
    });
  }
}
