import { checkNumber, OptionError } from "@semiseg/errors";
import { diceLoss } from "@semiseg/losses";
import type { StepContext, Term } from "@semiseg/method";
import {
  add,
  div,
  mul,
  type Scalar,
  slice,
  squaredDifference,
  sum,
  type Tensor,
  tensor,
  tidy,
} from "@tensorflow/tfjs-core";
import { type DistanceMaps, distanceMapsAhead } from "./distance-maps-ahead.js";
import { distanceToProbability } from "./distance-to-probability.js";

/** Options of {@link distanceMapTerm}. */
export interface DistanceMapTermOptions {
  /** Default 0.5. */
  readonly weight?: number;
  /** Factor of the Dice loss of the mask that the map stands for. Default 1, as UG-MCL; DTC has 0. */
  readonly dice?: number;
  /** Factor of the mean squared error against the true signed distance map. Default 0, as UG-MCL; DTC has 0.3. */
  readonly regression?: number;
  /** Default 1500. */
  readonly steepness?: number;
}

/**
 * Term: the distance head learns the labelled half, through the mask that its map stands for (Dice), and by regression
 * when asked to. The true maps are made in a thread of their own while the student is at work.
 *
 * @see Zhang et al. (UG-MCL), arXiv:2112.02508, supervised loss; Luo et al. (DTC), AAAI 2021, section 2.3.
 */
export function distanceMapTerm(options: DistanceMapTermOptions = {}): Term {
  const { weight = 0.5, dice = 1, regression = 0, steepness = 1500 } = options;
  for (const [key, value] of Object.entries({ weight, dice, regression }))
    checkNumber("distanceMapTerm", key, value, { min: 0 });
  checkNumber("distanceMapTerm", "steepness", steepness, { above: 0 });
  if (dice === 0 && regression === 0)
    throw new OptionError("distanceMapTerm: dice and regression are both 0, so nothing would be learned");
  const begun = new WeakMap<StepContext, DistanceMaps>();
  const begin = (context: StepContext, labels: ArrayLike<number>): DistanceMaps => {
    const { shape } = context.labeled.labels;
    const maps = distanceMapsAhead({ labels, shape, numClasses: context.numClasses });
    begun.set(context, maps);
    return maps;
  };
  const mapsOf = (context: StepContext): DistanceMaps =>
    begun.get(context) ?? begin(context, context.labeled.labels.dataSync());
  return {
    name: "distance map",
    needs: { heads: ["distance"] },
    about: "the distance head learns the labelled half",
    weight: () => weight,
    ...(regression > 0
      ? { prepare: async (context: StepContext) => void begin(context, await context.labeled.labels.data()) }
      : {}),
    loss: (context) => {
      const distance = context.student.labeled().heads["distance"]!;
      const { onehot } = context.labeled;
      return tidy(() => {
        const parts: Tensor[] = [];
        if (dice > 0) {
          const foreground = slice(onehot, [...Array(onehot.rank - 1).fill(0), 1], distance.shape);
          const mask = distanceToProbability(distance, { steepness });
          parts.push(mul(diceLoss(foreground, mask, { includeBackground: true }), dice));
        }
        if (regression > 0) {
          const truth = context.share("labeled/distance maps", () => tensor(mapsOf(context).values(), distance.shape));
          parts.push(mul(div(sum(squaredDifference(distance, truth)), distance.size), regression));
        }
        return (parts.length === 2 ? add(parts[0]!, parts[1]!) : parts[0]!) as Scalar;
      });
    },
  };
}
