import type { VNetDecoderKind } from "@semiseg/backbones";
import { OptionError } from "@semiseg/errors";
import { composeMethod, type Method } from "@semiseg/method";
import { type MutualConsistencyTermOptions, mutualConsistencyTerm } from "@semiseg/mutual-consistency";
import { type NetworkChoice, networkOf } from "./network-of.js";
import { supervisedTerm } from "./supervised-term.js";

/** Options of {@link mcNet}. */
export interface McNetConfig {
  /** A V-Net with several decoders, or options of one. */
  readonly network?: NetworkChoice;
  /** Default `['transposed', 'trilinear', 'nearest']` (MC-Net+); the first two are MC-Net. */
  readonly decoders?: readonly VNetDecoderKind[];
  readonly consistency?: Omit<MutualConsistencyTermOptions, "between">;
}

/**
 * MC-Net and MC-Net+ (Wu et al., MICCAI 2021 and Medical Image Analysis 2022): one encoder, slightly different decoders,
 * each drawn to the sharpened prediction of the others.
 */
export function mcNet(config: McNetConfig = {}): Method {
  const { network = {}, decoders = ["transposed", "trilinear", "nearest"], consistency } = config;
  if ("kind" in network && network.kind === "unet")
    throw new OptionError("mcNet: network.kind must be 'vnet': several decoders are an option of the V-Net");
  const student = networkOf("apply" in network ? network : { decoders, ...network });
  const heads = student.provides.heads.filter((head) => head.startsWith("decoder"));
  return composeMethod({
    name: "mc-net",
    student,
    terms: [
      supervisedTerm({
        weight: 0.5,
        heads,
        crossEntropyWeight: 0,
        diceWeight: 1,
        squaredPred: false,
        smooth: 1e-8,
      }),
      mutualConsistencyTerm({ ...consistency, between: "decoders" }),
    ],
  });
}
