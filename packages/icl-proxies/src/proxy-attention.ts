import { checkNumber, checkRank, OptionError, ShapeError } from "@semiseg/errors";
import { linear, type Module, moduleOf, type RandomStream, scaledDotProductAttention } from "@semiseg/nn";
import {
  add,
  matMul,
  mul,
  reshape,
  type Tensor,
  type Tensor2D,
  type Tensor3D,
  tidy,
  tile,
  transpose,
} from "@tensorflow/tfjs-core";

/** Options of {@link proxyAttention}. */
export interface ProxyAttentionOptions {
  readonly channels: number;
  /** Divides `channels`. */
  readonly heads: number;
  /** Also give attended values; without them there are no value and output projections. Default true. */
  readonly values?: boolean;
  /** Read heads and classes in the order of the released code. Default false. */
  readonly compatScramble?: boolean;
  readonly random: RandomStream;
}

/** What proxies find in a feature. */
export interface ProxyAttentionResult {
  /** `<q, key> / sqrt(d)` before the softmax, `[B, N, K, heads]`. */
  readonly scores: Tensor;
  /** `[B, K, channels]`; null without values. */
  readonly attended: Tensor | null;
}

/** Multi-head attention of proxies to tokens; see {@link proxyAttention}. */
export interface ProxyAttention extends Module {
  /**
   * @param args - `proxies` `[B or 1, K, channels]` (1: the same for every sample), `tokens` `[B, N, channels]`;
   * `scoreFactor`, a number or `[B, 1, 1]`, multiplies the scores that are given, not those that attend.
   */
  attend(args: {
    readonly proxies: Tensor;
    readonly tokens: Tensor;
    readonly scoreFactor?: Tensor | number;
  }): ProxyAttentionResult;
}

/**
 * Multi-head cross-attention of K class proxies to N tokens that also gives its raw scores:
 * `A[b,n,k,h] = <q_kh, key_nh> / sqrt(d)`, `attended = softmax_n(A) V`, heads merged, output projection.
 *
 * Keys and values are never formed: with few proxies it is cheaper to carry the queries through the key projection into
 * the space of the tokens, and the attended tokens, not all of them, through the value projection. The numbers are the
 * same.
 *
 * Variables `query.*`, `key.*`, `value.*`, `output.*`, each `weight` `[channels, channels]` and `bias`.
 *
 * @throws ShapeError for inputs of another shape; OptionError for options out of range.
 * @see Zhu et al. (ICL), MIDL 2023; the released code views `[B, K, channels]` as `[B, heads, K, d]` without moving axes,
 * so that its maps mix classes. `compatScramble` does the same.
 */
export function proxyAttention(options: ProxyAttentionOptions): ProxyAttention {
  const where = "proxyAttention";
  const { channels, heads, values = true, compatScramble = false, random } = options;
  checkNumber(where, "channels", channels, { integer: true, min: 1 });
  checkNumber(where, "heads", heads, { integer: true, min: 1 });
  if (channels % heads !== 0)
    throw new OptionError(`${where}: heads must divide the ${channels} channels, received ${heads}`);
  const width = channels / heads;
  const square = (name: string) => linear({ inFeatures: channels, outFeatures: channels, random: random.fork(name) });
  const [query, key] = [square("query"), square("key")];
  const [value, output] = values ? [square("value"), square("output")] : [undefined, undefined];
  /** A weight `[channels, channels]` as one matrix `[d, channels]` per head. */
  const perHead = (weight: Tensor): Tensor3D => reshape(weight, [heads, width, channels]);

  /** `[B, K, channels]` as `[heads, B * K, d]`. */
  const split = (x: Tensor): Tensor3D => {
    const [b, k] = x.shape as [number, number];
    const byHead = compatScramble
      ? transpose(reshape(x, [b, heads, k, width]), [1, 0, 2, 3])
      : transpose(reshape(x, [b, k, heads, width]), [2, 0, 1, 3]);
    return reshape(byHead, [heads, b * k, width]);
  };
  /** The inverse of `split`. */
  const merge = (x: Tensor, b: number, k: number): Tensor => {
    const byHead = reshape(x, [heads, b, k, width]);
    return reshape(transpose(byHead, compatScramble ? [1, 0, 2, 3] : [1, 2, 0, 3]), [b, k, channels]);
  };
  /** `[heads, B * K, m]` as `[B, K * heads, m]`. */
  const byProxy = (x: Tensor3D, b: number, k: number): Tensor3D =>
    reshape(transpose(reshape(x, [heads, b, k, x.shape[2]]), [1, 2, 0, 3]), [b, k * heads, x.shape[2]]);

  return {
    ...moduleOf({ query, key, value, output }),
    attend: ({ proxies, tokens, scoreFactor = 1 }) => {
      checkRank(where, "tokens", tokens, 3);
      const [samples, count] = tokens.shape as [number, number];
      const [batch, k] = proxies.shape as [number, number];
      if (tokens.shape[2] !== channels)
        throw new ShapeError(
          `${where}: tokens must have shape [B, N, ${channels}], received [${tokens.shape.join(", ")}]`,
        );
      if (proxies.rank !== 3 || proxies.shape[2] !== channels || (batch !== 1 && batch !== samples))
        throw new ShapeError(
          `${where}: proxies must have shape [1 or ${samples}, K, ${channels}], received [${proxies.shape.join(", ")}]`,
        );
      const [scores, attended] = tidy((): Tensor[] => {
        const q = mul(split(query.apply(proxies)), 1 / Math.sqrt(width)) as Tensor3D;
        const carried = byProxy(matMul(q, perHead(key.weight)), batch, k);
        const offset = byProxy(matMul(q, reshape(key.bias!, [heads, width, 1]) as Tensor3D), batch, k);
        const rows = k * heads;
        // Queries are few: they take the factor in place of the scores.
        const asked = scoreFactor === 1 ? carried : (mul(carried, scoreFactor) as Tensor3D);
        const constant = scoreFactor === 1 ? offset : mul(offset, scoreFactor);
        const shared = asked.shape[0] === 1;
        const raw = shared
          ? matMul(
              reshape(tokens, [samples * count, channels]) as Tensor2D,
              reshape(asked, [rows, channels]) as Tensor2D,
              false,
              true,
            )
          : matMul(tokens as Tensor3D, asked, false, true);
        const all = reshape(add(reshape(raw, [samples, count, rows]), reshape(constant, [-1, 1, rows])), [
          samples,
          count,
          k,
          heads,
        ]);
        return value && output ? [all, attendedValues(carried)] : [all];

        function attendedValues(queries: Tensor3D): Tensor {
          // The attention divides by the root of the width of what it compares, here all channels; a constant of a
          // query (its product with the bias of the keys) does not change its softmax.
          const scaled = mul(queries, Math.sqrt(channels));
          const found = scaledDotProductAttention({
            query: batch === samples ? scaled : tile(scaled, [samples, 1, 1]),
            key: tokens,
            value: tokens,
          });
          const byHead = transpose(reshape(found, [samples, k, heads, channels]), [2, 0, 1, 3]);
          const projected = matMul(
            reshape(byHead, [heads, samples * k, channels]) as Tensor3D,
            perHead(value!.weight),
            false,
            true,
          );
          return output!.apply(merge(add(projected, reshape(value!.bias!, [heads, 1, width])), samples, k));
        }
      });
      return { scores: scores!, attended: attended ?? null };
    },
  };
}
