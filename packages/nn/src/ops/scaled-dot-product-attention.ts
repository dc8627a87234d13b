import { checkNumber, checkSameShape } from "@semiseg/errors";
import {
  add,
  cast,
  concat,
  dispose,
  matMul,
  mul,
  slice,
  softmax,
  sub,
  sum,
  type Tensor,
  type Tensor3D,
  tensor,
  tidy,
} from "@tensorflow/tfjs-core";
import { keepMask, keepScale } from "../layers/dropout.js";
import { RandomStream } from "../random-stream.js";
import { withGradient } from "./with-gradient.js";

/** Arguments of {@link scaledDotProductAttention}. */
export interface AttentionArguments {
  /** `[B, Tq, d]`; B counts samples times heads. */
  readonly query: Tensor;
  /** `[B, Tk, d]`. */
  readonly key: Tensor;
  /** `[B, Tk, d]`. */
  readonly value: Tensor;
  /** Probability that an attention weight is dropped. Default 0. */
  readonly dropout?: number;
  /** Where the masks come from; needed with dropout. */
  readonly random?: RandomStream;
  /** Queries handled at a time: bounds memory by B * chunk * Tk numbers. Default all. */
  readonly queryChunk?: number;
}

type T3 = Tensor3D;

const rows = (x: Tensor, from: number, n: number): T3 =>
  n === x.shape[1] ? (x as T3) : (slice(x as T3, [0, from, 0], [x.shape[0]!, n, x.shape[2]!]) as T3);

/**
 * softmax(q k^T / sqrt d) v. The backward pass computes the weights again chunk by chunk instead of keeping them, so no
 * `[B, Tq, Tk]` tensor outlives its chunk in either direction. A dropout mask is kept, a byte per weight, where all
 * queries are one chunk, and drawn again otherwise.
 */
export function scaledDotProductAttention(args: AttentionArguments): Tensor {
  const { query, key, value, dropout = 0, random, queryChunk = query.shape[1]! } = args;
  checkSameShape("scaledDotProductAttention", "key", key, "value", value);
  checkNumber("scaledDotProductAttention", "queryChunk", queryChunk, { integer: true, min: 1 });
  const [batch, queries, width] = query.shape as [number, number, number];
  const keys = key.shape[1]!;
  const scale = 1 / Math.sqrt(width);
  const kept = dropout > 0 ? keepScale(dropout) : 1;
  const state = dropout > 0 ? random!.state : null;
  const chunks = Array.from({ length: Math.ceil(queries / queryChunk) }, (_, i) => ({
    from: i * queryChunk,
    n: Math.min(queryChunk, queries - i * queryChunk),
  }));

  /** The result of `f`; what it was made of goes at once, so that few tensors of `[B, n, Tk]` are there at a time. */
  const from = <T extends Tensor>(f: (...inputs: Tensor[]) => T, ...inputs: Tensor[]): T3 => {
    const result = f(...inputs);
    dispose(inputs);
    return result as unknown as T3;
  };
  const weights = (q: Tensor, k: Tensor): T3 =>
    from((logits) => softmax(logits), matMul(mul(q, scale) as T3, k as T3, false, true));
  /** Flags of `n` queries, drawn query by query: the same however they are chunked. */
  const flags = (stream: RandomStream | undefined, n: number): Tensor | null => {
    if (dropout === 0) return null;
    const drawn = new Uint8Array(batch * n * keys);
    for (let q = 0; q < n; q++) {
      const row = keepMask(batch * keys, dropout, stream!);
      for (let b = 0; b < batch; b++) drawn.set(row.subarray(b * keys, (b + 1) * keys), (b * n + q) * keys);
    }
    return tensor(drawn, [batch, n, keys], "bool");
  };

  return withGradient([query, key, value], (_, save) => {
    const whole = chunks.length === 1 ? flags(random, queries) : null;
    save([query, key, value, ...(whole ? [whole] : [])]);
    const out = chunks.map(({ from: begin, n }) =>
      tidy(() => {
        const p = weights(rows(query, begin, n), key);
        const drawn = whole ?? flags(random, n);
        if (!drawn) return matMul(p, value as T3);
        return mul(matMul(from(mul, p, cast(drawn, "float32")), value as T3), kept);
      }),
    );
    return {
      value: out.length === 1 ? out[0]! : concat(out, 1),
      gradFunc: (dy, saved) => {
        const [q, k, v, drawn] = saved as [Tensor, Tensor, Tensor, Tensor | undefined];
        const replay = state ? new RandomStream(0) : undefined;
        if (replay && state) replay.state = state;
        const dq: Tensor[] = [];
        let dk: Tensor | undefined;
        let dv: Tensor | undefined;
        for (const { from: begin, n } of chunks) {
          const [a, b, c] = tidy(() => {
            const asked = rows(q, begin, n);
            const part = rows(dy, begin, n);
            const g = kept === 1 ? part : (mul(part, kept) as T3);
            const p = weights(asked, k);
            const mask = drawn ?? flags(replay, n);
            const m = mask && cast(mask, "float32");
            const toValue = m ? (mul(p, m) as T3) : p;
            const dv = matMul(toValue, g, true, false);
            if (m) toValue.dispose();
            const toWeights = matMul(g, v as T3, false, true);
            const weighted = from((x) => mul(x, p), m ? from(mul, toWeights, m) : toWeights);
            const mean = sum(weighted, -1, true);
            const ds = from(
              sub,
              weighted,
              from((x) => mul(x, mean), p),
            );
            const scaled = mul(asked, scale) as T3;
            return [mul(matMul(ds, k as T3), scale), matMul(ds, scaled, true, false), dv] as Tensor[];
          }) as [Tensor, Tensor, Tensor];
          dq.push(a);
          dk = dk ? add(dk, b) : b;
          dv = dv ? add(dv, c) : c;
        }
        return [dq.length === 1 ? dq[0]! : concat(dq, 1), dk!, dv!];
      },
    };
  });
}
