import type { MethodDescription } from "./describe-method.js";

/** Tensors of one kind that go from a network, or the batch, into a term. */
export interface ReadEdge {
  readonly from: string;
  readonly to: string;
  /** `labelled: logits, u5, u6`. */
  readonly label: string;
}

/** `u5, u6, u7, u8` as `u5-u8`. */
function collapsed(names: readonly string[]): string {
  const parts: string[] = [];
  for (let i = 0; i < names.length; ) {
    const [, stem, first] = /^(.*?)(\d+)$/.exec(names[i]!) ?? [];
    let to = i;
    while (stem !== undefined && names[to + 1] === `${stem}${Number(first) + to + 1 - i}`) to++;
    parts.push(to - i > 1 ? `${names[i]}-${names[to]}` : names.slice(i, to + 1).join(", "));
    i = to + 1;
  }
  return parts.join(", ");
}

/** The tensors between the parts of a method, one edge per source, view and term. */
export function readEdges({ terms }: MethodDescription): readonly ReadEdge[] {
  return terms.flatMap(({ name, reads }) => {
    const groups = new Map<string, { from: string; view: string; tensors: string[] }>();
    for (const { from, view, tensor } of reads) {
      const key = `${from}/${view}`;
      const group = groups.get(key) ?? { from, view, tensors: [] };
      group.tensors.push(tensor);
      groups.set(key, group);
    }
    return [...groups.values()].map(({ from, view, tensors }) => ({
      from,
      to: name,
      label: `${view}: ${collapsed(tensors.sort((a, b) => a.localeCompare(b, "en", { numeric: true })))}`,
    }));
  });
}
