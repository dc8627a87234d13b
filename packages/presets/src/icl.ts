import {
  type ProxySupervisionTermOptions,
  type ProxyTermOptions,
  predictionConsistencyTerm,
  proxyConsistencyTerm,
  proxySupervisionTerm,
  type SemanticProxiesOptions,
  semanticProxies,
} from "@semiseg/icl-proxies";
import { composeMethod, type Method } from "@semiseg/method";
import { RandomStream } from "@semiseg/nn";
import { seedOf } from "./auxiliary-network.js";
import { type NetworkChoice, networkOf } from "./network-of.js";
import { type SupervisedTermOptions, supervisedTerm } from "./supervised-term.js";

/** Options of {@link icl}; those of the two modules are here beside them. */
export interface IclConfig extends Omit<SemanticProxiesOptions, "network" | "random"> {
  /** Default: the 3-D U-Net. */
  readonly network?: NetworkChoice;
  readonly supervised?: Omit<SupervisedTermOptions, "of" | "heads">;
  /** L_spa: labelled class maps learn the labels. Weight 1; false leaves it out. */
  readonly proxySupervision?: Omit<ProxySupervisionTermOptions, "proxies"> | false;
  /** L_usc: unlabelled class maps agree with the prediction. Weight 1 (published for AMOS: 0.1); false leaves it out. */
  readonly predictionConsistency?: Omit<ProxyTermOptions, "proxies"> | false;
  /** L_con: both modules' unlabelled class maps agree. Weight 50 in 2-D, 10 in 3-D; false leaves it out. */
  readonly proxyConsistency?: Omit<ProxyTermOptions, "proxies"> | false;
}

/**
 * ICL (Zhu et al., "Inherent consistent learning for accurate semi-supervised medical image segmentation", MIDL 2023): a
 * learned vector per class attends to decoder features and gives class maps; those of unlabelled images, asked for with
 * the classes of labelled ones, agree with the network's prediction and with the images' own. The two attention modules
 * are dropped after training. `CE + Dice + L_spa + L_usc + 50 L_con` in 2-D, `10 L_con` in 3-D.
 */
export function icl(config: IclConfig = {}): Method {
  const {
    network = { kind: "unet" },
    supervised,
    proxySupervision,
    predictionConsistency,
    proxyConsistency,
    ...rest
  } = config;
  const student = networkOf(network);
  const choices = [
    [proxySupervisionTerm, proxySupervision],
    [predictionConsistencyTerm, predictionConsistency],
    [proxyConsistencyTerm, proxyConsistency],
  ] as const;
  const used = choices.some(([, options]) => options !== false);
  const random = new RandomStream(seedOf(network)).fork("semantic proxies");
  const proxies = used ? semanticProxies({ ...rest, network: student, random }) : null;
  return composeMethod({
    name: "icl",
    student,
    terms: [
      supervisedTerm({ crossEntropyWeight: 1, diceWeight: 1, includeBackground: true, ...supervised }),
      ...choices.flatMap(([term, options]) => (options === false || !proxies ? [] : [term({ ...options, proxies })])),
    ],
  });
}
