import { ShapeError } from "@semiseg/errors";
import { diceCrossEntropyLoss, softTargetLoss } from "@semiseg/losses";
import { resizeLinear, stopGradient } from "@semiseg/nn";
import { addN, div, type Scalar, softmax, squaredDifference, sum, type Tensor, tidy } from "@tensorflow/tfjs-core";
import { RECOMPUTE_ABOVE, recomputed } from "./recomputed.js";

const averaged = (losses: readonly Tensor[]): Scalar => div(addN([...losses]), losses.length) as Scalar;

/** Throws ShapeError unless maps are logits over `numClasses` of as many spatial axes as `labels`. */
export function checkMaps(where: string, maps: readonly Tensor[], rank: number, numClasses: number): void {
  for (const [i, map] of maps.entries())
    if (map.rank !== rank || map.shape.at(-1) !== numClasses)
      throw new ShapeError(
        `${where}: maps must be logits [N, ...s, ${numClasses}], received [${map.shape.join(", ")}] (map ${i})`,
      );
}

/**
 * L_spa: cross-entropy and squared Dice, background included, of maps resized to the labels; mean over scales.
 *
 * @param presentOnly - average Dice over the classes that the labels hold.
 */
export function proxySupervisionLoss(labels: Tensor, maps: readonly Tensor[], presentOnly = false): Scalar {
  const size = labels.shape.slice(1);
  const both = { crossEntropyWeight: 1, diceWeight: 1, includeBackground: true, presentOnly };
  return tidy(() =>
    averaged(
      maps.map((map) => {
        const loss = ([m, y]: readonly Tensor[]): Tensor => diceCrossEntropyLoss(y!, resizeLinear(m!, size), both);
        // A resized map is the size of the labels, times classes.
        const bytes = 4 * labels.size * map.shape.at(-1)!;
        return bytes < RECOMPUTE_ABOVE ? loss([map, labels]) : recomputed({ inputs: [map], constants: [labels] }, loss);
      }),
    ),
  );
}

/** L_usc: linear Dice of maps, resized, with the decoder's prediction as soft target; mean over classes and scales. */
export function predictionConsistencyLoss(logits: Tensor, maps: readonly Tensor[]): Scalar {
  const size = logits.shape.slice(1, -1);
  const options = { crossEntropyWeight: 0, diceWeight: 1, includeBackground: true };
  return tidy(() => {
    const target = stopGradient(softmax(logits));
    return averaged(maps.map((map) => softTargetLoss(target, resizeLinear(map, size), options)));
  });
}

/** L_con: mean squared difference of the softmax of maps and of their targets at their own size; mean over scales. */
export function proxyConsistencyLoss(targets: readonly Tensor[], maps: readonly Tensor[]): Scalar {
  return tidy(() =>
    averaged(
      maps.map((map, i) => {
        const squares = squaredDifference(softmax(map), stopGradient(softmax(targets[i]!)));
        return div(sum(squares), squares.size);
      }),
    ),
  );
}
