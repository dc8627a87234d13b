import { CheckpointError } from "@semiseg/errors";
import type { Term } from "@semiseg/method";
import type { Tensor } from "@tensorflow/tfjs-core";

/** States of all terms that have one, as a checkpoint holds them. Tensors stay the terms' own. */
export interface SavedTerms {
  readonly json: Readonly<Record<string, unknown>>;
  /** Keys are `term/tensor`. */
  readonly tensors: ReadonlyMap<string, Tensor>;
}

/** Collects the state of every term. */
export function saveTerms(terms: readonly Term[]): SavedTerms {
  const json: Record<string, unknown> = {};
  const tensors = new Map<string, Tensor>();
  for (const { name, state } of terms) {
    if (!state) continue;
    const saved = state.save();
    json[name] = saved.json;
    for (const [key, tensor] of saved.tensors ?? []) tensors.set(`${name}/${key}`, tensor);
  }
  return { json, tensors };
}

/** Gives every term its state back. Throws CheckpointError when a term's state isn't there. */
export function loadTerms(terms: readonly Term[], saved: SavedTerms): void {
  for (const { name, state } of terms) {
    if (!state) continue;
    if (!Object.hasOwn(saved.json, name)) throw new CheckpointError(`checkpoint has no state of the term '${name}'`);
    const prefix = `${name}/`;
    const own = [...saved.tensors].filter(([key]) => key.startsWith(prefix));
    state.load({
      json: saved.json[name],
      tensors: new Map(own.map(([key, tensor]) => [key.slice(prefix.length), tensor] as const)),
    });
  }
}
