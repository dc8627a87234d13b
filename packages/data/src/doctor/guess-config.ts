import { existsSync } from "node:fs";
import { join } from "node:path";
import type { DatasetConfig } from "../datasets/dataset-config.js";
import { listFiles, readList } from "../datasets/dataset-files.js";

/** The configuration that a folder's content suggests. */
export function guessConfig(path: string): DatasetConfig {
  const has = (...parts: string[]) => existsSync(join(path, ...parts));
  if (has("dataset.json")) return has("imagesVa") ? { kind: "amos", path, modality: "all" } : { kind: "msd", path };
  if (has("train.list")) {
    const [first = ""] = readList(join(path, "train.list"));
    if (/^patient\d+_/.test(first)) return { kind: "acdc", path };
    const pancreas = has("Pancreas_h5") || has(`${first}_norm.h5`) || /^image\d+$/.test(first);
    return { kind: pancreas ? "pancreas" : "la", path };
  }
  if (has("train.txt")) return { kind: "brats2019", path };
  const below = existsSync(path) ? listFiles(path) : [];
  if (below.some((f) => /patient\d+_frame\d+\.nii(\.gz)?$/.test(f))) return { kind: "acdc", path };
  if (below.some((f) => /_flair\.nii(\.gz)?$/.test(f))) return { kind: "brats2019", path };
  const images = ["imagesTr", "images"].find((name) => existsSync(join(path, name)));
  if (!images) return { kind: "msd", path }; // Says what was expected.
  const labels = ["labelsTr", "labels"].find((name) => existsSync(join(path, name)));
  const files = listFiles(join(path, images));
  const extension = /(\.nii)?\.[^.]+$/.exec(files[0] ?? "")?.[0] ?? ".nii.gz";
  const more = labels ? { labels: `${labels}/{id}${extension}` } : {};
  return {
    kind: "folder",
    path,
    images: `${images}/{id}${extension}`,
    classNames: ["background", "foreground"],
    ...more,
  };
}
