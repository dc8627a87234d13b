import { ENGINES, PRECISIONS } from "@semiseg/runtime";
import { z } from "zod";
import { methodSchema } from "./method-schema.js";

const positive = z.int().min(1);
const fraction = z.number().min(0).max(1);
const axes = z.array(z.int().min(0).max(2));
const sizes = z.array(positive).min(2).max(3);
const range = z.tuple([z.number(), z.number()]);

const preprocess = z
  .strictObject({
    reorient: z.boolean().optional(),
    spacing: z.array(z.number().positive().nullable()).optional(),
    clip: range.optional(),
    percentiles: range.optional(),
    normalize: z.enum(["zscore", "zscore-nonzero", "minmax", "none"]).optional(),
    backgroundZero: z.boolean().optional(),
    crop: z.enum(["none", "nonzero", "label"]).optional(),
    cropMargin: z.union([z.int().min(0), z.array(z.int().min(0))]).optional(),
    padTo: sizes.optional(),
  })
  .describe("Fixed preprocessing of whole volumes; the data set's own protocol where absent");

const augment = z.strictObject({
  mode: z.enum(["independent", "reference"]).optional(),
  flipAxes: axes.optional(),
  flipProbability: fraction.optional(),
  rot90Axes: z.tuple([z.int(), z.int()]).nullable().optional(),
  noise: range.optional(),
  noiseProbability: fraction.optional(),
  brightness: range.optional(),
  brightnessProbability: fraction.optional(),
  gamma: range.optional(),
  gammaProbability: fraction.optional(),
  blur: range.optional(),
  blurProbability: fraction.optional(),
  biasField: range.optional(),
  biasFieldProbability: fraction.optional(),
  rotation: range.optional().describe("Degrees about each of rotationAxes"),
  rotationAxes: axes.optional(),
  rotationProbability: fraction.optional(),
  scaling: range.optional(),
  scalingProbability: fraction.optional(),
  elastic: range.optional().describe("Displacement in voxels, root mean square"),
  elasticSpacing: z.number().min(2).optional(),
  elasticProbability: fraction.optional(),
  foregroundProbability: fraction.optional(),
  cutMix: fraction.optional().describe("Chance of a box from another item of the same kind, labels with it"),
  cutMixRatio: range.optional(),
  copyPaste: fraction.optional().describe("Chance that an unlabelled item gets a piece of a labelled one"),
  copyPasteMode: z.enum(["foreground", "box"]).optional(),
});

/** Intensity changes of the strong view. */
const strong = augment
  .pick({
    noise: true,
    noiseProbability: true,
    brightness: true,
    brightnessProbability: true,
    gamma: true,
    gammaProbability: true,
    blur: true,
    blurProbability: true,
    biasField: true,
    biasFieldProbability: true,
  })
  .describe("The student sees unlabelled items with these changes on top, the teacher without");

const data = z
  .looseObject({
    kind: z.string().describe("msd, la, pancreas, acdc, brats2019, folder, phantom"),
    path: z
      .string()
      .optional()
      .describe("Folder of the data set; a name in dollar and braces is an environment variable"),
    split: z
      .union([
        z.string(),
        z.strictObject({ validation: fraction, test: fraction }),
        z.strictObject({ train: z.array(z.string()), validation: z.array(z.string()), test: z.array(z.string()) }),
      ])
      .optional()
      .describe(
        "A JSON file of case ids per part, the ids, or fractions to hold out; the data set's own split where absent",
      ),
    labeled: z
      .union([z.literal("all"), z.number().positive()])
      .default("all")
      .describe("Training cases whose labels are used: a count, or a fraction below 1"),
    labeledOrder: z
      .enum(["random", "listed"])
      .default("random")
      .describe("random: seeded and nested; listed: the first ones, as some published tables have it"),
    seed: z.int().default(0).describe("Seed of the split and of the labelled subset"),
    patchSize: sizes,
    preprocess: preprocess.optional(),
    augment: z.union([augment, z.literal(false)]).optional(),
    strong: strong.optional(),
    workers: z.int().min(0).default(1),
    queue: positive.default(2),
    cacheFolder: z.string().optional(),
  })
  .describe("Other keys go to the data set's reader");

const schedule = z.strictObject({
  name: z.enum(["constant", "poly", "step", "cosine"]),
  power: z.number().positive().optional(),
  every: positive.optional().describe("Steps between changes of step and poly; poly: 1, or the steps of an epoch"),
  factor: z.number().positive().optional(),
  warmupSteps: z.int().min(0).optional(),
});

