import { checkNumber, checkSameShape } from "@semiseg/errors";
import {
  add,
  cast,
  concat,
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
  slice(x as T3, [0, from, 0], [x.shape[0]!, n, x.shape[2]!]) as T3;

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
  const state = dropout > 0 ? random!.state : null;
  const chunks = Array.from({ length: Math.ceil(queries / queryChunk) }, (_, i) => ({
    from: i * queryChunk,
    n: Math.min(queryChunk, queries - i * queryChunk),
  }));

  const weights = (q: T3, k: Tensor): Tensor => softmax(mul(matMul(q, k as T3, false, true), scale));
  const flags = (stream: RandomStream | undefined, n: number): Tensor | null =>
    dropout === 0 ? null : tensor(keepMask(batch * n * keys, dropout, stream!), [batch, n, keys], "bool");
  const mask = (kept: Tensor | null): Tensor | null => kept && mul(cast(kept, "float32"), keepScale(dropout));

  return withGradient([query, key, value], (_, save) => {
    const whole = chunks.length === 1 ? flags(random, queries) : null;
    save([query, key, value, ...(whole ? [whole] : [])]);
    const out = chunks.map(({ from, n }) =>
      tidy(() => {
        const p = weights(rows(query, from, n), key);
        const m = mask(whole ?? flags(random, n));
        return matMul((m ? mul(p, m) : p) as T3, value as T3);
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
        for (const { from, n } of chunks) {
          const [a, b, c] = tidy(() => {
            const part = rows(q, from, n);
            const g = rows(dy, from, n);
            const p = weights(part, k);
            const m = mask(drawn ?? flags(replay, n));
            const dropped = (m ? mul(p, m) : p) as T3;
            const toWeights = matMul(g, v as T3, false, true);
            const dp = m ? mul(toWeights, m) : toWeights;
            const ds = mul(mul(p, sub(dp, sum(mul(dp, p), -1, true))), scale) as T3;
            return [matMul(ds, k as T3), matMul(ds, part, true, false), matMul(dropped, g, true, false)] as Tensor[];
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
