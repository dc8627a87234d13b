import {
  type Dataset,
  type PreparedCase,
  type PreprocessOptions,
  prepareVolume,
  type RawCase,
  readCase,
  restrictDataset,
} from "@semiseg/data";

/** Cases to predict: as their files have them, and prepared as in training. */
export interface EvaluationCases {
  /** `validation` or `test`. */
  readonly part: string;
  readonly ids: readonly string[];
  /** Index = class. */
  readonly classNames: readonly string[];
  read(id: string): Promise<{ readonly raw: RawCase; readonly prepared: PreparedCase }>;
}

/** Options of {@link evaluationCases}. */
export interface EvaluationCasesOptions {
  readonly part: string;
  readonly ids: readonly string[];
  /** Default: the data set's own. */
  readonly preprocess?: PreprocessOptions | undefined;
  /** Keep cases in memory after the first reading (validation reads them again and again). Default false. */
  readonly keep?: boolean;
}

/** These cases of a data set, and no way to reach any other. */
export function evaluationCases(dataset: Dataset, options: EvaluationCasesOptions): EvaluationCases {
  const { part, ids, keep = false } = options;
  const own = restrictDataset(dataset, ids);
  const kept = new Map<string, Awaited<ReturnType<EvaluationCases["read"]>>>();
  return {
    part,
    ids,
    classNames: dataset.classNames,
    async read(id) {
      const found = kept.get(id);
      if (found) return found;
      const raw = await readCase(own, id);
      const item = { raw, prepared: prepareVolume(raw, options.preprocess ?? own.preprocess ?? {}) };
      if (keep) kept.set(id, item);
      return item;
    },
  };
}
