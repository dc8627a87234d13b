/** Base of every error that SemiSeg throws on purpose. `code` is stable across versions. */
export class SemisegError extends Error {
  readonly code: string;
  constructor(message: string, code = "SEMISEG", options?: ErrorOptions) {
    super(message, options);
    this.name = new.target.name;
    this.code = code;
  }
}

/** A tensor or array has the wrong rank, shape or class count. */
export class ShapeError extends SemisegError {
  constructor(message: string, options?: ErrorOptions) {
    super(message, "SHAPE", options);
  }
}

/** An option is outside its range, not finite, or unknown. */
export class OptionError extends SemisegError {
  constructor(message: string, options?: ErrorOptions) {
    super(message, "OPTION", options);
  }
}

/** Two parts of a method, or a method and its data, cannot work together. */
export class CompatibilityError extends SemisegError {
  constructor(message: string, options?: ErrorOptions) {
    super(message, "COMPATIBILITY", options);
  }
}

/** A file or array of data is damaged, missing or not what it claims to be. */
export class DataError extends SemisegError {
  constructor(message: string, options?: ErrorOptions) {
    super(message, "DATA", options);
  }
}

/** A checkpoint is damaged or belongs to something else. */
export class CheckpointError extends SemisegError {
  constructor(message: string, options?: ErrorOptions) {
    super(message, "CHECKPOINT", options);
  }
}

/** An engine cannot be set up or has failed. */
export class BackendError extends SemisegError {
  constructor(message: string, options?: ErrorOptions) {
    super(message, "BACKEND", options);
  }
}
