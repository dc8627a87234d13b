import { DataError } from "@semiseg/errors";

/** Longest text header that is looked at. */
const MAX_HEADER = 1 << 20;

/**
 * Bytes of a text header up to and with the line for which `isLast` holds, as lines, and where the data begins. With
 * `mayEnd` the end of the file also ends the header.
 */
export function textHeader(
  name: string,
  bytes: Uint8Array,
  isLast: (line: string) => boolean,
  mayEnd = false,
): { lines: string[]; end: number } {
  const lines: string[] = [];
  const decoder = new TextDecoder("latin1");
  for (let at = 0; at < Math.min(bytes.length, MAX_HEADER); ) {
    const stop = bytes.indexOf(10, at);
    const end = stop < 0 ? bytes.length : stop;
    if (end - at > 65536) break;
    const line = decoder.decode(bytes.subarray(at, end)).replace(/\r$/, "");
    at = end + 1;
    if (isLast(line)) return { lines: line === "" ? lines : [...lines, line], end: Math.min(at, bytes.length) };
    lines.push(line);
    if (stop < 0) break;
  }
  if (mayEnd && bytes.length <= MAX_HEADER) return { lines, end: bytes.length };
  throw new DataError(`${name}: the text header does not end`);
}

/** `count` numbers of a field. */
export function numbers(name: string, field: string, text: string | undefined, count: number): number[] {
  const values = (text ?? "")
    .trim()
    .split(/[\s,]+/)
    .map(Number);
  if (text === undefined || values.length !== count || !values.every(Number.isFinite))
    throw new DataError(
      `${name}: damaged header: '${field}' must be ${count} numbers, received ${JSON.stringify(text)}`,
    );
  return values;
}

/** Sizes per axis, each a positive integer. */
export function sizes(name: string, field: string, text: string | undefined, count: number): number[] {
  const values = numbers(name, field, text, count);
  if (values.some((n) => !Number.isInteger(n) || n < 1))
    throw new DataError(`${name}: damaged header: '${field}' must be positive integers, received ${text}`);
  return values;
}
