import type { Module, Network, NetworkOutput, RandomStream } from "@semiseg/nn";
import type { Scalar, Tensor } from "@tensorflow/tfjs-core";

/** What a term asks of the method around it; `composeMethod` checks it before the first step. */
export interface Needs {
  /** Feature groups of the student that must not be empty: `encoder`, `decoder`, `gated`, `scales`, `embedding`. */
  readonly features?: readonly ("encoder" | "decoder" | "gated" | "scales" | "embedding")[];
  /** At least this many deep-supervision scales. */
  readonly scales?: number;
  /** Keys of the student's `heads`. */
  readonly heads?: readonly string[];
  /** A teacher network; `dropout`: one with dropout layers, run in training mode. */
  readonly teacher?: boolean | "dropout";
  /** A second student network trained beside the first. */
  readonly auxiliary?: boolean;
  /** Dropout layers in the student. */
  readonly dropout?: boolean;
  /** Unlabelled samples in every batch. Terms that fall back to 0 without them leave this out. */
  readonly unlabeled?: boolean;
  /** As many unlabelled as labelled samples in a batch; a string names the option of the term that does without. */
  readonly equalHalves?: boolean | string;
  /** Bounds on the class count, background included. */
  readonly classes?: { readonly min?: number; readonly max?: number };
  readonly spatialDims?: readonly (2 | 3)[];
  /** Channels that a term was built for, against the embeddings that the networks have. */
  readonly embeddingChannels?: { readonly student?: number; readonly auxiliary?: number };
  /** At least this many samples in a batch, labelled and unlabelled together. */
  readonly samples?: number;
  /** How the student must see the batch: one pass over all of it, or one pass per half. */
  readonly passes?: "joint" | "separate";
}

/** The labelled half of a batch. */
export interface LabeledBatch {
  /** `[B, ...S, channels]`. */
  readonly image: Tensor;
  /** int32 `[B, ...S]`. */
  readonly labels: Tensor;
  /** float32 `[B, ...S, C]`. */
  readonly onehot: Tensor;
  /** Identifier of each sample's scan. */
  readonly ids: readonly string[];
}

/** The unlabelled half. Labels are not part of it: no term can use what a real unlabelled scan lacks. */
export interface UnlabeledBatch {
  readonly image: Tensor;
  readonly ids: readonly string[];
}

/**
 * Forward passes of one network in this step. Each is run when first asked for, once, and kept to the end of the step.
 * Student and auxiliary passes carry gradients, teacher passes never do. Under `passes: 'joint'` the halves are slices
 * of one pass (shared batch statistics); under `'separate'`, `all` joins two.
 */
export interface Passes {
  readonly network: Network;
  labeled(): NetworkOutput;
  /** Throws CompatibilityError when the batch has no unlabelled sample. */
  unlabeled(): NetworkOutput;
  /** Labelled first. */
  all(): NetworkOutput;
  /** A pass over another image, cached under `view`, with dropout masks of a stream of that name. */
  on(view: string, image: Tensor): NetworkOutput;
}

/** All that a term can read in a step. */
export interface StepContext {
  /** Counted from 0. */
  readonly step: number;
  readonly maxSteps: number;
  readonly numClasses: number;
  readonly labeled: LabeledBatch;
  readonly unlabeled: UnlabeledBatch | null;
  /** Labelled then unlabelled images. */
  readonly image: Tensor;
  readonly student: Passes;
  /** Throws CompatibilityError when the method has none (as do all three below). */
  readonly teacher: Passes;
  readonly auxiliary: Passes;
  /** A stream for this term and step: the same in a resumed run. */
  random(name: string): RandomStream;
  /** A value computed once a step and shared between terms (uncertainty maps, pseudo-labels); disposed with the step. */
  share<T>(key: string, compute: () => T): T;
  /** Adds a number or scalar tensor to this step's log. */
  log(name: string, value: number | Scalar): void;
}

/** State of a term that a checkpoint must hold. */
export interface TermState {
  /** Plain JSON and tensors by name; the tensors stay the term's own. */
  save(): { readonly json: unknown; readonly tensors?: ReadonlyMap<string, Tensor> };
  /** Throws CheckpointError when it does not fit. */
  load(saved: { readonly json: unknown; readonly tensors?: ReadonlyMap<string, Tensor> }): void;
}

/** One weighted loss of a method. */
export interface Term {
  readonly name: string;
  readonly needs: Needs;
  /** Weight at a step (counted from 0) of a run of `maxSteps`; 0 skips `loss` altogether. */
  weight(step: number, maxSteps: number): number;
  /**
   * Before the losses of a step, if the weight is not 0: begins work that can run beside the networks' passes, and reads
   * values that the loss needs on this side, where the engine cannot read while code runs (`readsAtOnce`).
   */
  prepare?(context: StepContext): void | Promise<void>;
  /** The unweighted loss; `value * weight` is what is minimised. */
  loss(context: StepContext): Scalar;
  /** Modules trained with the student and dropped at test time, by name. */
  readonly modules?: Readonly<Record<string, Module>>;
  readonly state?: TermState;
  /**
   * After the optimizer step, without gradient: thresholds, banks. The step's outputs are still there, also for what it
   * waits for; tensors of its own that are to outlive the first wait need `keep`.
   */
  afterStep?(context: StepContext): void | Promise<void>;
  /** One line for `semiseg explain`: what it compares, where it comes from. */
  readonly about?: string;
}
