import { SemisegError } from "@semiseg/errors";

/** The disk (or a quota, or the allowed file size) is full. What was saved before stays whole and resumable. */
export class DiskFullError extends SemisegError {
  /** The file that could not be written. */
  readonly path: string;
  constructor(path: string, options?: ErrorOptions) {
    super(
      `no space left while writing ${path}: free some space, then go on from the last checkpoint, which is untouched`,
      "DISK_FULL",
      options,
    );
    this.path = path;
  }
}

/** A loss term or the gradient stopped being a finite number; the last good checkpoint is untouched. */
export class DivergenceError extends SemisegError {
  /** Step (from 0) at which it happened. */
  readonly step: number;
  /** Terms whose loss was not finite; empty when only the gradient was. */
  readonly terms: readonly string[];
  constructor(message: string, step: number, terms: readonly string[]) {
    super(message, "DIVERGENCE");
    this.step = step;
    this.terms = terms;
  }
}

/** Turns "no space left" of any kind into a {@link DiskFullError}; other errors stay as they are. */
export function asDiskError(error: unknown, path: string): unknown {
  const code = (error as NodeJS.ErrnoException | null)?.code;
  return code === "ENOSPC" || code === "EDQUOT" || code === "EFBIG" ? new DiskFullError(path, { cause: error }) : error;
}
