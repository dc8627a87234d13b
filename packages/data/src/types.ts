/** A typed array that a volume's values can live in. */
export type TypedArray =
  | Int8Array
  | Uint8Array
  | Int16Array
  | Uint16Array
  | Int32Array
  | Uint32Array
  | Float32Array
  | Float64Array;

/** Element type of a volume's `data`. */
export type DataType = "int8" | "uint8" | "int16" | "uint16" | "int32" | "uint32" | "float32" | "float64";

/** What a file said beside its values; every field is optional. */
export interface VolumeMeta {
  /** Where it was read from, as given; "<bytes>" for bytes in memory. */
  readonly source?: string;
  readonly format?: "nifti1" | "nifti2" | "nrrd" | "metaimage" | "hdf5" | "npy" | "npz" | "png" | "dicom" | "phantom";
  /** Element type in the file, before scaling, for example "int16" or "int64". */
  readonly storedDtype?: string;
  readonly littleEndian?: boolean;
  /** Where `affine` came from; "none" when the file has no orientation and `diag(spacing)` stands in. */
  readonly affineSource?: "sform" | "qform" | "header" | "none";
  readonly sclSlope?: number;
  readonly sclInter?: number;
  /** 2: the last axis holds (re, im); 3 or 4: the last axis holds the colour components. */
  readonly components?: number;
  readonly description?: string;
  /** Anything else that the format keeps, by its own name. */
  readonly header?: Readonly<Record<string, unknown>>;
}

/**
 * A volume as in the file: `data` in C order of `shape` (last axis fastest), axes in the file's own order (i, j, k as
 * nibabel gives them; channels or time last), scaling applied.
 */
export interface Volume {
  readonly data: TypedArray;
  readonly shape: readonly number[];
  /** Millimetres per spatial axis (at most three entries); 1 where the file doesn't say. */
  readonly spacing: readonly number[];
  /** Voxel index (i, j, k, 1) to RAS millimetres: 4 x 4, row-major, 16 numbers. */
  readonly affine: readonly number[];
  readonly dtype: DataType;
  readonly meta: VolumeMeta;
}

/**
 * One case of a data set. `image` is a path, or several of one grid that become channels; `label` is a path. A path may
 * carry a member after '#' (`scan.h5#image`, `scan.npz#image`). Generated cases have an `index` in place of paths.
 */
export interface CaseRef {
  readonly id: string;
  readonly image: string | readonly string[];
  readonly label?: string;
  /** Number of a generated phantom. */
  readonly index?: number;
  /** Only this plane of the volume, for 2-D work on volumes. */
  readonly slice?: { readonly axis: number; readonly index: number };
  /** Cases of one patient share it; splits keep them together. */
  readonly patient?: string;
}

/** Ids per part; the trainer is given `train` and `validation` only. */
export interface Splits {
  readonly train: readonly string[];
  readonly validation: readonly string[];
  readonly test: readonly string[];
}

/** A data set opened from its configuration: plain values, so it can be sent to worker threads. */
export interface Dataset {
  readonly name: string;
  readonly kind: string;
  readonly spatialDims: 2 | 3;
  /** Image channels C. */
  readonly channels: number;
  /** Index = class; 0 is the background. */
  readonly classNames: readonly string[];
  readonly cases: readonly CaseRef[];
  /** Published or accompanying splits, where there are some. */
  readonly splits?: Splits;
  /** How label values become classes: `labelValues[class]`; equal to the class where absent. */
  readonly labelValues?: readonly (number | readonly number[])[];
  /** The resolved configuration that `openDataset` was given. */
  readonly config: Readonly<Record<string, unknown>> & { readonly kind: string };
  /** The published protocol's preprocessing, the default of `prepareCase` for this data set. */
  readonly preprocess?: PreprocessOptions;
}

