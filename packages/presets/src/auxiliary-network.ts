import { type CrossSampleMutualAttentionOptions, crossSampleMutualAttention } from "@semiseg/correlation";
import { OptionError } from "@semiseg/errors";
import { type Network, RandomStream } from "@semiseg/nn";
import { type NetworkChoice, networkOf } from "./network-of.js";
import { reseeded } from "./reseeded.js";

/** Options of cross-sample mutual attention that do not follow from the network. */
export type AttentionOptions = Omit<CrossSampleMutualAttentionOptions, "channels" | "spatialDims" | "random">;

/** The seed of a network, built or not. */
export const seedOf = (network: NetworkChoice): number => {
  const { seed } = "apply" in network ? network.config : network;
  return typeof seed === "number" ? seed : 0;
};

/**
 * A second V-Net like the first, with another seed, a trilinear decoder and, unless `attention` is false, cross-sample
 * mutual attention on stage 4: CAML's auxiliary network.
 *
 * @throws OptionError for a first network that is built already, or no V-Net.
 */
export function attendingAuxiliary(
  where: string,
  network: NetworkChoice,
  student: Network,
  attention: AttentionOptions | false,
): Network {
  const other = reseeded(where, network);
  if ("apply" in other || other.kind === "unet")
    throw new OptionError(
      `${where}: give auxiliary too, or a network of kind 'vnet': its decoders are an option of the V-Net`,
    );
  if (attention === false) return networkOf({ ...other, decoders: ["trilinear"] });
  const x4 = crossSampleMutualAttention({
    ...attention,
    channels: student.provides.encoder[3]!.channels,
    spatialDims: student.provides.spatialDims,
    random: new RandomStream(seedOf(other)).fork("cross-sample attention"),
  });
  return networkOf({ ...other, decoders: ["trilinear"], hooks: { x4 } });
}
