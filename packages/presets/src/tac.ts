import { composeMethod, type Method } from "@semiseg/method";
import {
  type AffinityTermOptions,
  type ChannelDiceTermOptions,
  channelDiceTerm,
  contextualAffinityTerm,
  structuralAffinityTerm,
} from "@semiseg/task-affinity";
import { type NetworkChoice, networkOf } from "./network-of.js";

/** Options of {@link tac}; those of {@link AffinityTermOptions} hold for both affinity terms. */
export interface TacConfig extends Omit<AffinityTermOptions, "weight"> {
  /** A network with attention gates, or options of one. */
  readonly network?: NetworkChoice;
  /** Options of the supervised loss. */
  readonly supervised?: Omit<ChannelDiceTermOptions, "activation">;
  /** Affinity in the gated skips, with options that hold for it alone; false leaves it out. */
  readonly structural?: AffinityTermOptions | false;
  /** Affinity in the encoder's features, with options that hold for it alone; false leaves it out. */
  readonly contextual?: AffinityTermOptions | false;
}

/**
 * TAC (Chen et al., "Semi-supervised unpaired medical image segmentation through task-affinity consistency", IEEE TMI
 * 2023): one V-Net with attention gates; the class vectors of labelled images, pooled under the labels, and of unlabelled
 * images, pooled under the prediction, agree at every scale, in gated skips (structure) and encoder features (context).
 * `L_sup + 0.25 L_str + 0.125 L_ctx`, which is the published strength; `pairing: 'code'` is the released form with its
 * weights 1 and 0.5. Gates stay when a term is left out, so that rows of an ablation have one network.
 */
export function tac(config: TacConfig = {}): Method {
  const { network = {}, supervised, structural = {}, contextual = {}, ...common } = config;
  const activation = common.activation ? { activation: common.activation } : {};
  return composeMethod({
    name: "tac",
    student: networkOf("apply" in network ? network : { attentionGates: true, ...network }),
    terms: [
      channelDiceTerm({ ...activation, ...supervised }),
      ...(structural ? [structuralAffinityTerm({ ...common, ...structural })] : []),
      ...(contextual ? [contextualAffinityTerm({ ...common, ...contextual })] : []),
    ],
  });
}
