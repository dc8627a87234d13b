import type { PhantomOptions } from "../phantom/phantom-options.js";
import type { PreprocessOptions, Splits } from "../types.js";

interface Common {
  /** Replaces the kind's own name. */
  readonly name?: string;
  /** Splits by case id, in place of published ones; a path to a JSON file with train, validation and test also does. */
  readonly splits?: Partial<Splits> | string;
  /** Replaces the published protocol's preprocessing. */
  readonly preprocess?: PreprocessOptions;
}

/** Medical Segmentation Decathlon folder: dataset.json (also nnU-Net's), imagesTr, labelsTr; splits.json if present. */
export interface MsdConfig extends Common {
  readonly kind: "msd";
  readonly path: string;
  /** Also list the unlabelled images of `test` in dataset.json (imagesTs). Default false. */
  readonly includeTest?: boolean;
}

/** 2018 left atrium benchmark as prepared by the UA-MT authors: train.list and test.list beside the volumes. */
export interface LeftAtriumConfig extends Common {
  readonly kind: "la";
  readonly path: string;
}

/** NIH Pancreas-CT as prepared by the DTC and MC-Net authors, or as NIfTI. */
export interface PancreasConfig extends Common {
  readonly kind: "pancreas";
  readonly path: string;
  /** 'published' keeps the crop around the label, also of unlabelled cases. Default 'fixed': no such crop. */
  readonly protocol?: "fixed" | "published";
}

/** Automated Cardiac Diagnosis Challenge 2017. */
export interface AcdcConfig extends Common {
  readonly kind: "acdc";
  readonly path: string;
  /** One case per frame or per slice. Default 'volumes'. */
  readonly mode?: "volumes" | "slices";
}

/** Brain Tumor Segmentation Challenge 2019. */
export interface BratsConfig extends Common {
  readonly kind: "brats2019";
  readonly path: string;
  /** Channels; default ["flair"]. */
  readonly modalities?: readonly ("flair" | "t1" | "t1ce" | "t2")[];
  /** 'whole' tumour as one class (default) or its 'parts'. */
  readonly target?: "whole" | "parts";
}

/** Abdominal multi-organ benchmark AMOS 2022. */
export interface AmosConfig extends Common {
  readonly kind: "amos";
  readonly path: string;
  readonly modality?: "ct" | "mr" | "all";
}

/** Any folder: one pattern per image channel and one for labels, with `{id}` for what identifies a case. */
export interface FolderConfig extends Common {
  readonly kind: "folder";
  readonly path: string;
  /** For example "images/{id}.nii.gz", or ["{id}_t1.nii.gz", "{id}_t2.nii.gz"] for two channels. */
  readonly images: string | readonly string[];
  /** For example "labels/{id}.nii.gz"; cases without such a file are unlabelled. */
  readonly labels?: string;
  /** Index = class, 0 the background. */
  readonly classNames: readonly string[];
  /** Channels of one image file; default 1 per pattern. */
  readonly channels?: number;
  readonly spatialDims?: 2 | 3;
  readonly labelValues?: readonly (number | readonly number[])[];
}

/** Generated volumes; nothing is read. */
export interface PhantomConfig extends Common, PhantomOptions {
  readonly kind: "phantom";
  /** Number of cases per part; default 24, 4 and 8. */
  readonly train?: number;
  readonly validation?: number;
  readonly test?: number;
}

/** What `openDataset` takes: plain values, as they stand in a run's configuration file. */
export type DatasetConfig =
  | MsdConfig
  | LeftAtriumConfig
  | PancreasConfig
  | AcdcConfig
  | BratsConfig
  | AmosConfig
  | FolderConfig
  | PhantomConfig;
