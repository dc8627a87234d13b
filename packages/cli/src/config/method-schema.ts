import { z } from "zod";

const positive = z.int().min(1);
const weight = z.number().min(0);
const fraction = z.number().min(0).max(1);

const teacher = z
  .strictObject({
    decay: z.number().min(0).lt(1).optional(),
    buffers: z.enum(["copy", "ema", "own"]).optional(),
    mode: z.enum(["train", "eval"]).optional(),
  })
  .optional()
  .describe("Exponential moving average of the student");

const ramped = { weight: weight.optional(), rampLength: weight.optional() };
const dice = {
  crossEntropyWeight: weight.optional(),
  diceWeight: weight.optional(),
  squaredPred: z.boolean().optional(),
  smooth: weight.optional(),
  includeBackground: z.boolean().optional(),
};
const uncertainty = z
  .strictObject({
    samples: positive.optional(),
    samplesPerPass: positive.optional(),
    memoryBudget: z.number().positive().optional().describe("Bytes; as many passes at once as fit"),
  })
  .optional()
  .describe("Monte Carlo dropout of the teacher");
const teacherConsistency = z
  .strictObject({
    ...ramped,
    on: z.enum(["all", "unlabeled"]).optional(),
    scale: weight.optional(),
    noiseStd: weight.optional(),
    uncertainty: uncertainty,
  })
  .optional();
const crossTask = z
  .strictObject({ ...ramped, steepness: z.number().positive().optional(), noiseStd: weight.optional() })
  .optional();
const distance = z
  .strictObject({
    weight: weight.optional(),
    dice: weight.optional(),
    regression: weight.optional(),
    steepness: z.number().positive().optional(),
  })
  .optional();
const sharpened = {
  temperature: z.number().positive().optional(),
  detachTargets: z.boolean().optional(),
};
/** A part with options of its own, or false for none. */
const orFalse = <T extends z.ZodRawShape>(shape: T) => z.union([z.strictObject(shape), z.literal(false)]).optional();
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
    consistency: orFalse({ weight: weight.optional(), ...sharpened }),
    correlation: orFalse({
      weight: weight.optional(),
      width: positive.optional(),
      perClass: z.int().min(2).optional(),
      capacityPerClass: positive.optional(),
      rowsPerClass: z.int().min(2).optional(),
      temperature: z.number().positive().optional(),
      detachTarget: z.boolean().optional(),
      parity: z.boolean().optional(),
    }),
    rampLength: weight.optional(),
    rampPeriod: positive.optional(),
  }),
  ducisc: z.strictObject({
    name: z.literal("ducisc"),
    without,
    teacher,
    warmUpSteps: z.int().min(0).optional(),
    normalizeLosses: z.boolean().optional(),
    confidence: z
      .strictObject({
        decay: fraction.optional(),
        floor: fraction.optional(),
        ceiling: fraction.optional(),
        fixed: fraction.optional(),
      })
      .optional(),
    prototypes: z.boolean().optional(),
    fusedImages: z.boolean().optional(),
  }),
  icl: z.looseObject({ name: z.literal("icl"), without }),
  tac: z.looseObject({ name: z.literal("tac"), without }),
};

const names = Object.keys(options);

/** A preset and its options. */
export const methodSchema = z
  .discriminatedUnion("name", Object.values(options) as [typeof options.supervised, typeof options.ducisc], {
    error: (issue) => {
      const received = (issue.input as { readonly name?: unknown } | undefined)?.name;
      return received === undefined ? undefined : `must be one of ${names.join(", ")}, received '${String(received)}'`;
    },
  })
  .describe("A preset and its options");
