import { checkNumber, checkRank, OptionError, ShapeError } from "@semiseg/errors";
import { concat, div, matMul, softmax, type Tensor, tidy } from "@tensorflow/tfjs-core";

/** Options of {@link correlationMatrix}. */
export interface CorrelationMatrixOptions {
  /** Default 0.1. */
  readonly temperature?: number;
}

/**
 * Similarity of queries to the memory of all classes, `softmax(q . m / T)` over the whole row.
 *
 * @param queries - `[R, E]`.
 * @param memories - `[M, E]` per class, or null for a class without memory.
 * @returns `[R, sum M]`, rows sum to 1; differentiable in the queries.
 * @throws OptionError when no class has a memory.
 * @see Gao et al., "Correlation-aware mutual learning" (CAML), MICCAI 2023, equation 3.
 */
export function correlationMatrix(
  queries: Tensor,
  memories: readonly (Tensor | null)[],
  options: CorrelationMatrixOptions = {},
): Tensor {
  const { temperature = 0.1 } = options;
  checkRank("correlationMatrix", "queries", queries, 2);
  checkNumber("correlationMatrix", "temperature", temperature, { above: 0 });
  const present = memories.filter((m): m is Tensor => m !== null);
  if (present.length === 0)
    throw new OptionError("correlationMatrix: memories must hold at least one class that is not null");
  for (const m of present)
    if (m.rank !== 2 || m.shape[1] !== queries.shape[1])
      throw new ShapeError(
        `correlationMatrix: memories must be [M, ${queries.shape[1]}], received [${m.shape.join(", ")}]`,
      );
  return tidy(() => softmax(div(matMul(queries as never, concat(present, 0) as never, false, true), temperature)));
}
