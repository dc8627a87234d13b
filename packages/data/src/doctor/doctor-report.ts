/** How bad a finding is: an 'error' must be mended before training, a 'warning' looked at, a 'note' known. */
export type Severity = "error" | "warning" | "note";

/** What kinds of findings there are. */
export type FindingCode =
  | "layout"
  | "unreadable"
  | "no-label"
  | "unlisted-file"
  | "shape-mismatch"
  | "channel-count"
  | "affine-mismatch"
  | "spacing-mismatch"
  | "spacing-inconsistent"
  | "spacing-unknown"
  | "spacing-differs"
  | "orientation-differs"
  | "dtype-differs"
  | "label-values"
  | "fractional-labels"
  | "float-labels"
  | "empty-label"
  | "missing-class"
  | "nan"
  | "constant"
  | "intensity-scale"
  | "duplicate"
  | "duplicate-label"
  | "leak";

/** One thing found. */
export interface Finding {
  readonly code: FindingCode;
  readonly severity: Severity;
  /** Ids of the cases concerned; empty for the whole set. */
  readonly cases: readonly string[];
  readonly message: string;
}

/** What was measured of one case. */
export interface CaseFacts {
  readonly id: string;
  readonly part: "train" | "validation" | "test" | null;
  readonly shape: readonly number[] | null;
  readonly spacing: readonly number[];
  /** Where the axes run, for example "RAS"; "?" without orientation. */
  readonly orientation: string;
  readonly dtype: string;
  readonly min: number;
  readonly max: number;
  readonly mean: number;
  /** Width between the 1st and 99th percentile of a sample of voxels. */
  readonly range: number;
  /** Voxels per label value; null without label. */
  readonly labels: Readonly<Record<string, number>> | null;
  /** data: URI of a slice with the label's outline. */
  readonly thumbnail: string | null;
}

/** The result of `dataDoctor`. */
export interface DoctorReport {
  readonly name: string;
  readonly path: string;
  readonly cases: readonly CaseFacts[];
  readonly findings: readonly Finding[];
  readonly errors: number;
  readonly warnings: number;
  /** No errors: what a continuous-integration exit code should follow. */
  readonly ok: boolean;
}
