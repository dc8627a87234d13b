import { fillHoles, largestComponent } from "@semiseg/metrics";

/** What is done to predicted classes. */
export interface PostprocessOptions {
  /** Keep each class's largest connected component only (faces, edges and corners touch). Default false. */
  readonly largestComponent?: boolean;
  /** Fill background that one class encloses with that class (after `largestComponent`). Default false. */
  readonly fillHoles?: boolean;
}

/**
 * Removes what anatomy does not have: smaller components of a class, and holes in it. Other classes inside a hole stay.
 *
 * @param labels - classes, C order of `shape` (two or three sizes).
 * @returns `labels` itself when nothing is asked for, else a new array.
 * @throws ShapeError or DataError for labels that do not fit.
 */
export function postprocessLabels(
  labels: Uint8Array,
  shape: readonly number[],
  options: PostprocessOptions = {},
): Uint8Array {
  if (!options.largestComponent && !options.fillHoles) return labels;
  const out = labels.slice();
  const classes = [...new Set(labels)].filter((c) => c > 0).sort((a, b) => a - b);
  for (const c of classes) {
    const mask = labels.map((label) => (label === c ? 1 : 0));
    const kept = options.largestComponent ? largestComponent(mask, shape) : mask;
    for (let i = 0; i < out.length; i++) if (mask[i] === 1 && kept[i] === 0) out[i] = 0;
  }
  if (!options.fillHoles) return out;
  for (const c of classes) {
    const filled = fillHoles(
      out.map((label) => (label === c ? 1 : 0)),
      shape,
    );
    for (let i = 0; i < out.length; i++) if (filled[i] === 1 && out[i] === 0) out[i] = c;
  }
  return out;
}
