/** Options that several methods and terms share, as schemas. */
import { z } from "zod";

export const positive = z.int().min(1);
export const weight = z.number().min(0);
export const fraction = z.number().min(0).max(1);

export const teacher = z
  .strictObject({
    decay: z.number().min(0).lt(1).optional(),
    buffers: z.enum(["copy", "ema", "own"]).optional(),
    mode: z.enum(["train", "eval"]).optional(),
  })
  .optional()
  .describe("Exponential moving average of the student");

export const ramped = { weight: weight.optional(), rampLength: weight.optional() };
export const dice = {
  crossEntropyWeight: weight.optional(),
  diceWeight: weight.optional(),
  squaredPred: z.boolean().optional(),
  smooth: weight.optional(),
  includeBackground: z.boolean().optional(),
  presentOnly: z.boolean().optional().describe("Average Dice over the classes that the labelled half holds"),
};
export const uncertainty = z
  .strictObject({
    samples: positive.optional(),
    samplesPerPass: positive.optional(),
    memoryBudget: z.number().positive().optional().describe("Bytes; as many passes at once as fit"),
  })
  .optional()
  .describe("Monte Carlo dropout of the teacher");
export const teacherConsistency = z
  .strictObject({
    ...ramped,
    on: z.enum(["all", "unlabeled"]).optional(),
    scale: weight.optional(),
    noiseStd: weight.optional(),
    uncertainty: uncertainty,
  })
  .optional();
export const crossTask = z
  .strictObject({ ...ramped, steepness: z.number().positive().optional(), noiseStd: weight.optional() })
  .optional();
export const distanceShape = {
  weight: weight.optional(),
  dice: weight.optional(),
  regression: weight.optional(),
  steepness: z.number().positive().optional(),
};
export const distance = z.strictObject(distanceShape).optional();
export const omniCorrelation = {
  weight: weight.optional(),
  width: positive.optional(),
  perClass: z.int().min(2).optional(),
  capacityPerClass: positive.optional(),
  rowsPerClass: z.int().min(2).optional(),
  temperature: z.number().positive().optional(),
  detachTarget: z.boolean().optional(),
  parity: z.boolean().optional(),
};
export const confidence = z
  .strictObject({
    decay: fraction.optional(),
    floor: fraction.optional(),
    ceiling: fraction.optional(),
    fixed: fraction.optional(),
  })
  .optional();
export const sharpened = {
  temperature: z.number().positive().optional(),
  detachTargets: z.boolean().optional(),
};
/** A part with options of its own, or false for none. */
export const orFalse = <T extends z.ZodRawShape>(shape: T) =>
  z.union([z.strictObject(shape), z.literal(false)]).optional();
export const affinity = {
  pairing: z.enum(["batch", "code", "sample"]).optional().describe("How class vectors are pooled and compared"),
  activation: z.enum(["sigmoid", "softmax"]).optional(),
  maskAbsent: z.boolean().optional(),
  detachLabeled: z.boolean().optional(),
  detachGuide: z.boolean().optional(),
};
export const proxyModules = {
  features: z.array(z.string()).min(1).optional().describe("Features that the proxies attend to, coarse to fine"),
  heads: z.array(positive).min(1).optional().describe("Attention heads of each of them"),
  tokenMixing: z.enum(["none", "lowRank", "full"]).optional().describe("How a class map's tokens see one another"),
  mixingGrid: positive.optional().describe("Cells per axis that lowRank mixes"),
  memoryLimit: weight.optional().describe("Bytes that full may take for weights, gradients and momentum"),
  recomputeAbove: weight.optional().describe("Bytes of features whose attention is computed again, not kept"),
  stochasticDepth: z.number().min(0).lt(1).optional(),
  trueResidual: z.boolean().optional(),
  compatScramble: z.boolean().optional(),
  proxyStd: weight.optional().describe("Standard deviation of the initial proxies"),
};
