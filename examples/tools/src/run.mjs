import { loadMethod, predictProbabilities, readJsonLines, readRunJson, runPaths } from "@semiseg/training";
import * as tf from "@tensorflow/tfjs-core";
import { assembleData, buildMethod, casesOf, factsOf, runConfigSchema } from "semiseg";

/**
 * A trained run, ready to be looked into. An engine must be there already (`initBackend()` of @semiseg/runtime).
 *
 * @param {string} folder - the run's folder.
 * @param {{ step?: number }} [options] - which checkpoint; default the last.
 * @returns an object with
 *   - `config`, `manifest`, `dataset`, `classNames`, `step`;
 *   - `method`: student, teacher, auxiliary network, term modules and states, all with the run's weights;
 *   - `records(kind)`: lines of the run's log (`step`, `validation`, `event`);
 *   - `curve(pick)`: points `[step, value]` of the step records for a chart;
 *   - `ids(part)` and `readCase(id)`: `{ raw, prepared }` of any case, prepared as in training;
 *   - `imageOf(prepared)`: its image as a tensor `[1, ...S, channels]`, for passes of your own;
 *   - `probabilities(network, prepared)`: softmax `[...S, C]` as values and shape, by whole-volume or sliding window;
 *   - `close()`: frees the networks.
 */
export async function openRun(folder, { step } = {}) {
  const paths = runPaths(folder);
  const config = { ...runConfigSchema.parse(readRunJson(paths.config)), run: folder };
  const manifest = readRunJson(paths.split);
  const data = await assembleData(config, manifest);
  const method = buildMethod(config, factsOf(data.dataset));
  const loaded = await loadMethod(method, folder, step === undefined ? {} : { step });
  const lines = readJsonLines(paths.metrics);
  const everyCase = casesOf(
    config,
    { ...data, manifest: { ...manifest, test: data.dataset.cases.map(({ id }) => id) } },
    "test",
  );
  return {
    folder,
    config,
    manifest,
    dataset: data.dataset,
    classNames: data.dataset.classNames,
    step: loaded,
    method,
    records: (kind = "step") => lines.filter((record) => record.kind === kind),
    curve: (pick) =>
      lines.flatMap((record) => {
        const value = record.kind === "step" ? pick(record) : undefined;
        return value === undefined ? [] : [[record.step, value]];
      }),
    ids: (part) => manifest[part],
    readCase: (id) => everyCase.read(id),
    imageOf: ({ image, imageShape }) => tf.tensor(image, [1, ...imageShape]),
    probabilities: (network, { image, imageShape }) =>
      predictProbabilities(
        [network],
        { data: image, shape: imageShape },
        {
          roiSize: config.data.patchSize,
          ...config.inference,
        },
      ),
    close: () => method.dispose(),
  };
}
