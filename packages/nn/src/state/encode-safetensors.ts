import { OptionError } from "@semiseg/errors";
import type { Tensor } from "@tensorflow/tfjs-core";

const names: Readonly<Record<string, string>> = { float32: "F32", int32: "I32", bool: "BOOL" };

/**
 * Named tensors as bytes of the safetensors format (https://huggingface.co/docs/safetensors), readable by Python's
 * `safetensors`. float32, int32 and bool; the tensors stay the caller's.
 *
 * @param metadata - free text by key, kept in the header.
 */
export async function encodeSafetensors(
  dict: ReadonlyMap<string, Tensor>,
  metadata?: Readonly<Record<string, string>>,
): Promise<Uint8Array> {
  const entries = [...dict];
  const data = await Promise.all(entries.map(([, tensor]) => tensor.data()));
  const header: Record<string, unknown> = metadata ? { __metadata__: metadata } : {};
  let end = 0;
  for (const [i, [name, { dtype, shape }]] of entries.entries()) {
    if (name === "__metadata__") throw new OptionError("encodeSafetensors: '__metadata__' cannot name a tensor");
    const code = names[dtype];
    if (!code) throw new OptionError(`encodeSafetensors: ${name} has dtype ${dtype}, which the format does not hold`);
    const begin = end;
    end += data[i]!.byteLength;
    header[name] = { dtype: code, shape, data_offsets: [begin, end] };
  }
  let text = JSON.stringify(header);
  const encoder = new TextEncoder();
  // The data must start at a multiple of 8 bytes.
  text += " ".repeat((8 - (encoder.encode(text).length % 8)) % 8);
  const json = encoder.encode(text);
  const out = new Uint8Array(8 + json.length + end);
  new DataView(out.buffer).setBigUint64(0, BigInt(json.length), true);
  out.set(json, 8);
  let offset = 8 + json.length;
  for (const values of data) {
    out.set(new Uint8Array(values.buffer, values.byteOffset, values.byteLength), offset);
    offset += values.byteLength;
  }
  return out;
}
