import {
  add,
  addN,
  customGrad,
  div,
  matMul,
  mul,
  reshape,
  type Scalar,
  softmax,
  sub,
  sum,
  type Tensor,
  type Tensor2D,
  tidy,
} from "@tensorflow/tfjs-core";

/** Options of {@link consistencyOfLogits}. */
interface ConsistencyOfLogitsOptions {
  readonly temperature: number;
  readonly detachTargets: boolean;
}

const total = (tensors: readonly Tensor[]): Tensor => (tensors.length === 1 ? tensors[0]! : addN([...tensors]));

/** Sum of squares as a product: engines reduce large tensors to one number slowly. */
const squares = (x: Tensor): Tensor => {
  const row = reshape(x, [1, x.size]) as Tensor2D;
  return reshape(matMul(row, row, false, true), []);
};

/** `mutualConsistencyLoss` summed over all pairs of outputs, of their logits, with its gradient worked out on the way. */
export function consistencyOfLogits(outputs: readonly Tensor[], options: ConsistencyOfLogitsOptions): Scalar {
  const { temperature, detachTargets } = options;
  const loss = customGrad((...inputs: unknown[]) => {
    const save = inputs.pop() as (tensors: Tensor[]) => void;
    const logits = inputs as Tensor[];
    const size = logits[0]!.size;
    // Sharpened probabilities are those of logits divided by the temperature.
    const plain = logits.map((z) => softmax(z));
    const sharp = logits.map((z) => softmax(div(z, temperature)));
    const apart = plain.map((p, i) => sharp.map((s, j) => (i === j ? null : sub(p, s))));
    const own = (i: number): Tensor[] => apart[i]!.filter((d) => d !== null);
    const asTarget = (j: number): Tensor[] => apart.map((row) => row[j]!).filter((d) => d !== null);
    /** Through a softmax `p` of `z / t`: `p (g - sum p g) / t`. */
    const through = (p: Tensor, g: Tensor, factor: number): Tensor => {
      const weighted = mul(p, g);
      return mul(sub(weighted, mul(p, sum(weighted, -1, true))), factor);
    };
    save(
      logits.map((_, i) => {
        const direct = through(plain[i]!, total(own(i)), 2 / size);
        if (detachTargets) return direct;
        return add(direct, through(sharp[i]!, total(asTarget(i)), -2 / (size * temperature)));
      }),
    );
    return {
      value: div(total(apart.flatMap((_, i) => own(i).map(squares))), size),
      gradFunc: (dy: Tensor, saved: Tensor[]) => saved.map((gradient) => mul(gradient, dy)),
    };
  });
  return tidy(() => loss(...outputs)) as Scalar;
}
