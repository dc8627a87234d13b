import { CompatibilityError, checkNumber, DataError, ShapeError } from "@semiseg/errors";
import { type Network, type NetworkOutput, type RandomStream, withoutGradient } from "@semiseg/nn";
import {
  cast,
  clone,
  concat,
  dispose,
  engine,
  keep,
  oneHot,
  reshape,
  type Scalar,
  slice,
  Tensor,
  tidy,
} from "@tensorflow/tfjs-core";
import type { Method } from "./method.js";
import type { LabeledBatch, Passes, StepContext, UnlabeledBatch } from "./term.js";

/** A batch as tensors; the caller keeps owning them. */
export interface StepBatch {
  readonly labeled: {
    /** `[B, ...S, channels]`. */
    readonly image: Tensor;
    /** int32 `[B, ...S]`. */
    readonly labels: Tensor;
    readonly ids: readonly string[];
  };
  readonly unlabeled: {
    readonly image: Tensor;
    /** The same voxels with stronger changes: what student and auxiliary see in place of `image`; the teacher does not. */
    readonly strong?: Tensor;
    readonly ids: readonly string[];
  } | null;
}

/** Options of {@link createStepContext}. */
export interface StepOptions {
  /** Counted from 0. */
  readonly step: number;
  readonly maxSteps: number;
  /** The run's stream; the context forks it by step, so that a resumed run draws the same numbers. */
  readonly random: RandomStream;
}

/** A context with what the loop around the terms needs. */
export interface OwnedStepContext extends StepContext {
  /** What terms logged, numbers and scalars. */
  readonly logged: ReadonlyMap<string, number | Scalar>;
  /**
   * Forgets passes that carry gradients and shared values, so that a new backward pass can run through them. Running
   * statistics are updated by the first forward pass of a view only.
   */
  forgetGradients(): void;
  /** Frees every pass, shared value and logged tensor. */
  dispose(): void;
}

const outputs = (output: NetworkOutput): Tensor[] => [
  output.logits,
  ...Object.values(output.features),
  ...Object.values(output.heads),
];

/**
 * An output whose tensors are made when first read: most terms read one or two of the dozen, and a slice or a join of a
 * full-resolution feature costs as much as a layer.
 */
function lazyOutput(
  like: NetworkOutput,
  owned: Tensor[],
  make: (pick: (from: NetworkOutput) => Tensor) => Tensor,
): NetworkOutput {
  const record = (tensors: Readonly<Record<string, Tensor>>, from: (output: NetworkOutput) => typeof tensors) => {
    const lazy: Record<string, Tensor> = {};
    for (const key of Object.keys(tensors)) {
      // Made outside a gradient, a tensor is a constant: it must not stand in for one that carries gradients.
      const made = new Map<boolean, Tensor>();
      Object.defineProperty(lazy, key, {
        enumerable: true,
        get: () => {
          const { gradientDepth, kernelDepth } = engine().state;
          const recorded = gradientDepth > 0 && kernelDepth === 0;
          const found = made.get(recorded);
          if (found) return found;
          const tensor = held(
            owned,
            make((output) => from(output)[key]!),
          );
          made.set(recorded, tensor);
          return tensor;
        },
      });
    }
    return lazy;
  };
  const top = record({ logits: like.logits }, ({ logits }) => ({ logits }));
  const features = record(like.features, (output) => output.features);
  const heads = record(like.heads, (output) => output.heads);
  return {
    get logits() {
      return top["logits"]!;
    },
    features,
    heads,
  };
}

function checkBatch({ labeled, unlabeled }: StepBatch, student: Network): void {
  const { spatialDims, inChannels } = student.provides;
  const rank = spatialDims + 2;
  const { image, labels, ids } = labeled;
  if (image.rank !== rank || image.shape[rank - 1] !== inChannels)
    throw new ShapeError(
      `createStepContext: labeled.image must be [B, ...${spatialDims} spatial axes, ${inChannels}], received [${image.shape.join(", ")}]`,
    );
  if (image.shape[0] === 0)
    throw new DataError("createStepContext: the batch holds no labelled sample: every batch needs at least one");
  if (labels.shape.join() !== image.shape.slice(0, -1).join())
    throw new ShapeError(
      `createStepContext: labeled.labels must be [${image.shape.slice(0, -1).join(", ")}], received [${labels.shape.join(", ")}]`,
    );
  if (ids.length !== image.shape[0])
    throw new ShapeError(`createStepContext: labeled.ids must name ${image.shape[0]} samples, received ${ids.length}`);
  if (unlabeled?.strong && unlabeled.strong.shape.join() !== unlabeled.image.shape.join())
    throw new ShapeError(
      `createStepContext: unlabeled.strong must be [${unlabeled.image.shape.join(", ")}], received [${unlabeled.strong.shape.join(", ")}]`,
    );
  if (unlabeled && unlabeled.image.shape.slice(1).join() !== image.shape.slice(1).join())
    throw new ShapeError(
      `createStepContext: unlabeled.image must be [B, ${image.shape.slice(1).join(", ")}], received [${unlabeled.image.shape.join(", ")}]`,
    );
}

/** Keeps a tensor alive past the tidy it was made in; the context frees it. */
function held<T extends Tensor>(owned: Tensor[], tensor: T): T {
  owned.push(keep(tensor));
  return tensor;
}

