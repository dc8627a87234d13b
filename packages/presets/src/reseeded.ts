import { OptionError } from "@semiseg/errors";
import type { NetworkChoice } from "./network-of.js";

/**
 * The options of a network with another seed, for a second network of unlike weights.
 *
 * @throws OptionError for a network that is built already.
 */
export function reseeded(where: string, network: NetworkChoice): NetworkChoice {
  if ("apply" in network)
    throw new OptionError(`${where}: give auxiliary too: a second network cannot be derived from one that is built`);
  return { ...network, seed: (network.seed ?? 0) + 7919 };
}
