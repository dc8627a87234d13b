/** One metric of one class of one case; the rows of `@semiseg/metrics`' `evaluateCase`. */
export interface MetricRow {
  readonly class: number;
  readonly metric: string;
  readonly value: number;
  /** Empty for ratios, `mm`, `ml`. */
  readonly unit: string;
  readonly dialect: string;
  readonly empty: string;
  /** The class is there and the prediction has none of it (or the other way round), so that no distance exists. */
  readonly missed: boolean;
}

/** All rows of one case. */
export interface CaseEvaluation {
  readonly id: string;
  readonly rows: readonly MetricRow[];
  /** Seconds for prediction alone. */
  readonly seconds: number;
}

/** Which weights were evaluated. */
export interface EvaluatedModel {
  readonly network: "student" | "teacher";
  /** `last`: the final step; `best`: the best on the validation cases. */
  readonly selected: "last" | "best";
  readonly step: number;
}

/** Mean over cases. */
export interface SummaryRow {
  /** A class number, or `mean`: per case the mean over foreground classes first. */
  readonly class: number | "mean";
  readonly metric: string;
  readonly unit: string;
  readonly mean: number;
  /** Sample standard deviation over cases; NaN for fewer than two. */
  readonly sd: number;
  /** Cases with a value; NaN ones are left out and counted in `cases - count`. */
  readonly count: number;
  readonly cases: number;
  readonly missed: number;
}

/** Metrics of one model on one part of the data. */
export interface Evaluation {
  readonly model: EvaluatedModel;
  /** `validation` or `test`. */
  readonly part: string;
  /** Index = class. */
  readonly classNames: readonly string[];
  readonly dialect: string;
  readonly empty: string;
  readonly cases: readonly CaseEvaluation[];
  readonly summary: readonly SummaryRow[];
}

/** `student, last step (2000)`. */
export function modelName({ network, selected, step }: EvaluatedModel): string {
  return `${network}, ${selected === "last" ? "last step" : "best on validation, step"} ${step}`;
}