function passesOf(
  role: string,
  network: Network,
  context: { batch: StepBatch; image: Tensor; random: RandomStream; owned: Tensor[]; separate: boolean },
  { gradient, training }: { gradient: boolean; training: boolean },
): Passes & { forget(): void } {
  const { batch, image, random, owned, separate } = context;
  const cache = new Map<string, NetworkOutput>();
  const seen = new Set<string>();
  const cached = (view: string, compute: () => NetworkOutput): NetworkOutput => {
    let output = cache.get(view);
    if (!output) {
      output = gradient ? compute() : withoutGradient(compute);
      // Features that are views of one another appear once.
      for (const tensor of new Set(outputs(output))) held(owned, tensor);
      cache.set(view, output);
    }
    return output;
  };
  const run = (view: string, input: Tensor): NetworkOutput =>
    cached(view, () => {
      const updateBuffers = !seen.has(view);
      seen.add(view);
      return network.apply(input, { training, updateBuffers, random: random.fork(`${role}/${view}`) });
    });
  const labeledCount = batch.labeled.image.shape[0]!;
  const views = new Map<string, NetworkOutput>();
  const lazily = (view: string, build: () => NetworkOutput): NetworkOutput => {
    const output = views.get(view) ?? build();
    views.set(view, output);
    return output;
  };
  const part = (output: NetworkOutput, begin: number, count: number): NetworkOutput =>
    lazyOutput(output, owned, (pick) => {
      const t = pick(output);
      return slice(t, [begin, ...Array(t.rank - 1).fill(0)], [count, ...t.shape.slice(1)]);
    });
  const join = (a: NetworkOutput, b: NetworkOutput): NetworkOutput =>
    lazyOutput(a, owned, (pick) => concat([pick(a), pick(b)], 0));
  const passes: Passes & { forget(): void } = {
    network,
    forget: () => {
      cache.clear();
      views.clear();
    },
    on: (view, input) => run(view, input),
    labeled: () => {
      if (separate || !batch.unlabeled) return run("labeled", batch.labeled.image);
      return lazily("labeled", () => part(passes.all(), 0, labeledCount));
    },
    unlabeled: () => {
      const half = batch.unlabeled;
      if (!half)
        throw new CompatibilityError("the batch holds no unlabelled sample: give the data set unlabelled cases");
      if (separate) return run("unlabeled", (gradient && half.strong) || half.image);
      return lazily("unlabeled", () => part(passes.all(), labeledCount, half.image.shape[0]!));
    },
    all: () => {
      if (!batch.unlabeled) return passes.labeled();
      if (separate) return lazily("both halves", () => join(passes.labeled(), passes.unlabeled()));
      return run("all", image);
    },
  };
  return passes;
}

/**
 * What terms read in a step. Passes run when first asked for, once; the teacher's never carry gradients. Dropout masks
 * come from streams named by network and view, so they do not depend on the order in which terms ask.
 *
 * @throws ShapeError or DataError when the batch does not fit the student.
 */
export function createStepContext(method: Method, batch: StepBatch, options: StepOptions): OwnedStepContext {
  const { step, maxSteps } = options;
  checkNumber("createStepContext", "step", step, { integer: true, min: 0 });
  checkNumber("createStepContext", "maxSteps", maxSteps, { integer: true, min: 1 });
  checkBatch(batch, method.student);
  const random = options.random.fork(`step/${step}`);
  const numClasses = method.student.provides.classes;
  const owned: Tensor[] = [];
  const shared = new Map<string, unknown>();
  const logged = new Map<string, number | Scalar>();
  const { labels } = batch.labeled;
  const onehot = held(
    owned,
    tidy(() =>
      reshape(cast(oneHot(cast(reshape(labels, [labels.size]), "int32"), numClasses), "float32"), [
        ...labels.shape,
        numClasses,
      ]),
    ),
  );
  const labeled: LabeledBatch = { ...batch.labeled, onehot };
  const unlabeled: UnlabeledBatch | null = batch.unlabeled;
  const image = unlabeled ? held(owned, concat([labeled.image, unlabeled.image], 0)) : labeled.image;
  const strong = batch.unlabeled?.strong;
  const common = { batch, image, random, owned, separate: method.passes === "separate" };
  const learning = { ...common, image: strong ? held(owned, concat([labeled.image, strong], 0)) : image };
  const missing = (what: string): never => {
    throw new CompatibilityError(`${method.name}: a term asked for ${what}, which this method does not have`);
  };
  const student = passesOf("student", method.student, learning, { gradient: true, training: true });
  const teacher = method.teacher
    ? passesOf("teacher", method.teacher.network, common, {
        gradient: false,
        training: method.teacher.config.mode === "train",
      })
    : null;
  const auxiliary = method.auxiliary
    ? passesOf("auxiliary", method.auxiliary, learning, { gradient: true, training: true })
    : null;
  return {
    step,
    maxSteps,
    numClasses,
    labeled,
    unlabeled,
    image,
    student,
    get teacher(): Passes {
      return teacher ?? missing("a teacher");
    },
    get auxiliary(): Passes {
      return auxiliary ?? missing("an auxiliary network");
    },
    random: (name) => random.fork(`term/${name}`),
    share: <T>(key: string, compute: () => T): T => {
      if (!shared.has(key)) {
        const value = compute();
        for (const tensor of new Set(tensorsIn(value))) held(owned, tensor);
        shared.set(key, value);
      }
      return shared.get(key) as T;
    },
    log: (name, value) => {
      logged.set(name, typeof value === "number" ? value : held(owned, withoutGradient(() => clone(value)) as Scalar));
    },
    logged,
    forgetGradients: () => {
      student.forget();
      auxiliary?.forget();
      shared.clear();
    },
    dispose: () => dispose(owned),
  };
}

/** Every tensor in a value made of arrays and plain objects. */
function tensorsIn(value: unknown): Tensor[] {
  if (value instanceof Tensor) return [value];
  if (Array.isArray(value)) return value.flatMap(tensorsIn);
  if (value !== null && typeof value === "object" && Object.getPrototypeOf(value) === Object.prototype)
    return Object.values(value).flatMap(tensorsIn);
  return [];
}