const optimizer = z.strictObject({
  name: z.enum(["sgd", "adamw"]).default("sgd"),
  learningRate: z.number().positive().default(0.01),
  momentum: z.number().min(0).lt(1).optional(),
  nesterov: z.boolean().optional(),
  weightDecay: z.number().min(0).optional(),
  schedule: schedule.optional(),
  clipNorm: z.number().positive().optional().describe("Largest global gradient norm"),
});

const seedAndNorm = {
  baseFilters: positive.optional(),
  normalization: z.enum(["batch", "instance", "group", "none"]).optional(),
  seed: z.int().optional().describe("Seed of the initial weights; default: the run's"),
  heads: z.array(z.enum(["distance"])).optional(),
  deepSupervision: z.boolean().optional(),
  attentionGates: z.boolean().optional(),
};

/** Options of the backbones; what follows from the data (dimensions, channels, classes) is not among them. */
const network = z.discriminatedUnion(
  "name",
  [
    z.strictObject({
      name: z.literal("vnet").optional(),
      ...seedAndNorm,
      dropout: z.number().min(0).lt(1).optional(),
      convBias: z.boolean().optional(),
      decoders: z
        .array(z.enum(["transposed", "trilinear", "nearest"]))
        .min(1)
        .optional(),
    }),
    z.strictObject({
      name: z.literal("unet"),
      ...seedAndNorm,
      dropout: z.union([z.number().min(0).lt(1), z.array(z.number().min(0).lt(1))]).optional(),
    }),
  ],
  {
    error: ({ input }) => {
      const name = (input as { readonly name?: unknown } | null)?.name;
      return name === undefined ? undefined : `name must be one of vnet, unet, received '${String(name)}'`;
    },
  },
);

const inference = z.strictObject({
  roiSize: sizes.optional().describe("Window; default: the patch size"),
  overlap: z.union([z.number().min(0).lt(1), z.array(z.number().min(0).lt(1))]).optional(),
  strides: z.array(positive).optional(),
  mode: z.enum(["constant", "gaussian"]).optional(),
  sigmaScale: z.number().positive().optional(),
  mirrorAxes: axes.optional(),
  batchSize: positive.optional(),
});

const evaluation = z.strictObject({
  dialect: z.enum(["medpy", "monai", "deepmind"]).default("medpy"),
  empty: z.enum(["nan", "worst", "best"]).default("nan"),
});

const datasetFacts = z.strictObject({
  name: z.string(),
  spatialDims: z.union([z.literal(2), z.literal(3)]),
  channels: positive,
  classNames: z.array(z.string()),
  preprocess: preprocess.optional(),
});

/** The configuration of a run, as in a YAML file. */
export const runConfigSchema = z.strictObject({
  $schema: z.string().optional(),
  method: methodSchema,
  network: network.default({}),
  data,
  batch: z.strictObject({ labeled: positive, unlabeled: z.int().min(0) }).default({ labeled: 2, unlabeled: 2 }),
  optimizer: optimizer.default({ name: "sgd", learningRate: 0.01 }),
  maxSteps: positive,
  validation: z
    .strictObject({
      every: positive,
      cases: positive.optional().describe("Only the first ones; all by default"),
      pseudoLabels: positive
        .optional()
        .describe(
          "Also log how well the labels given to so many unlabelled cases fit their hidden ones; never trained on",
        ),
    })
    .optional()
    .describe("Evaluates student and teacher on the validation cases and keeps the best checkpoint"),
  checkpoint: z
    .strictObject({ every: positive.default(200), keep: positive.default(2) })
    .default({ every: 200, keep: 2 }),
  inference: inference.default({}),
  evaluation: evaluation.default({ dialect: "medpy", empty: "nan" }),
  gradientNorms: z.boolean().default(false),
  run: z.string().describe("Folder of the run"),
  seed: z.int().default(0).describe("Seed of weights, patches, dropout and noise"),
  dataset: datasetFacts.optional().describe("Recorded in a run's config.json, so that prediction needs no data set"),
  engine: z.enum(["auto", ...ENGINES]).default("auto"),
  precision: z
    .enum(PRECISIONS)
    .default("float32")
    .describe(
      "Of convolutions' operands: float16 on the engines cuda and webgpu, bfloat16 on cuda; all else is float32",
    ),
});

/** A checked configuration with its defaults filled in. */
export interface RunConfig extends z.output<typeof runConfigSchema> {}

/** What a network and its inputs must know of a data set. */
export interface DatasetFacts extends z.output<typeof datasetFacts> {}

/** JSON Schema of the configuration file, for completion in editors. */
export function runConfigJsonSchema(): Record<string, unknown> {
  return z.toJSONSchema(runConfigSchema, { io: "input" }) as Record<string, unknown>;
}
