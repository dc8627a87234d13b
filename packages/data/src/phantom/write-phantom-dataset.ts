import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { writeFileAtomically } from "../bytes/write-file-atomically.js";
import type { PhantomConfig } from "../datasets/dataset-config.js";
import { openPhantom } from "../datasets/open-phantom.js";
import { readCase } from "../read-case.js";
import type { Dataset } from "../types.js";
import { writeVolume } from "../write-volume.js";

/**
 * Writes generated phantoms as a Medical Segmentation Decathlon folder (imagesTr, labelsTr, dataset.json) with
 * splits.json, readable with kind 'msd' and by other tools.
 *
 * @param onCase - called after each case, for progress.
 */
export async function writePhantomDataset(
  folder: string,
  config: Omit<PhantomConfig, "kind"> = {},
  onCase?: (done: number, total: number) => void,
): Promise<Dataset> {
  const dataset = openPhantom({ ...config, kind: "phantom" });
  await mkdir(join(folder, "imagesTr"), { recursive: true });
  await mkdir(join(folder, "labelsTr"), { recursive: true });
  const training: { image: string; label: string }[] = [];
  for (const [n, { id }] of dataset.cases.entries()) {
    const { image, label } = await readCase(dataset, id);
    const files = { image: `./imagesTr/${id}.nii.gz`, label: `./labelsTr/${id}.nii.gz` };
    await writeVolume(join(folder, files.image), { ...image, shape: image.shape.slice(0, -1) });
    if (label) await writeVolume(join(folder, files.label), label);
    training.push(files);
    onCase?.(n + 1, dataset.cases.length);
  }
  const description = {
    name: dataset.name,
    description: "Generated phantoms",
    tensorImageSize: `${dataset.spatialDims}D`,
    modality: { "0": config.modality === "b" ? "MR-like" : "CT-like" },
    labels: Object.fromEntries(dataset.classNames.map((name, index) => [index, name])),
    numTraining: training.length,
    numTest: 0,
    training,
    generator: dataset.config,
  };
  await writeFileAtomically(join(folder, "splits.json"), `${JSON.stringify(dataset.splits, null, 1)}\n`);
  await writeFileAtomically(join(folder, "dataset.json"), `${JSON.stringify(description, null, 1)}\n`);
  return dataset;
}
