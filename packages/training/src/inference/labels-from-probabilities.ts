import { checkNumber, ShapeError } from "@semiseg/errors";

/**
 * The most probable class of each voxel; ties go to the lower class, so that a binary decision is p > 0.5.
 *
 * @param probabilities - C order of `[..., numClasses]`.
 */
export function labelsFromProbabilities(probabilities: Float32Array, numClasses: number): Uint8Array {
  checkNumber("labelsFromProbabilities", "numClasses", numClasses, { integer: true, min: 2, max: 256 });
  if (probabilities.length % numClasses !== 0)
    throw new ShapeError(
      `labelsFromProbabilities: probabilities must hold a multiple of ${numClasses} values, received ${probabilities.length}`,
    );
  const labels = new Uint8Array(probabilities.length / numClasses);
  for (let voxel = 0, at = 0; voxel < labels.length; voxel++, at += numClasses) {
    let best = 0;
    for (let c = 1; c < numClasses; c++) if (probabilities[at + c]! > probabilities[at + best]!) best = c;
    labels[voxel] = best;
  }
  return labels;
}
