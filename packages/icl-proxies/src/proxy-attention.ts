import { checkNumber, checkRank, OptionError, ShapeError } from "@semiseg/errors";
import { linear, type Module, moduleOf, type RandomStream, scaledDotProductAttention } from "@semiseg/nn";
import {
  add,
  matMul,
  mul,
  reshape,
  sum,
  type Tensor,
  type Tensor2D,
  type Tensor3D,
  tensor2d,
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
  // Head h's channels of a row, in a row of its own: products with whole weights in place of one matrix per head. The rows
  // are few, and an operation costs more than the zeros.
  const ownChannels = (factor: number): Tensor =>
    tensor2d(
      Float32Array.from({ length: heads * channels }, (_, i) =>
        Math.floor((i % channels) / width) === Math.floor(i / channels) ? factor : 0,
      ),
      [heads, channels],
    );
  /** Moves heads and classes of `[B, K, channels]` to the released code's order, or back. */
  const swapped = (x: Tensor, from: readonly [number, number]): Tensor =>
    reshape(transpose(reshape(x, [x.shape[0]!, ...from, width]), [0, 2, 1, 3]), x.shape);

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
        const asks = query.apply(proxies);
        const q = compatScramble ? swapped(asks, [heads, k]) : asks;
        const byHead = mul(reshape(q, [batch * k, 1, channels]), ownChannels(1 / Math.sqrt(width)));
        const flat = reshape(byHead, [batch * k * heads, channels]) as Tensor2D;
        const carried = reshape(matMul(flat, key.weight as unknown as Tensor2D), [
          batch,
          k * heads,
          channels,
        ]) as Tensor3D;
        const offset = matMul(flat, reshape(key.bias!, [channels, 1]) as Tensor2D);
        const rows = k * heads;
        // Queries are few: they take the factor in place of the scores.
        const asked = scoreFactor === 1 ? carried : (mul(carried, scoreFactor) as Tensor3D);
        const constant = scoreFactor === 1 ? offset : mul(reshape(offset, [batch, rows, 1]), scoreFactor);
        const shared = asked.shape[0] === 1;
        const raw = shared
          ? matMul(
              reshape(tokens, [samples * count, channels]) as Tensor2D,
              reshape(asked, [rows, channels]) as Tensor2D,
              false,
              true,
            )
          : matMul(tokens as Tensor3D, asked, false, true);
        const perToken = shared ? reshape(raw, [samples, count, rows]) : raw;
        const all = reshape(add(perToken, reshape(constant, [-1, 1, rows])), [samples, count, k, heads]);
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
          const all = reshape(value!.apply(found), [samples, k, heads, channels]);
          const merged = sum(mul(all, ownChannels(1)), 2);
          return output!.apply(compatScramble ? swapped(merged, [k, heads]) : merged);
        }
      });
      return { scores: scores!, attended: attended ?? null };
    },
  };
}
