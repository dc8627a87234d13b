import { checkNumber } from "@semiseg/errors";

/** Bounds against damaged or hostile files. */
export interface ReadLimits {
  /** Most bytes that one array or one compressed file may take in memory; default 4 GiB. */
  readonly maxBytes?: number;
}

export const DEFAULT_MAX_BYTES = 4 * 1024 ** 3;

/** `limits.maxBytes`, checked. */
export function maxBytesOf(limits: ReadLimits | undefined): number {
  const maxBytes = limits?.maxBytes ?? DEFAULT_MAX_BYTES;
  checkNumber("readVolume", "limits.maxBytes", maxBytes, { integer: true, min: 1 });
  return maxBytes;
}
