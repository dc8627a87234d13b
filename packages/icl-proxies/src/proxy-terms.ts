import { checkNumber } from "@semiseg/errors";
import type { StepContext, Term } from "@semiseg/method";
import { mul, type Scalar, sum, tidy } from "@tensorflow/tfjs-core";
import { predictionConsistencyLoss, proxyConsistencyLoss, proxySupervisionLoss } from "./proxy-losses.js";
import type { SemanticProxies } from "./semantic-proxies.js";

/** Options of a term on proxy maps. */
export interface ProxyTermOptions {
  /** The modules, shared by the terms of a method. */
  readonly proxies: SemanticProxies;
  readonly weight?: number;
}

/** A term on proxy maps and what it works with. */
export interface ProxyTerm extends Term {
  /** The modules, and the names of the features they read. */
  readonly proxies: SemanticProxies;
}

function proxyTerm(
  where: string,
  { proxies, weight = 1 }: ProxyTermOptions,
  { name, about, loss }: Pick<Term, "name" | "about" | "loss">,
): ProxyTerm {
  checkNumber(where, "weight", weight, { min: 0 });
  return {
    name,
    needs: { features: ["decoder"], passes: "separate" },
    ...(about ? { about } : {}),
    weight: () => weight,
    loss: (context) => tidy(() => loss(context)),
    modules: proxies.modules,
    proxies,
  };
}

/** 0 that still depends on the student. */
const nothing = ({ student }: StepContext): Scalar => mul(sum(student.labeled().logits), 0) as Scalar;

/** Options of {@link proxySupervisionTerm}. */
export interface ProxySupervisionTermOptions extends ProxyTermOptions {
  /** Average Dice over the classes that the labelled half holds. Default false, as published. */
  readonly presentOnly?: boolean;
}

/**
 * Term L_spa: the maps of SSPA on labelled images learn the labels, `1/S sum_i [CE + mean_k Dice]` of maps resized to
 * them. Weight 1.
 *
 * @see Zhu et al. (ICL), MIDL 2023.
 */
export function proxySupervisionTerm(options: ProxySupervisionTermOptions): ProxyTerm {
  const { proxies, presentOnly = false } = options;
  return proxyTerm("proxySupervisionTerm", options, {
    name: "proxy supervision",
    about: "class maps of the proxies on labelled images learn the labels",
    loss: (context) => proxySupervisionLoss(context.labeled.labels, proxies.labeled(context).maps, presentOnly),
  });
}

/**
 * Term L_usc: the maps of USCL on unlabelled images agree with the decoder's own prediction, a constant,
 * `1/S sum_i mean_k linear Dice` of maps resized to it. Weight 1; 0 without unlabelled images.
 *
 * @see Zhu et al. (ICL), MIDL 2023.
 */
export function predictionConsistencyTerm(options: ProxyTermOptions): ProxyTerm {
  return proxyTerm("predictionConsistencyTerm", options, {
    name: "prediction consistency",
    about: "class maps of labelled proxies on unlabelled images agree with the prediction there",
    loss: (context) => {
      if (!context.unlabeled) return nothing(context);
      return predictionConsistencyLoss(context.student.unlabeled().logits, options.proxies.consistent(context));
    },
  });
}

/**
 * Term L_con: the maps of USCL on unlabelled images agree with SSPA's there, which are constants: mean squared
 * difference of their softmax, mean over scales. Default weight, as published: 50 in 2-D, 10 in 3-D; 0 without unlabelled
 * images.
 *
 * @see Zhu et al. (ICL), MIDL 2023.
 */
export function proxyConsistencyTerm(options: ProxyTermOptions): ProxyTerm {
  const { proxies, weight = proxies.spatialDims === 2 ? 50 : 10 } = options;
  return proxyTerm(
    "proxyConsistencyTerm",
    { proxies, weight },
    {
      name: "proxy consistency",
      about: "class maps of labelled proxies on unlabelled images agree with those of the images' own proxies",
      loss: (context) => {
        if (!context.unlabeled) return nothing(context);
        const targets = proxies.targets(context);
        return proxyConsistencyLoss(targets, proxies.consistent(context));
      },
    },
  );
}
