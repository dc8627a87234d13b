/** Medical volumes in and out, data sets, splits, samplers, transforms and phantoms. @packageDocumentation */
export { type BatchPlanOptions, batchPlan } from "./batch-plan.js";
export type { ReadLimits } from "./bytes/limits.js";
export { createBatchLoader } from "./create-batch-loader.js";
export { type DataDoctorOptions, dataDoctor } from "./data-doctor.js";
export type * from "./datasets/dataset-config.js";
export type { CaseFacts, DoctorReport, Finding, FindingCode, Severity } from "./doctor/doctor-report.js";
export { doctorHtml } from "./doctor-html.js";
export { doctorText } from "./doctor-text.js";
export { encodeVolume, type WriteVolumeOptions } from "./encode-volume.js";
export { type LabeledSubsetOptions, labeledSubset } from "./labeled-subset.js";
export { drawMixBox, type MixBox, mixPatches } from "./mix-patches.js";
export { openDataset } from "./open-dataset.js";
export { pasteForeground } from "./paste-foreground.js";
export { generatePhantom, type Phantom } from "./phantom/generate-phantom.js";
export type { PhantomOptions } from "./phantom/phantom-options.js";
export { writePhantomDataset } from "./phantom/write-phantom-dataset.js";
export { prepareCase } from "./prepare-case.js";
export { prepareVolume } from "./prepare-volume.js";
export { type RandomSplitOptions, randomSplit } from "./random-split.js";
export { type RawCase, readCase } from "./read-case.js";
export { type ReadVolumeOptions, readVolume } from "./read-volume.js";
export { restoreClasses } from "./restore-classes.js";
export { restoreLabels } from "./restore-labels.js";
export { type RestoredPatch, restorePatch } from "./restore-patch.js";
export { restrictDataset } from "./restrict-dataset.js";
export { changedFiles, createSplitManifest, type SplitManifestOptions } from "./split-manifest.js";
export { applyPatch, type Patch } from "./transforms/apply-patch.js";
export { drawPatch } from "./transforms/draw-patch.js";
export type { ElasticChange, IntensityChange, PatchRecord, WarpRecord } from "./transforms/patch-record.js";
export {
  type ForkableRandom,
  type TwoStreamOptions,
  type TwoStreamSampler,
  twoStreamSampler,
} from "./two-stream-sampler.js";
export * from "./types.js";
export { writeVolume } from "./write-volume.js";
