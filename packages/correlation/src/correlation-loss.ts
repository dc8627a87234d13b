import { FUSED_CORRELATION_ROWS, hasKernel } from "@semiseg/kernels";
import {
  add,
  addN,
  concat,
  customGrad,
  div,
  engine,
  log,
  matMul,
  mul,
  type Scalar,
  slice,
  softmax,
  sub,
  sum,
  type Tensor,
  type Tensor2D,
  tidy,
  zerosLike,
} from "@tensorflow/tfjs-core";

/** Arguments of {@link correlationLoss}. */
export interface CorrelationLossArguments {
  /** `[R, E]`, R at least 1. */
  readonly queriesV: Tensor;
  readonly queriesA: Tensor;
  /** `[M, E]` per class, or null; at least one is there. */
  readonly memories: readonly (Tensor | null)[];
  readonly temperature: number;
  readonly detachTarget: boolean;
  /** Numbers of a matrix that are in work at a time. Default 2^20, as many as processors keep close. */
  readonly block?: number;
}

/** FUSED_CORRELATION_ROWS of plain ops. */
function composedRows(zV: Tensor2D, zA: Tensor2D): Tensor[] {
  const [v, a] = [softmax(zV), softmax(zA)];
  const shifted = add(v, 1e-8);
  const weighted = mul(a, log(shifted));
  const rows = sum(weighted, -1, true);
  // Of -a ln(v + e), through v = softmax(z): v_j (sum_k w_k) - w_j with w = a v / (v + e).
  const w = mul(a, div(v, shifted));
  return [rows, sub(mul(v, sum(w, -1, true)), w), sub(mul(a, rows), weighted)];
}

/** Loss and gradients of a few rows: `[sum, dV, dA]`, not yet divided by the number of rows. */
function ofBlock(qV: Tensor2D, qA: Tensor2D, memory: Tensor2D, detachTarget: boolean): Tensor[] {
  const [zV, zA] = [qV, qA].map((q) => matMul(q, memory, false, true)) as [Tensor2D, Tensor2D];
  const [rows, gV, gA] = (
    hasKernel(FUSED_CORRELATION_ROWS) ? engine().runKernel(FUSED_CORRELATION_ROWS, { zV, zA }) : composedRows(zV, zA)
  ) as [Tensor, Tensor2D, Tensor2D];
  return [sum(rows), matMul(gV, memory), detachTarget ? zerosLike(qA) : matMul(gA, memory)];
}

/**
 * `omniCorrelationConsistency` of two `correlationMatrix`, with the gradients in both queries worked out on the way, a
 * block of rows at a time: no matrix of all rows by all memory vectors is ever there.
 */
export function correlationLoss(args: CorrelationLossArguments): Scalar {
  const { queriesV, queriesA, memories, temperature, detachTarget } = args;
  const { block: numbers = 1 << 20 } = args;
  return tidy(() => {
    const memory = concat(memories.filter((m) => m !== null) as Tensor2D[], 0);
    const [rows, width] = queriesV.shape as [number, number];
    const block = Math.max(1, Math.floor(numbers / memory.shape[0]));
    const loss = customGrad((...inputs: unknown[]) => {
      const [qV, qA, save] = inputs as [Tensor, Tensor, (tensors: Tensor[]) => void];
      const [sharpV, sharpA] = [div(qV, temperature), div(qA, temperature)];
      const parts: Tensor[][] = [];
      for (let from = 0; from < rows; from += block) {
        const size: [number, number] = [Math.min(block, rows - from), width];
        const part = (q: Tensor): Tensor2D => slice(q, [from, 0], size) as Tensor2D;
        parts.push(tidy(() => ofBlock(part(sharpV), part(sharpA), memory, detachTarget)));
      }
      const [sums, dV, dA] = [0, 1, 2].map((k) => parts.map((part) => part[k]!)) as [Tensor[], Tensor[], Tensor[]];
      save([concat(dV, 0), concat(dA, 0)]);
      return {
        value: div(addN(sums), -rows),
        gradFunc: (dy: Tensor, saved: Tensor[]) => {
          const factor = div(dy, rows * temperature);
          return saved.map((gradient) => mul(gradient, factor));
        },
      };
    });
    return loss(queriesV, queriesA);
  }) as Scalar;
}
