import { CompatibilityError, checkNumber, DataError } from "@semiseg/errors";
import { readsAtOnce } from "@semiseg/kernels";
import { type StepContext, sigmoidRampUp, type Term } from "@semiseg/method";
import { type Layer, type Module, moduleOf, type NetworkOutput, type RandomStream, withoutGradient } from "@semiseg/nn";
import { add, dispose, div, mul, reshape, type Scalar, sum, type Tensor, tensor2d, tidy } from "@tensorflow/tfjs-core";
import { type AgreeingVoxels, agreeingVoxels, agreeingVoxelsLater } from "./agreeing-voxels.js";
import { correlationLoss } from "./correlation-loss.js";
import { embeddingHead } from "./embedding-head.js";
import { gatherRows } from "./gather-rows.js";
import { LabeledMemoryBank, type LabeledMemoryBankOptions } from "./labeled-memory-bank.js";
import { memoryBankState } from "./memory-bank-state.js";
import { joinRows, rowsByClass, thinRows } from "./rows-by-class.js";
import { selectRows } from "./select-rows.js";

/** Options of {@link omniCorrelationTerm}. */
export interface OmniCorrelationTermOptions extends LabeledMemoryBankOptions {
  /** Channels of the student's embedding (`provides.embedding.channels`). */
  readonly channels: number;
  /** Channels of the auxiliary network's. Default: the same. */
  readonly auxiliaryChannels?: number;
  /** Width of projected embeddings. Default 32. */
  readonly width?: number;
  /** Unlabelled voxels per class and step, the most confident ones. Default 12800. */
  readonly rowsPerClass?: number;
  /** Default 0.1. */
  readonly temperature?: number;
  /** Keep gradients out of the auxiliary network's correlations, the target. Default false, as published. */
  readonly detachTarget?: boolean;
  /**
   * Run the heads on every voxel where the networks agree, not on the most confident ones alone: their batch statistics
   * are then those of the published code, at the cost of memory. Default false.
   */
  readonly parity?: boolean;
  /** Where the heads' initial weights come from. */
  readonly random: RandomStream;
  /** Final weight. Default 0.05. */
  readonly weight?: number;
  /** Steps over which the weight rises. Default: the whole run. */
  readonly rampLength?: number;
}

/** The term and its memory. */
export interface OmniCorrelationTerm extends Term {
  /** What the term remembers of labelled scans; read it to see what correlations are taken with. */
  readonly bank: LabeledMemoryBank;
}

/** Labelled voxels of a scan that are to be remembered. */
interface CorrectVoxels {
  readonly id: string;
  /** Counted from the batch's first voxel. */
  readonly rows: Int32Array;
  readonly classes: Int32Array;
}

/** Projection and prediction heads of one network. */
interface Heads extends Module {
  /** Rows to memory vectors: running statistics, no prediction head. */
  remember(rows: Tensor): Tensor;
  /** Rows to queries: batch statistics, prediction head. */
  ask(rows: Tensor, updateBuffers: boolean): Tensor;
}

function headsOf(inFeatures: number, outFeatures: number, random: RandomStream): Heads {
  const projection: Layer = embeddingHead({ inFeatures, outFeatures, random: random.fork("projection") });
  const prediction: Layer = embeddingHead({ inFeatures: outFeatures, outFeatures, random: random.fork("prediction") });
  return {
    ...moduleOf({ projection, prediction }),
    remember: (rows) => projection.apply(rows),
    ask: (rows, updateBuffers) => {
      const training = { training: true, updateBuffers };
      return prediction.apply(projection.apply(rows, training), training);
    },
  };
}

/** The embedding as rows `[R, E]`. */
function embeddingRows(context: StepContext, role: "student" | "auxiliary", output: NetworkOutput): Tensor {
  const { name, channels } = context[role].network.provides.embedding;
  return reshape(output.features[name]!, [-1, channels]);
}

