import { CheckpointError } from "@semiseg/errors";
import { dispose, type Tensor, tensor } from "@tensorflow/tfjs-core";
import { safetensorsDtypes } from "./safetensors-dtypes.js";

interface Entry {
  readonly dtype: string;
  readonly shape: readonly number[];
  readonly data_offsets: readonly [number, number];
}

const fail = (why: string): never => {
  throw new CheckpointError(`safetensors: ${why}`);
};

const naturals = (value: unknown): value is number[] =>
  Array.isArray(value) && value.every((n) => Number.isSafeInteger(n) && n >= 0);

/** Checks one header entry against the format and the size of the data. */
function checkEntry(name: string, value: unknown, dataBytes: number): Entry {
  const entry = value as Partial<Entry> | null;
  if (typeof entry !== "object" || entry === null) return fail(`the header of ${name} is not an object`);
  const kind = Object.hasOwn(safetensorsDtypes, String(entry.dtype))
    ? safetensorsDtypes[String(entry.dtype)]
    : undefined;
  if (!kind) return fail(`${name} has the unknown dtype ${String(entry.dtype)}`);
  if (!naturals(entry.shape)) return fail(`${name} has no valid shape`);
  if (!naturals(entry.data_offsets) || entry.data_offsets.length !== 2)
    return fail(`${name} has no valid data_offsets`);
  const [begin, end] = entry.data_offsets;
  const size = entry.shape.reduce((a, b) => a * b, 1);
  if (end < begin || end > dataBytes)
    return fail(`${name} lies at ${begin}..${end}, outside the ${dataBytes} bytes of data`);
  if (end - begin !== size * kind.bytes)
    return fail(
      `${name} [${entry.shape}] ${entry.dtype} needs ${size * kind.bytes} bytes, its offsets hold ${end - begin}`,
    );
  return entry as Entry;
}

function parseHeader(bytes: Uint8Array): { header: Record<string, unknown>; start: number } {
  if (bytes.byteLength < 8) fail(`${bytes.byteLength} bytes are too few for a header`);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const length = Number(view.getBigUint64(0, true));
  if (length > bytes.byteLength - 8)
    fail(`the header claims ${length} bytes, the file has ${bytes.byteLength - 8} left`);
  let header: unknown;
  try {
    header = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes.subarray(8, 8 + length)));
  } catch (error) {
    throw new CheckpointError("safetensors: the header is not valid JSON", { cause: error });
  }
  if (typeof header !== "object" || header === null || Array.isArray(header)) fail("the header is not an object");
  return { header: header as Record<string, unknown>, start: 8 + length };
}

/** The free text in the header of a safetensors file. */
export function safetensorsMetadata(bytes: Uint8Array): Record<string, string> {
  return (parseHeader(bytes).header["__metadata__"] ?? {}) as Record<string, string>;
}

/**
 * Tensors of a safetensors file in the header's order; F16, BF16 and F64 become float32, integers int32. The caller
 * disposes them.
 *
 * @throws CheckpointError when the bytes are truncated, overlap or are not safetensors.
 */
export function decodeSafetensors(bytes: Uint8Array): Map<string, Tensor> {
  const { header, start } = parseHeader(bytes);
  const dataBytes = bytes.byteLength - start;
  const entries = Object.entries(header)
    .filter(([name]) => name !== "__metadata__")
    .map(([name, value]) => [name, checkEntry(name, value, dataBytes)] as const);
  let covered = 0;
  for (const [name, { data_offsets: offsets }] of [...entries].sort(
    ([, a], [, b]) => a.data_offsets[0] - b.data_offsets[0] || a.data_offsets[1] - b.data_offsets[1],
  )) {
    if (offsets[0] !== covered) fail(`${name} overlaps another tensor or leaves a hole at byte ${covered}`);
    covered = offsets[1];
  }
  if (covered !== dataBytes)
    fail(`the tensors take ${covered} bytes, the file holds ${dataBytes}: it is truncated or not whole`);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const out = new Map<string, Tensor>();
  try {
    for (const [name, { dtype, shape, data_offsets: offsets }] of entries) {
      const kind = safetensorsDtypes[dtype]!;
      const values = kind.read(view, start + offsets[0], (offsets[1] - offsets[0]) / kind.bytes);
      out.set(name, tensor(values, [...shape], kind.dtype));
    }
  } catch (error) {
    dispose([...out.values()]);
    throw error;
  }
  return out;
}
