import { checkChoice, ShapeError } from "@semiseg/errors";
import {
  cast,
  div,
  expandDims,
  greaterEqual,
  maximum,
  mul,
  reshape,
  type Scalar,
  squaredDifference,
  sum,
  type Tensor,
  tidy,
} from "@tensorflow/tfjs-core";
import { PAIRINGS, type Pairing, type PooledClasses } from "./pooled-classes.js";

/** Arguments of {@link taskAffinityLoss}. */
export interface TaskAffinityArguments {
  /** From the labelled half, guided by ground truth. */
  readonly labeled: PooledClasses;
  /** From the unlabelled half, guided by the prediction. */
  readonly unlabeled: PooledClasses;
  /** As both were pooled. Default `batch`. */
  readonly pairing?: Pairing;
  /** Leave classes out whose labelled mass is below 1 voxel or unlabelled mass below 0.001. Default true. */
  readonly maskAbsent?: boolean;
}

/**
 * Mean squared difference of the class vectors of the two halves at one level; 0 with a zero gradient when no class is
 * in both.
 *
 * @throws ShapeError when the halves are unequal under a pairing that compares samples.
 * @see Chen et al. (TAC), IEEE TMI 2023, task-affinity consistency loss.
 */
export function taskAffinityLoss(args: TaskAffinityArguments): Scalar {
  const { labeled, unlabeled, pairing = "batch", maskAbsent = true } = args;
  checkChoice("taskAffinityLoss", "pairing", pairing, PAIRINGS);
  const [a, b] = [labeled.vectors, unlabeled.vectors];
  if (pairing !== "batch" && a.rank === 3 && a.shape[1] !== b.shape[1])
    throw new ShapeError(
      `taskAffinityLoss: pairing '${pairing}' compares sample with sample and needs equal halves, received ${a.shape[1]} labelled and ${b.shape[1]} unlabelled: use pairing 'batch' or equal batch sizes`,
    );
  if (a.rank !== (pairing === "batch" ? 2 : 3) || a.shape.join() !== b.shape.join())
    throw new ShapeError(
      `taskAffinityLoss: labeled and unlabeled must be pooled with pairing '${pairing}', received vectors [${a.shape.join(", ")}] and [${b.shape.join(", ")}]`,
    );
  return tidy(() => {
    const squares = squaredDifference(b, a);
    if (!maskAbsent) return div(sum(squares), squares.size) as Scalar;
    const total = (mass: Tensor): Tensor => (mass.rank === 2 ? sum(mass, 1) : mass);
    const present = mul(
      cast(greaterEqual(total(labeled.mass), 1), "float32"),
      cast(greaterEqual(total(unlabeled.mass), 1e-3), "float32"),
    );
    const perClass = reshape(squares, [a.shape[0]!, squares.size / a.shape[0]!]);
    return div(
      sum(mul(perClass, expandDims(present, -1))),
      maximum(mul(sum(present), perClass.shape[1]!), 1),
    ) as Scalar;
  });
}
