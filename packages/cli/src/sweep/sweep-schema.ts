import { z } from "zod";

const positive = z.int().min(1);

const slurm = z
  .strictObject({
    partition: z.string().optional(),
    time: z.string().optional().describe("Time limit of a task, as sbatch takes it: 02:00:00"),
    gres: z.string().optional().describe("Such as gpu:1"),
    cpusPerTask: positive.optional(),
    memory: z.string().optional().describe("As sbatch --mem takes it: 16G"),
    options: z.array(z.string()).default([]).describe("Further #SBATCH options, as they stand"),
    poll: z.number().positive().default(5).describe("Seconds between looks at the queue"),
  })
  .prefault({});

const kubernetes = z
  .strictObject({
    image: z.string().default("node:22").describe("An image with Node and the semiseg command's needs"),
    volumeClaim: z.string().default("semiseg").describe("Claim that holds the sweep, its data and its runs"),
    mountPath: z.string().default("/semiseg"),
    gpus: z.int().min(0).default(0),
    cpus: positive.default(2),
    memory: z.string().default("8Gi"),
  })
  .prefault({});

/** A sweep file: variants of one configuration, times seeds, times label budgets. */
export const sweepSchema = z.strictObject({
  $schema: z.string().optional(),
  base: z.string().describe("Configuration file of a run that all variants start from; relative to this file"),
  out: z.string().describe("Folder of the sweep: its runs, logs and report"),
  variants: z
    .record(z.string().regex(/^[\w.+-]+$/, "may hold letters, digits and . _ + - only"), z.looseObject({}))
    .describe("Name of a row, and what it changes in the base; a method of another name replaces the base's options"),
  leaveOneOut: z
    .array(z.string())
    .default([])
    .describe("Names of variants: one more row for each loss term of theirs, without it"),
  baseline: z.string().optional().describe("The variant that the others are tested against; default: the first"),
  published: z
    .string()
    .optional()
    .describe("A file of published results, shown beside rows of the same protocol; relative to this file"),
  seeds: z.array(z.int()).min(1).default([1, 2, 3]),
  labeled: z
    .array(z.union([z.literal("all"), z.number().positive()]))
    .min(1)
    .optional()
    .describe("Label budgets; default: the base's"),
  dataSeeds: z
    .array(z.int())
    .min(1)
    .optional()
    .describe("Seeds of split and labelled subset (folds); default: the base's"),
  engine: z.enum(["local", "slurm", "kubernetes"]).default("local"),
  jobs: positive.default(1).describe("Runs at the same time"),
  gpus: z.array(z.int().min(0)).default([]).describe("Local: GPUs that jobs are pinned to, in turn"),
  retries: z.int().min(0).default(1).describe("Further tries of a run that fails"),
  slurm,
  kubernetes,
});

/** A checked sweep file. */
export type Sweep = z.output<typeof sweepSchema>;

/** JSON Schema of the sweep file, for completion in editors. */
export function sweepJsonSchema(): Record<string, unknown> {
  return z.toJSONSchema(sweepSchema, { io: "input" }) as Record<string, unknown>;
}