/** Throws unless samples can be told apart and compared. */
function checkBatch({ labeled, image, numClasses }: StepContext, where: string, expected: number): void {
  const repeated = labeled.ids.find((id, i) => labeled.ids.indexOf(id) !== i);
  if (repeated !== undefined)
    throw new DataError(
      `${where}: the scan '${repeated}' is twice in the labelled half, and the memory has one slot per scan: use at most as many labelled samples per batch as there are labelled scans`,
    );
  if (image.shape[0]! < 2)
    throw new DataError(`${where}: a batch must hold at least 2 samples to correlate, received 1: enlarge the batch`);
  if (numClasses !== expected)
    throw new CompatibilityError(`${where}: numClasses is ${expected}, but the student has ${numClasses} classes`);
}

/**
 * Term: for confident unlabelled voxels on which both networks agree, the similarities of their embeddings to a memory
 * of labelled voxels agree too, `-mean_r sum_j a_rj ln v_rj` with the auxiliary network's as target. The memory is
 * brought up to date with the step's labelled voxels first. 0 while there is no memory, without unlabelled samples, and
 * for classes with fewer than two such voxels. Weight 0.05, ramped up, steps counted from 1.
 *
 * @throws DataError for a scan that is twice in a batch and a batch of one; CompatibilityError for networks that do not
 * fit the options; OptionError for options out of range.
 * @see Gao et al., "Correlation-aware mutual learning" (CAML), MICCAI 2023, section 2.2.
 */
