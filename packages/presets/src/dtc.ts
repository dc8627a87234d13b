import { composeMethod, type Method } from "@semiseg/method";
import {
  type CrossTaskTermOptions,
  crossTaskTerm,
  type DistanceMapTermOptions,
  distanceMapTerm,
} from "@semiseg/mutual-consistency";
import { type NetworkChoice, networkOf } from "./network-of.js";
import { supervisedTerm } from "./supervised-term.js";

/** Options of {@link dtc}. */
export interface DtcConfig {
  /** A network with a distance head, or options of one. */
  readonly network?: NetworkChoice;
  readonly crossTask?: Omit<CrossTaskTermOptions, "uncertainty" | "noiseStd">;
  readonly distance?: DistanceMapTermOptions;
}

/**
 * DTC (dual-task consistency, Luo et al., AAAI 2021): a segmentation head and a distance head that regresses the signed
 * distance map, each consistent with the other on the whole batch.
 */
export function dtc(config: DtcConfig = {}): Method {
  const { network = {}, crossTask, distance } = config;
  return composeMethod({
    name: "dtc",
    student: networkOf("apply" in network ? network : { heads: ["distance"], ...network }),
    terms: [
      supervisedTerm({ crossEntropyWeight: 0, diceWeight: 1 }),
      distanceMapTerm({ weight: 1, dice: 0, regression: 0.3, ...distance }),
      crossTaskTerm({ weight: 1, ...crossTask }),
    ],
  });
}
