import { existsSync } from "node:fs";
import { join } from "node:path";
import { checkChoice, DataError } from "@semiseg/errors";
import { readVolume } from "../read-volume.js";
import type { CaseRef, Dataset, Splits } from "../types.js";
import type { AcdcConfig } from "./dataset-config.js";
import { caseIdOf, checkFolder, listFiles, readList, resolveSplits } from "./dataset-files.js";

const LAYOUT =
  "SSL4MIS's train.list, val.list and test.list with data/<name>.h5, or the challenge's patient001/patient001_frame01.nii.gz with _gt.nii.gz";

const patientOf = (id: string): string => id.split("_")[0]!;

/** Volumes and the splits that lie beside them. */
function volumes(path: string): { cases: CaseRef[]; splits: Splits | undefined; axis: number; prepared: boolean } {
  if (existsSync(join(path, "train.list"))) {
    const list = (file: string) => (existsSync(join(path, file)) ? readList(join(path, file)).map(caseIdOf) : []);
    const splits = { train: list("train.list"), validation: list("val.list"), test: list("test.list") };
    const cases = [...splits.train, ...splits.validation, ...splits.test].map((id): CaseRef => {
      const file = [join(path, "data", `${id}.h5`), join(path, `${id}.h5`)].find(existsSync);
      if (!file) throw new DataError(`data set 'acdc': ${path} has no data/${id}.h5; expected ${LAYOUT}`);
      return { id, image: `${file}#image`, label: `${file}#label`, patient: patientOf(id) };
    });
    return { cases, splits, axis: 0, prepared: true };
  }
  const files = new Set(listFiles(path));
  const cases = [...files]
    .filter((f) => /_frame\d+\.nii(\.gz)?$/.test(f))
    .map((file): CaseRef => {
      const id = caseIdOf(file);
      const label = file.replace(/\.nii(\.gz)?$/, "_gt.nii$1");
      return {
        id,
        image: join(path, file),
        patient: patientOf(id),
        ...(files.has(label) ? { label: join(path, label) } : {}),
      };
    });
  if (cases.length === 0) throw new DataError(`data set 'acdc': ${path} holds no such files; expected ${LAYOUT}`);
  return { cases, splits: undefined, axis: 2, prepared: false };
}

/**
 * Cardiac MR, end diastole and end systole. 'volumes' lists one three-dimensional case per frame, 'slices' one
 * two-dimensional case per slice. The published h5 files are scaled to [0, 1] already.
 */
export async function openAcdc(config: AcdcConfig): Promise<Dataset> {
  const { path, mode = "volumes" } = config;
  checkChoice("data set 'acdc'", "mode", mode, ["volumes", "slices"]);
  checkFolder("acdc", path, LAYOUT);
  const { cases: frames, splits: listed, axis, prepared } = volumes(path);
  let cases = frames;
  let splits = resolveSplits(path, config.splits ?? listed, frames);
  if (mode === "slices") {
    cases = [];
    const slicesOf = new Map<string, string[]>();
    for (const frame of frames) {
      const { shape } = await readVolume(frame.image as string);
      if (shape.length !== 3)
        throw new DataError(`${frame.image}: expected a volume, received shape [${shape.join(", ")}]`);
      const slices = Array.from({ length: shape[axis]! }, (_, index) => ({
        ...frame,
        id: `${frame.id}_slice_${index + 1}`,
        slice: { axis, index },
      }));
      slicesOf.set(
        frame.id,
        slices.map((s) => s.id),
      );
      cases.push(...slices);
    }
    const expand = (ids: readonly string[]) => ids.flatMap((id) => slicesOf.get(id) ?? []);
    if (splits)
      splits = { train: expand(splits.train), validation: expand(splits.validation), test: expand(splits.test) };
  }
  return {
    name: config.name ?? "acdc",
    kind: "acdc",
    spatialDims: mode === "slices" ? 2 : 3,
    channels: 1,
    classNames: ["background", "right ventricle", "myocardium", "left ventricle"],
    cases,
    ...(splits ? { splits } : {}),
    config: { ...config },
    preprocess: config.preprocess ?? (prepared ? { normalize: "none" } : { normalize: "minmax" }),
  };
}
