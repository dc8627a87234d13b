import type { Module, Network } from "@semiseg/nn";
import type { Term } from "./term.js";

/** How a teacher follows the student. */
export interface TeacherConfig {
  /** Default 0.99. */
  readonly decay?: number;
  /** What happens to running statistics: copied, averaged like weights, or the teacher's own. Default `copy`. */
  readonly buffers?: "copy" | "ema" | "own";
  /** Whether teacher passes use batch statistics and dropout. Default `train`, as the field does. */
  readonly mode?: "train" | "eval";
}

/** A composed method: networks, terms and how they see a batch. */
export interface Method {
  readonly name: string;
  readonly student: Network;
  readonly teacher: { readonly network: Network; readonly config: Required<TeacherConfig> } | null;
  readonly auxiliary: Network | null;
  readonly terms: readonly Term[];
  readonly passes: "joint" | "separate";
  /** Everything the optimizer trains: student, auxiliary, terms' modules. */
  readonly trainable: Module;
  /** Frees all networks and modules. */
  dispose(): void;
}
