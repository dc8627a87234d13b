import { CompatibilityError } from "@semiseg/errors";
import type { Method } from "./method.js";

/** Samples of each kind in a batch. */
export interface BatchCounts {
  readonly labeled: number;
  readonly unlabeled: number;
}

/**
 * Checks what the terms of a method ask of a batch, before the first step: unlabelled samples, equal halves, enough of
 * them. `composeMethod` cannot know it; a training loop calls this once.
 *
 * @throws CompatibilityError naming the term, what the batch holds, and the remedy.
 */
export function checkBatch(method: Method, { labeled, unlabeled }: BatchCounts): void {
  const fail = (term: string, needs: string, holds: string, remedy: string): never => {
    throw new CompatibilityError(
      `${method.name}: the term '${term}' needs ${needs}, but a batch holds ${holds}: ${remedy}`,
    );
  };
  for (const { name, needs } of method.terms) {
    if (needs.unlabeled && unlabeled === 0)
      fail(
        name,
        "unlabelled samples",
        "none",
        "set batch.unlabeled above 0, with fewer labelled cases (data.labeled) than training cases, or leave the term out",
      );
    // A term that can do without unlabelled samples needs no equal halves either when there are none.
    if (needs.equalHalves && labeled !== unlabeled && unlabeled > 0)
      fail(
        name,
        "as many unlabelled as labelled samples",
        `${labeled} labelled and ${unlabeled} unlabelled`,
        `set batch.unlabeled to ${labeled}${typeof needs.equalHalves === "string" ? `, or ${needs.equalHalves}` : ""}`,
      );
    if (needs.samples !== undefined && labeled + unlabeled < needs.samples)
      fail(
        name,
        `at least ${needs.samples} samples`,
        String(labeled + unlabeled),
        "raise batch.labeled or batch.unlabeled",
      );
  }
}
