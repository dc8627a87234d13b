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
const meanTeacher = { teacher, consistency: teacherConsistency };

/** The options of each preset, by its name in configuration files; the network has a section of its own. */
const options = {
  supervised: z.strictObject({ name: z.literal("supervised"), weight: weight.optional(), ...dice }),
  "mean-teacher": z.strictObject({ name: z.literal("mean-teacher"), ...meanTeacher }),
  "ua-mt": z.strictObject({ name: z.literal("ua-mt"), ...meanTeacher }),
  dtc: z.strictObject({ name: z.literal("dtc"), crossTask, distance }),
  "mc-net": z.strictObject({
    name: z.literal("mc-net"),
    decoders: z
      .array(z.enum(["transposed", "trilinear", "nearest"]))
      .min(2)
      .optional(),
    consistency: z.strictObject({ ...ramped, ...sharpened }).optional(),
  }),
  "cross-pseudo-supervision": z.strictObject({
    name: z.literal("cross-pseudo-supervision"),
    pseudoSupervision: z.strictObject({ ...ramped, on: z.enum(["all", "unlabeled"]).optional() }).optional(),
  }),
  "ug-mcl": z.strictObject({
    name: z.literal("ug-mcl"),
    teacher,
    uncertainty,
    intraTask: teacherConsistency,
    crossTask,
    maskCrossTask: z.boolean().optional(),
    distance,
  }),
  caml: z.looseObject({ name: z.literal("caml") }),
  ducisc: z.strictObject({
    name: z.literal("ducisc"),
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
  icl: z.looseObject({ name: z.literal("icl") }),
  tac: z.looseObject({ name: z.literal("tac") }),
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
