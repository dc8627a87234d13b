import { z } from "zod";
import { customSchema } from "./custom-schema.js";
import {
  affinity,
  confidence,
  crossTask,
  dice,
  distance,
  omniCorrelation,
  orFalse,
  positive,
  proxyModules,
  ramped,
  sharpened,
  teacher,
  teacherConsistency,
  uncertainty,
  weight,
} from "./method-options.js";

const meanTeacher = { teacher, consistency: teacherConsistency };

const without = z.array(z.string()).optional().describe("Names of loss terms to leave out, for ablations");

/** The options of each preset, by its name in configuration files; the network has a section of its own. */
const options = {
  supervised: z.strictObject({ name: z.literal("supervised"), without, weight: weight.optional(), ...dice }),
  "mean-teacher": z.strictObject({ name: z.literal("mean-teacher"), without, ...meanTeacher }),
  "ua-mt": z.strictObject({ name: z.literal("ua-mt"), without, ...meanTeacher }),
  dtc: z.strictObject({ name: z.literal("dtc"), without, crossTask, distance }),
  "mc-net": z.strictObject({
    name: z.literal("mc-net"),
    without,
    decoders: z
      .array(z.enum(["transposed", "trilinear", "nearest"]))
      .min(2)
      .optional(),
    consistency: z.strictObject({ ...ramped, ...sharpened }).optional(),
  }),
  "cross-pseudo-supervision": z.strictObject({
    name: z.literal("cross-pseudo-supervision"),
    without,
    pseudoSupervision: z.strictObject({ ...ramped, on: z.enum(["all", "unlabeled"]).optional() }).optional(),
  }),
  "ug-mcl": z.strictObject({
    name: z.literal("ug-mcl"),
    without,
    teacher,
    uncertainty,
    intraTask: teacherConsistency,
    crossTask,
    maskCrossTask: z.boolean().optional(),
    distance,
  }),
  caml: z.strictObject({
    name: z.literal("caml"),
    without,
    attention: orFalse({
      heads: positive.optional(),
      feedForward: positive.optional(),
      dropout: z.number().min(0).lt(1).optional(),
      queryChunk: positive.optional(),
      memoryBudget: z.number().positive().optional().describe("Bytes; queries are handled in chunks that fit"),
    }).describe("Cross-sample mutual attention of the auxiliary network"),
    supervised: z
      .strictObject({ weight: weight.optional(), ...dice })
      .optional()
      .describe("Loss of both networks on the labelled half"),
    consistency: orFalse({ weight: weight.optional(), ...sharpened }),
    correlation: orFalse(omniCorrelation),
    rampLength: weight.optional(),
    rampPeriod: positive.optional(),
  }),
  ducisc: z.strictObject({
    name: z.literal("ducisc"),
    without,
    teacher,
    warmUpSteps: z.int().min(0).optional(),
    normalizeLosses: z.boolean().optional(),
    confidence,
    prototypes: z.boolean().optional(),
    fusedImages: z.boolean().optional(),
  }),
  icl: z.strictObject({
    name: z.literal("icl"),
    without,
    ...proxyModules,
    supervised: z.strictObject({ weight: weight.optional(), ...dice }).optional(),
    proxySupervision: orFalse({ weight: weight.optional(), presentOnly: dice.presentOnly }),
    predictionConsistency: orFalse({ weight: weight.optional() }),
    proxyConsistency: orFalse({ weight: weight.optional() }),
  }),
  tac: z.strictObject({
    name: z.literal("tac"),
    without,
    ...affinity,
    supervised: z.strictObject({ weight: weight.optional(), crossEntropyWeight: weight.optional() }).optional(),
    structural: orFalse({ weight: weight.optional(), ...affinity }).describe("Affinity of attention-gated skips"),
    contextual: orFalse({ weight: weight.optional(), ...affinity }).describe("Affinity of encoder features"),
  }),
  custom: customSchema,
};

const names = Object.keys(options);

/** A preset and its options. */
export const methodSchema = z
  .discriminatedUnion(
    "name",
    Object.values(options) as [typeof options.supervised, typeof options.icl, typeof options.custom],
    {
      error: (issue) => {
        const received = (issue.input as { readonly name?: unknown } | undefined)?.name;
        return received === undefined
          ? undefined
          : `must be one of ${names.join(", ")}, received '${String(received)}'`;
      },
    },
  )
  .describe("A preset and its options");
