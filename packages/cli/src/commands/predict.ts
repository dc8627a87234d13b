import { mkdirSync } from "node:fs";
import { basename, join } from "node:path";
import { Command, Option } from "@commander-js/extra-typings";
import { readVolume, type Volume } from "@semiseg/data";
import { CheckpointError, OptionError } from "@semiseg/errors";
import type { Network } from "@semiseg/nn";
import { type EvaluatedModel, loadWeights, predict, runModels } from "@semiseg/training";
import { buildMethod } from "../build-method.js";
import { inferenceOf } from "../inference-of.js";
import { createOutput, type OutputStreams } from "../output.js";
import { configFrom, configOfRun } from "../run-config.js";
import { collect } from "./common.js";
import { startEngine } from "./start-engine.js";

/** Which of a run's models to use: the teacher if there is one, best on validation if known. */
function choose(models: readonly EvaluatedModel[], wanted: Partial<EvaluatedModel>): EvaluatedModel {
  const fits = models.filter(
    (model) =>
      (wanted.network ?? model.network) === model.network && (wanted.selected ?? model.selected) === model.selected,
  );
  const found = fits.at(-1);
  if (!found) throw new CheckpointError("predict: the run has no such model");
  return found;
}

/** An image with a channel axis, as networks want it. */
function withChannels(volume: Volume, dims: number, channels: number): Volume {
  const shape = [...volume.shape];
  while (shape.length > dims && shape.at(-1) === 1) shape.pop();
  if (shape.length === dims) shape.push(1);
  if (shape.length !== dims + 1 || shape.at(-1) !== channels)
    throw new OptionError(
      `predict: ${volume.meta.source} has shape [${volume.shape}], the run expects ${dims} spatial axes and ${channels} channels`,
    );
  return { ...volume, shape, spacing: volume.spacing.slice(0, dims) };
}

/** `semiseg predict`: segments files with one run or an ensemble of runs. */
export function predictCommand(streams: OutputStreams) {
  return new Command("predict")
    .description("segment image files; several --run make an ensemble (mean of probabilities)")
    .argument("<images...>", "image files")
    .option("--run <folder>", "a run; may be repeated", collect)
    .option("-c, --config <file>", "the configuration that names the run, in place of --run")
    .requiredOption("-o, --output <folder>", "where to write <name>.nii.gz")
    .addOption(
      new Option("--network <name>", "default: the teacher if there is one").choices(["student", "teacher"] as const),
    )
    .addOption(new Option("--selected <which>", "default: best if there is one").choices(["last", "best"] as const))
    .option("--largest-component", "keep each class's largest connected component only", false)
    .option("--fill-holes", "fill holes within each class", false)
    .option("--engine <name>", "auto, cuda, webgpu, tensorflow, wasm or cpu", "auto")
    .option("--precision <name>", "of convolutions' operands: float32, float16 or bfloat16 (on a GPU)", "float32")
    .option("--json", "print one JSON value", false)
    .action(async (images, { json, engine, precision, network, selected, ...options }) => {
      const output = createOutput(json, streams);
      const runs = options.run ?? [configFrom("predict", { config: options.config }).config.run];
      await startEngine({ engine, precision }, json);
      const networks: Network[] = [];
      const first = configOfRun(runs[0]!).config;
      let dims: number = 3;
      let channels = 1;
      for (const run of runs) {
        const { config } = configOfRun(run);
        if (!config.dataset) throw new CheckpointError(`${run}/config.json does not say what data it was trained on`);
        const method = buildMethod(config, config.dataset);
        ({ spatialDims: dims, channels } = config.dataset);
        const model = choose(await runModels(run, output.warn), {
          ...(network ? { network } : {}),
          ...(selected ? { selected } : {}),
        });
        const own = method.student.clone();
        await loadWeights(own, run, model);
        method.dispose();
        networks.push(own);
      }
      mkdirSync(options.output, { recursive: true });
      const written: string[] = [];
      for (const path of images) {
        const image = withChannels(await readVolume(path), dims, channels);
        const name = basename(path).replace(/\.(nii(\.gz)?|nrrd|mha|mhd|h5|npy|npz|png)$/i, "");
        const target = join(options.output, `${name}.nii.gz`);
        await predict({
          networks,
          image,
          preprocess: (first.data.preprocess ?? first.dataset?.preprocess ?? {}) as never,
          inference: inferenceOf(first),
          postprocess: { largestComponent: options.largestComponent, fillHoles: options.fillHoles },
          output: target,
        });
        written.push(target);
        output.say(target);
      }
      for (const own of networks) own.dispose();
      output.result({ written });
    });
}
