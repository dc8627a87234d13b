import { batchNorm, conv, RandomStream, variableGradients, withoutGradient } from "@semiseg/nn";
import { eachBackend } from "@semiseg/test-utils";
import * as tf from "@tensorflow/tfjs-core";
import { expect, it } from "vitest";

const example = () => {
  const random = new RandomStream(3);
  const layers = [0, 1, 2].map((i) =>
    conv({ spatialDims: 3, inChannels: i === 0 ? 1 : 4, outChannels: 4, kernelSize: 3, random }),
  );
  const norms = layers.map(() => batchNorm({ channels: 4, relu: true }));
  const x = random.normal([2, 4, 4, 4, 1]);
  const variables = [...layers, ...norms].flatMap(({ variables }) => variables).filter(({ trainable }) => trainable);
  const loss = () => {
    let y: tf.Tensor = x;
    for (const [i, layer] of layers.entries()) y = norms[i]!.apply(layer.apply(y), { training: true });
    // The same tensor twice, a clone and a constant that no variable reaches.
    const constant = withoutGradient(() => tf.square(x));
    return tf.add(tf.mean(tf.mul(y, y)), tf.mean(tf.add(tf.clone(y), constant))) as tf.Scalar;
  };
  return { variables, loss, dispose: () => tf.dispose([x, ...variables]) };
};

eachBackend("variableGradients", () => {
  it("gives the values of tf.variableGrads", () => {
    const { variables, loss } = example();
    const expected = tf.variableGrads(loss, variables);
    const { value, gradients } = variableGradients(loss, variables);
    expect(value.dataSync()).toEqual(expected.value.dataSync());
    expect(gradients.size).toBe(variables.length);
    for (const variable of variables)
      expect(gradients.get(variable)!.dataSync()).toEqual(expected.grads[variable.name]!.dataSync());
  });

  it("holds less than tf.variableGrads at its fullest and leaves only the value and the gradients", () => {
    const { variables, loss } = example();
    const engine = tf.engine() as unknown as { runKernelFunc(params: unknown): unknown };
    const stock = engine.runKernelFunc;
    const fullest = (f: () => void): number => {
      let most = 0;
      engine.runKernelFunc = function (params) {
        const result = stock.call(this, params);
        most = Math.max(most, tf.memory().numBytes);
        return result;
      };
      try {
        f();
      } finally {
        engine.runKernelFunc = stock;
      }
      return most - tf.memory().numBytes;
    };
    tf.tidy(() => void tf.variableGrads(loss, variables));
    const before = tf.memory().numTensors;
    const own = fullest(() => {
      const { value, gradients } = variableGradients(loss, variables);
      expect(tf.memory().numTensors).toBe(before + 1 + variables.length);
      tf.dispose([value, ...gradients.values()]);
    });
    const theirs = fullest(() => tf.tidy(() => void tf.variableGrads(loss, variables)));
    expect(own).toBeLessThan(0.8 * theirs);
    expect(tf.memory().numTensors).toBe(before);
  });

  it("lets a custom gradient pass on its own input, a saved tensor or a constant", () => {
    const [a, b] = [tf.variable(tf.tensor1d([1, 2])), tf.variable(tf.tensor1d([3, 4]))];
    const constant = tf.tensor1d([7, 8]);
    const pass = tf.customGrad((...args: unknown[]) => {
      const [x, y, save] = args as [tf.Tensor, tf.Tensor, tf.GradSaveFunc];
      save([x]);
      return { value: tf.add(x, y), gradFunc: (dy: tf.Tensor, saved: tf.Tensor[]) => [dy, saved[0]!] };
    });
    const fixed = tf.customGrad((...args: unknown[]) => ({
      value: tf.mul(args[0] as tf.Tensor, 2),
      gradFunc: () => constant,
    }));
    const { gradients } = variableGradients(() => tf.sum(tf.add(pass(a, b), fixed(a))) as tf.Scalar, [a, b]);
    expect([...gradients.get(a)!.dataSync()]).toEqual([8, 9]);
    expect([...gradients.get(b)!.dataSync()]).toEqual([1, 2]);
    expect([...constant.dataSync()]).toEqual([7, 8]);
  });

  it("works inside another gradient, and twice", () => {
    const w = tf.variable(tf.tensor1d([2, 3]));
    const inner = () => variableGradients(() => tf.sum(tf.pow(w, 3)) as tf.Scalar, [w]).gradients.get(w)!;
    const { gradients } = variableGradients(() => tf.sum(inner()) as tf.Scalar, [w]);
    const values = [...gradients.get(w)!.dataSync()];
    expect(values[0]).toBeCloseTo(12, 3);
    expect(values[1]).toBeCloseTo(18, 3);
  });

  it("leaves out variables that the value does not depend on, and refuses a value that depends on none", () => {
    const [a, b] = [tf.variable(tf.scalar(1)), tf.variable(tf.scalar(2))];
    expect(variableGradients(() => tf.square(a) as tf.Scalar, [a, b]).gradients.has(b)).toBe(false);
    expect(() => variableGradients(() => tf.scalar(1), [a, b])).toThrow(/does not depend on any/);
    const before = tf.memory().numTensors;
    expect(() =>
      variableGradients(() => {
        throw new Error("broken term");
      }, [a]),
    ).toThrow("broken term");
    expect(tf.memory().numTensors).toBe(before);
    expect(variableGradients(() => tf.square(a) as tf.Scalar, [a]).gradients.size).toBe(1);
  });
});
