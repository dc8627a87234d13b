import { z } from "zod";
import {
  affinity,
  confidence,
  dice,
  distanceShape,
  fraction,
  omniCorrelation,
  positive,
  proxyModules,
  ramped,
  sharpened,
  teacher,
  uncertainty,
  weight,
} from "./method-options.js";

const on = z.enum(["all", "unlabeled"]).optional();
const gated = { noiseStd: weight.optional(), uncertainty: z.union([z.boolean(), uncertainty]).optional() };
const prototype = {
  weight: weight.optional(),
  normalize: z.boolean().optional(),
  warmUpSteps: z.int().min(0).optional().describe("Steps on labelled images alone"),
};
const fusion = { sigma: z.tuple([fraction, fraction]).optional().describe("Bounds of the labelled image's share") };

const gatedAffinity = {
  weight: weight.optional(),
  ...affinity,
  uncertainty: z
    .union([z.boolean(), uncertainty.unwrap().extend({ noiseStd: weight.optional() })])
    .optional()
    .describe("Unlabelled voxels count where the teacher's Monte Carlo dropout entropy is low"),
};

/** The options of each term that a mix can name. */
export const termSchemas = {
  supervised: {
    weight: weight.optional(),
    of: z.enum(["student", "auxiliary"]).optional(),
    heads: z.array(z.string()).optional(),
    ...dice,
  },
  "teacher-consistency": { ...ramped, on, scale: weight.optional(), ...gated },
  "distance-map": distanceShape,
  "cross-task": { ...ramped, steepness: z.number().positive().optional(), ...gated },
  "mutual-consistency": { ...ramped, between: z.enum(["decoders", "networks"]).optional(), ...sharpened },
  "cross-pseudo-supervision": { ...ramped, on },
  "omni-correlation": { ...omniCorrelation, rampLength: weight.optional() },
  "deep-supervised": {
    weight: weight.optional(),
    normalize: z.boolean().optional(),
    passes: z.enum(["joint", "separate"]).optional(),
  },
  "certain-pseudo-labels": prototype,
  "fused-images": { ...prototype, ...fusion },
  "prototype-alignment": { ...prototype, confidence: z.boolean().optional().describe("Over certain voxels only") },
  "mix-prototypes": { ...prototype, ...fusion },
  "proxy-supervision": { weight: weight.optional(), presentOnly: dice.presentOnly },
  "prediction-consistency": { weight: weight.optional() },
  "proxy-consistency": { weight: weight.optional() },
  "channel-dice": {
    weight: weight.optional(),
    activation: z.enum(["sigmoid", "softmax"]).optional(),
    crossEntropyWeight: weight.optional(),
  },
  "structural-affinity": gatedAffinity,
  "contextual-affinity": gatedAffinity,
} as const;

const names = Object.keys(termSchemas);

const term = z
  .discriminatedUnion(
    "term",
    Object.entries(termSchemas).map(([name, shape]) =>
      z.strictObject({
        term: z.literal(name),
        name: z.string().min(1).optional().describe("Another name, so that a term can be there twice"),
        ...shape,
      }),
    ) as unknown as [z.ZodObject<{ term: z.ZodLiteral<string>; name: z.ZodOptional<z.ZodString> }>],
    {
      error: ({ input }) => {
        const received = (input as { readonly term?: unknown } | null)?.term;
        return `term must be one of ${names.join(", ")}, received ${received === undefined ? "none" : `'${String(received)}'`}`;
      },
    },
  )
  .describe("A loss term of any paper, and its options");

/** Options of the auxiliary network, laid over the first one's. */
const auxiliary = z
  .strictObject({
    seed: z.int().optional().describe("Default: another than the first network's"),
    baseFilters: positive.optional(),
    normalization: z.enum(["batch", "instance", "group", "none"]).optional(),
    dropout: z.union([z.number().min(0).lt(1), z.array(z.number().min(0).lt(1))]).optional(),
    decoders: z
      .array(z.enum(["transposed", "trilinear", "nearest"]))
      .min(1)
      .optional(),
    heads: z.array(z.enum(["distance"])).optional(),
    deepSupervision: z.boolean().optional(),
    attentionGates: z.boolean().optional(),
    attention: z
      .strictObject({
        heads: positive.optional(),
        feedForward: positive.optional(),
        dropout: z.number().min(0).lt(1).optional(),
      })
      .optional()
      .describe("CAML's: a trilinear decoder and cross-sample mutual attention; {} for its defaults"),
  })
  .optional()
  .describe("A second network, trained beside the first and dropped at test time; {} for one like the first");

/** A mix: terms of any of the papers. */
export const customSchema = z.strictObject({
  name: z.literal("custom"),
  title: z.string().min(1).optional().describe("Name in reports"),
  without: z.array(z.string()).optional().describe("Names of loss terms to leave out, for ablations"),
  teacher,
  auxiliary,
  confidence: confidence.describe("DuCiSC's self-aware thresholds, shared by the terms that use them"),
  proxies: z.strictObject(proxyModules).optional().describe("ICL's modules, shared by the terms that use them"),
  terms: z.array(term).min(1),
});