/** Fixed preprocessing of a whole volume, in the order of the fields. */
export interface PreprocessOptions {
  /** Turn the axes so that they run to Right, Anterior, Superior (3-D with a known affine). Default false. */
  readonly reorient?: boolean;
  /** Resample to these mm per spatial axis (image linear, labels nearest); null keeps an axis. Default: no resampling. */
  readonly spacing?: readonly (number | null)[];
  /** Clip to fixed values, e.g. a CT window. */
  readonly clip?: readonly [number, number];
  /** Clip to percentiles in [0, 100] of the voxels that `normalize` counts. */
  readonly percentiles?: readonly [number, number];
  /**
   * 'zscore': mean 0, deviation 1 over the whole volume; 'zscore-nonzero': statistics of the non-zero voxels only, zeros
   * stay 0 unless `backgroundZero` is false; 'minmax': to [0, 1]; 'none'. Per channel. Default 'zscore'.
   */
  readonly normalize?: "zscore" | "zscore-nonzero" | "minmax" | "none";
  /** With 'zscore-nonzero': keep zero voxels at 0 (default true) or shift and scale them with the rest (false). */
  readonly backgroundZero?: boolean;
  /**
   * Crop to the bounding box of the non-zero image ('nonzero'), or of the label ('label': refused for unlabelled cases,
   * and only meant to reproduce published protocols), with `cropMargin` voxels on each side.
   */
  readonly crop?: "none" | "nonzero" | "label";
  readonly cropMargin?: number | readonly number[];
  /** Zero-pad symmetrically to at least this size per spatial axis. */
  readonly padTo?: readonly number[];
}

/** How to go from a prepared grid back to the file's grid. */
export interface PrepareRecord {
  readonly originalShape: readonly number[];
  readonly originalSpacing: readonly number[];
  readonly originalAffine: readonly number[];
  /** `permutation[a]` = original axis that became axis a; `flips[a]`: axis a was reversed. */
  readonly permutation: readonly number[];
  readonly flips: readonly boolean[];
  /** Shape after reorientation and resampling, before cropping. */
  readonly resampledShape: readonly number[];
  /** mm per axis after resampling. */
  readonly resampledSpacing: readonly number[];
  /** First kept voxel and size per axis on the resampled grid. */
  readonly cropStart: readonly number[];
  readonly cropSize: readonly number[];
  /** Zeros added before and after per axis. */
  readonly padBefore: readonly number[];
  readonly padAfter: readonly number[];
}

/** A case ready for training or inference. */
export interface PreparedCase {
  readonly id: string;
  /** Values of shape `imageShape`, C order. */
  readonly image: Float32Array;
  /** `[...S, C]`. */
  readonly imageShape: readonly number[];
  /** Classes of shape `[...S]`; null for a case without label. */
  readonly labels: Uint8Array | null;
  /** mm per spatial axis of the prepared grid. */
  readonly spacing: readonly number[];
  /** Affine of the prepared grid. */
  readonly affine: readonly number[];
  readonly record: PrepareRecord;
}

/** Random augmentation of a training patch; every field off by default except as `defaultAugmentation` says. */
export interface AugmentOptions {
  /**
   * 'independent' (default): a flip with `flipProbability` per axis of `flipAxes` and rot90 with k uniform in 0..3 in the
   * plane `rot90Axes`. 'reference': rot90 followed by always one flip, as in the released code of UA-MT and its
   * successors (reaches the four reflections only).
   */
  readonly mode?: "independent" | "reference";
  /** Spatial axes to flip; default all. */
  readonly flipAxes?: readonly number[];
  readonly flipProbability?: number;
  /** Plane of quarter turns, or null for none; default [0, 1] if the patch is square there, else half turns only. */
  readonly rot90Axes?: readonly [number, number] | null;
  /** Additive Gaussian noise, standard deviation drawn uniformly from this range, with probability `noiseProbability`. */
  readonly noise?: readonly [number, number];
  readonly noiseProbability?: number;
  /** Multiply intensities by a factor drawn from this range. */
  readonly brightness?: readonly [number, number];
  readonly brightnessProbability?: number;
  /** Gamma on the patch scaled to [0, 1], exponent drawn log-uniformly from this range. */
  readonly gamma?: readonly [number, number];
  readonly gammaProbability?: number;
  /** Gaussian smoothing, deviation in voxels drawn uniformly from this range. */
  readonly blur?: readonly [number, number];
  readonly blurProbability?: number;
  /** Smooth multiplicative field `exp(s p)`, s drawn from this range, p a random cubic polynomial within -1..1. */
  readonly biasField?: readonly [number, number];
  readonly biasFieldProbability?: number;
  /** Degrees, drawn for every axis of `rotationAxes` (turned about; 3-D only, default all) from this range, in mm. */
  readonly rotation?: readonly [number, number];
  readonly rotationAxes?: readonly number[];
  readonly rotationProbability?: number;
  /** Enlargement, drawn log-uniformly from this range: above 1 shows less of the volume, larger. */
  readonly scaling?: readonly [number, number];
  readonly scalingProbability?: number;
  /** Elastic deformation: root mean square displacement per axis in voxels, at most a quarter of `elasticSpacing`. */
  readonly elastic?: readonly [number, number];
  /** Voxels between its control points. Default 16. */
  readonly elasticSpacing?: number;
  readonly elasticProbability?: number;
  /** Chance that a labelled patch is centred on a random foreground voxel. Default 0. */
  readonly foregroundProbability?: number;
  /**
   * Chance that an item of a batch gets a box of another one of its kind: labelled from labelled with the labels,
   * unlabelled from unlabelled. Default 0.
   */
  readonly cutMix?: number;
  /** Side of that box as a fraction of the patch, drawn uniformly; default [0.25, 0.5]. */
  readonly cutMixRatio?: readonly [number, number];
  /** Chance that an unlabelled item gets a piece of a labelled one; `Batch.pasted` says what is known there. Default 0. */
  readonly copyPaste?: number;
  /** Which piece: its 'foreground' (default) or a 'box' as in `cutMixRatio`. */
  readonly copyPasteMode?: "foreground" | "box";
}