export function omniCorrelationTerm(options: OmniCorrelationTermOptions): OmniCorrelationTerm {
  const where = "omniCorrelationTerm";
  const { numClasses, channels, auxiliaryChannels = channels, width = 32, rowsPerClass = 12800, random } = options;
  const { temperature = 0.1, detachTarget = false, parity = false, weight = 0.05, rampLength } = options;
  checkNumber(where, "channels", channels, { integer: true, min: 1 });
  checkNumber(where, "auxiliaryChannels", auxiliaryChannels, { integer: true, min: 1 });
  checkNumber(where, "width", width, { integer: true, min: 1 });
  checkNumber(where, "rowsPerClass", rowsPerClass, { integer: true, min: 2 });
  checkNumber(where, "temperature", temperature, { above: 0 });
  checkNumber(where, "weight", weight, { min: 0 });
  if (rampLength !== undefined) checkNumber(where, "rampLength", rampLength, { min: 0 });
  const bank = new LabeledMemoryBank(options);
  // A memory of one vector says nothing about likeness.
  checkNumber(where, "perClass", bank.perClass, { min: 2 });
  const heads = {
    student: headsOf(channels, width, random.fork("student")),
    auxiliary: headsOf(auxiliaryChannels, width, random.fork("auxiliary")),
  };
  const state = memoryBankState(bank);
  const name = "omni correlation";
  // A second backward pass through the same step must neither write nor move statistics again.
  const visited = new WeakSet<StepContext>();

  const check = (context: StepContext): void => {
    checkBatch(context, where, numClasses);
    for (const [role, expected] of [
      ["student", channels],
      ["auxiliary", auxiliaryChannels],
    ] as const) {
      const own = context[role].network.provides.embedding.channels;
      if (own !== expected)
        throw new CompatibilityError(
          `${where}: the ${role} network's embedding has ${own} channels, the term was built for ${expected}: pass provides.embedding.channels`,
        );
    }
  };

  /** Labelled voxels that both networks classify correctly, scan by scan, no more than the memory keeps. */
  const correctVoxels = ({ labeled: { ids } }: StepContext, agreed: Int32Array, truth: Int32Array): CorrectVoxels[] => {
    const correct = truth.map((label, i) => (agreed[i] === label ? label : -1));
    const voxels = truth.length / ids.length;
    return ids.map((id, i) => {
      const own = correct.subarray(i * voxels, (i + 1) * voxels);
      const kept = joinRows(rowsByClass(own, numClasses).map((rows) => thinRows(rows, bank.capacityPerClass)));
      return { id, rows: kept.map((row) => i * voxels + row), classes: kept.map((row) => own[row]!) };
    });
  };

  /** Their memory vectors, the mean of both networks'. */
  const vectorsOf = (context: StepContext, rows: Int32Array, v: NetworkOutput, a: NetworkOutput): Tensor =>
    withoutGradient(() =>
      tidy(() => {
        if (rows.length === 0) return tensor2d([], [0, width]);
        const [fromV, fromA] = [
          heads.student.remember(gatherRows(embeddingRows(context, "student", v), rows)),
          heads.auxiliary.remember(gatherRows(embeddingRows(context, "auxiliary", a), rows)),
        ];
        return div(add(fromV, fromA), 2);
      }),
    );

  const store = (context: StepContext, scans: readonly CorrectVoxels[], vectors: readonly Float32Array[]): void => {
    for (const [i, { id, classes }] of scans.entries()) bank.store(id, { width, values: vectors[i]!, classes });
    context.log(
      `${name}/memory`,
      bank.counts.reduce((x, y) => x + y, 0),
    );
  };

  /** What both networks say and remember of a step, where it has to be waited for: in passes of their own. */
  const ahead = new WeakMap<StepContext, AgreeingVoxels>();
  const readAhead = async (context: StepContext): Promise<void> => {
    const passes: NetworkOutput[] = [];
    tidy(() => withoutGradient(() => void passes.push(context.student.all(), context.auxiliary.all())));
    const [v, a] = passes as [NetworkOutput, NetworkOutput];
    const { labels } = context.labeled;
    const agreeing = await agreeingVoxelsLater(v.logits, a.logits, labels.size);
    const scans = correctVoxels(context, agreeing.classes, (await labels.data()) as Int32Array);
    const tensors = scans.map(({ rows }) => vectorsOf(context, rows, v, a));
    store(context, scans, (await Promise.all(tensors.map((tensor) => tensor.data()))) as Float32Array[]);
    dispose(tensors);
    ahead.set(context, agreeing);
  };

  return {
    name,
    needs: {
      features: ["embedding"],
      auxiliary: true,
      classes: { min: numClasses, max: numClasses },
      embeddingChannels: { student: channels, auxiliary: auxiliaryChannels },
      samples: 2,
    },
    about: "both networks find confident unlabelled voxels like the same remembered labelled voxels",
    weight: (step, maxSteps) => weight * sigmoidRampUp(step + 1, rampLength ?? maxSteps),
    prepare: async (context) => {
      check(context);
      if (!readsAtOnce() && !ahead.has(context)) await readAhead(context);
    },
    loss: (context) => {
      check(context);
      const { student, auxiliary } = context;
      return tidy(() => {
        // Whole passes: rows of them are picked out, halves need not be.
        const [v, a] = [student.all(), auxiliary.all()];
        const { labels } = context.labeled;
        const from = labels.size;
        const agreeing = ahead.get(context) ?? agreeingVoxels(v.logits, a.logits, from);
        const first = !visited.has(context);
        visited.add(context);
        if (first && !ahead.has(context)) {
          const scans = correctVoxels(context, agreeing.classes, labels.dataSync() as Int32Array);
          const vectors = scans.map(({ rows }) => vectorsOf(context, rows, v, a).dataSync() as Float32Array);
          store(context, scans, vectors);
        }
        const nothing = (): Scalar => mul(sum(v.logits), 0) as Scalar;
        if (!context.unlabeled) return nothing();
        const memories = bank.sample(context.random(name));
        const { chosen, seen, places } = selectRows({ ...agreeing, from, numClasses, limit: rowsPerClass, parity });
        context.log(`${name}/rows`, chosen.length);
        if (chosen.length === 0 || memories.every((memory) => memory === null)) return nothing();
        const queries = (role: "student" | "auxiliary", output: NetworkOutput): Tensor => {
          const asked = heads[role].ask(gatherRows(embeddingRows(context, role, output), seen), first);
          return places ? gatherRows(asked, places) : asked;
        };
        return correlationLoss({
          queriesV: queries("student", v),
          queriesA: queries("auxiliary", a),
          memories,
          temperature,
          detachTarget,
        });
      });
    },
    modules: heads,
    bank,
    state: { save: state.save, load: state.load },
    afterStep: () => state.release(),
  };
}
