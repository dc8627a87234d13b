import { ShapeError } from "@semiseg/errors";
import type { StepContext, Term } from "@semiseg/method";
import { type FeatureSpec, stopGradient, withoutGradient } from "@semiseg/nn";
import {
  addN,
  div,
  maximum,
  mean,
  mul,
  type Scalar,
  slice,
  sqrt,
  square,
  sub,
  sum,
  type Tensor,
  tidy,
} from "@tensorflow/tfjs-core";
import { type AffinityGuide, affinityGuides } from "./affinity-guides.js";
import { type AffinityTermOptions, resolveAffinityOptions } from "./affinity-options.js";
import { guidedSums } from "./guided-sums.js";
import { type PooledClasses, pooledClasses } from "./pooled-classes.js";
import { taskAffinityLoss } from "./task-affinity-loss.js";

/** What tells the two terms apart. */
export interface AffinityView {
  readonly where: string;
  readonly name: string;
  readonly about: string;
  /** Which features of the network are pooled. */
  readonly features: "encoder" | "gated";
  /** Published weight, of the released form. */
  readonly weight: number;
}

const rootMeanSquare = (x: Tensor): Tensor => sqrt(mean(square(x)));

/**
 * Logs the root mean square of each half's class vectors, and of their differences between classes relative to it: both
 * would fall to 0 if features or guides collapsed.
 */
function logVectors(context: StepContext, level: string, labeled: Tensor, unlabeled: Tensor): void {
  const log = (what: string, value: Tensor): void => context.log(`class vectors/${level}/${what}`, value as Scalar);
  withoutGradient(() =>
    tidy(() => {
      const norm = rootMeanSquare(unlabeled);
      log("labeled norm", rootMeanSquare(labeled));
      log("unlabeled norm", norm);
      const spread = rootMeanSquare(sub(unlabeled, mean(unlabeled, 0, true)));
      log("unlabeled spread", div(spread, maximum(norm, 1e-12)));
    }),
  );
}

/** Class vectors of both halves at one level. */
function pooledHalves(
  features: Tensor,
  guide: AffinityGuide,
  { pairing, detachGuide }: Pick<Required<AffinityTermOptions>, "pairing" | "detachGuide">,
): { readonly labeled: PooledClasses; readonly unlabeled: PooledClasses } {
  const sums = guidedSums(features, guide, detachGuide);
  const [count, rest] = [guide.labeled.shape[0]!, guide.unlabeled.shape[0]!];
  const part = (begin: number, size: number): Tensor =>
    slice(sums, [begin, 0, 0], [size, sums.shape[1]!, sums.shape[2]!]);
  return {
    labeled: pooledClasses(part(0, count), guide.labeledMass, pairing),
    unlabeled: pooledClasses(part(count, rest), guide.unlabeledMass, pairing),
  };
}

/** A term that compares the class vectors of the two halves at every level of a view, losses added. */
export function affinityTerm(view: AffinityView, options: AffinityTermOptions): Term {
  const { weight, activation, gate, ...resolved } = resolveAffinityOptions(view.where, options, view.weight);
  const { pairing, maskAbsent, detachLabeled, detachGuide } = resolved;
  const chosen = { ...(activation === undefined ? {} : { activation }), ...(gate ? { gate } : {}) };
  const lossAt = (context: StepContext, features: Tensor, { name }: FeatureSpec): Scalar => {
    const guide = affinityGuides(context, features.shape.slice(1, -1), { detachGuide, ...chosen });
    const { labeled, unlabeled } = pooledHalves(features, guide, { pairing, detachGuide });
    logVectors(context, name, labeled.vectors, unlabeled.vectors);
    const target = detachLabeled ? { ...labeled, vectors: stopGradient(labeled.vectors) } : labeled;
    return taskAffinityLoss({ labeled: target, unlabeled, pairing, maskAbsent });
  };
  return {
    name: view.name,
    needs: {
      features: [view.features],
      ...(pairing === "batch" ? {} : { equalHalves: "set the term's pairing to 'batch'" }),
    },
    about: view.about,
    weight: () => weight,
    loss: (context) =>
      tidy(() => {
        const { student, labeled, unlabeled } = context;
        if (!unlabeled) return mul(sum(student.labeled().logits), 0) as Scalar;
        const [count, rest] = [labeled.image.shape[0]!, unlabeled.image.shape[0]!];
        if (pairing !== "batch" && count !== rest)
          throw new ShapeError(
            `${view.where}: pairing '${pairing}' compares sample with sample and needs equal halves, received ${count} labelled and ${rest} unlabelled: use pairing 'batch' or equal batch sizes`,
          );
        const levels = student.network.provides[view.features];
        const { features } = student.all();
        return addN(levels.map((level) => lossAt(context, features[level.name]!, level))) as Scalar;
      }),
  };
}