/** What one item of a batch got from another. */
export interface MixRecord {
  /** Positions in the batch. */
  readonly slot: number;
  readonly from: number;
  /** The piece: a box of the patch, or the voxels with a label above 0. */
  readonly piece: { readonly start: readonly number[]; readonly size: readonly number[] } | "foreground";
}

/** What the labels of a run were, with hashes: part of the run folder. */
export interface SplitManifest {
  readonly version: 1;
  readonly dataset: string;
  readonly seed: number;
  readonly train: readonly string[];
  readonly validation: readonly string[];
  readonly test: readonly string[];
  /** Training cases whose labels are used; a random, seeded, nested subset of `train`. */
  readonly labeled: readonly string[];
  readonly unlabeled: readonly string[];
  /** sha256 of each file (hex), by path relative to the data set's folder. */
  readonly hashes: Readonly<Record<string, string>>;
}

/** Case ids of one training step. */
export interface BatchIds {
  readonly labeled: readonly string[];
  readonly unlabeled: readonly string[];
}

/** One training batch: labelled items first. */
export interface Batch {
  readonly step: number;
  /** Values of shape `imageShape`. */
  readonly image: Float32Array;
  /** The same patches after the strong intensity changes, where `strong` was asked for. */
  readonly strong?: Float32Array;
  /** What CutMix and copy-paste did, in order, where they are switched on. */
  readonly mixes?: readonly MixRecord[];
  /** With `copyPaste`: the class of voxels pasted into unlabelled items, -1 elsewhere; `[B - L, ...S]`. */
  readonly pasted?: Int32Array;
  /** `[B, ...S, C]` with B = labelled + unlabelled items. */
  readonly imageShape: readonly number[];
  /** Classes of the labelled items, shape `labelsShape`. */
  readonly labels: Int32Array;
  /** `[L, ...S]`. */
  readonly labelsShape: readonly number[];
  readonly labeledIds: readonly string[];
  readonly unlabeledIds: readonly string[];
  /** Milliseconds that `next` waited for it. */
  readonly waitedMs: number;
}

/** Options of `createBatchLoader`. */
export interface BatchLoaderOptions {
  readonly dataset: Dataset;
  /** Case ids of a step: a pure function, so that prefetching and resuming need no state. See `batchPlan`. */
  readonly plan: (step: number) => BatchIds;
  /** `[...S]` of a patch. */
  readonly patchSize: readonly number[];
  readonly preprocess?: PreprocessOptions;
  /** false: centre crop only. */
  readonly augment?: AugmentOptions | false;
  /** Also give a strong view of every patch: same voxels, with these intensity changes on top (the options of intensities). */
  readonly strong?: AugmentOptions;
  readonly seed: number;
  /** Worker threads; 0 works in the calling thread. Never changes the batches. Default 1. */
  readonly workers?: number;
  /** Steps prepared ahead, at least 1. Default 2. */
  readonly queue?: number;
  /** Folder of the on-disk cache of prepared cases; none by default. */
  readonly cacheFolder?: string;
  /** Bytes of prepared cases kept in memory, all threads together; default 2 GiB. */
  readonly storeBytes?: number;
  /** Last step + 1: nothing is prefetched beyond it. */
  readonly maxSteps?: number;
}

/** Gives the batch of any step; asks ahead for the following ones. */
export interface BatchLoader {
  /** The batch of `step` (a pure function of step, plan, seed and data, whatever the number of workers). */
  next(step: number): Promise<Batch>;
  /** Stops the workers. */
  close(): Promise<void>;
}
