import { SemisegError } from "@semiseg/errors";

/** One fault of a configuration file. */
export interface ConfigIssue {
  readonly file: string;
  /** From 1; 0 when the fault has no place in the file (an override, a missing file). */
  readonly line: number;
  readonly column: number;
  /** `optimizer.learningRate`; empty for the file as a whole. */
  readonly key: string;
  readonly message: string;
}

/** `file:line:column: key: message`, the form that editors and terminals turn into a link. */
export function formatIssue({ file, line, column, key, message }: ConfigIssue): string {
  const place = line > 0 ? `${file}:${line}:${column}` : file;
  return [place, key, message].filter((part) => part !== "").join(": ");
}

/** A configuration cannot be used; all its faults at once. */
export class ConfigError extends SemisegError {
  readonly issues: readonly ConfigIssue[];
  constructor(issues: readonly ConfigIssue[]) {
    super(issues.map(formatIssue).join("\n"), "CONFIG");
    this.issues = issues;
  }
}
