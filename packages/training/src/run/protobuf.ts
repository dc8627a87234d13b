/** One field of a protocol buffer message, encoded. */
export type Field = Uint8Array;

const utf8 = new TextEncoder();

function varint(value: bigint): number[] {
  const bytes: number[] = [];
  let rest = BigInt.asUintN(64, value);
  while (rest > 0x7fn) {
    bytes.push(Number(rest & 0x7fn) | 0x80);
    rest >>= 7n;
  }
  bytes.push(Number(rest));
  return bytes;
}

const tag = (field: number, wireType: number): number[] => varint(BigInt((field << 3) | wireType));

/** Joins fields into a message. */
export function message(...fields: readonly Field[]): Uint8Array {
  const out = new Uint8Array(fields.reduce((sum, field) => sum + field.length, 0));
  let at = 0;
  for (const field of fields) {
    out.set(field, at);
    at += field.length;
  }
  return out;
}

/** An int32, int64, bool or enum field. */
export const integerField = (field: number, value: number): Field =>
  Uint8Array.from([...tag(field, 0), ...varint(BigInt(value))]);

/** A double field. */
export function doubleField(field: number, value: number): Field {
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setFloat64(0, value, true);
  return Uint8Array.from([...tag(field, 1), ...bytes]);
}

/** A float field. */
export function floatField(field: number, value: number): Field {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setFloat32(0, value, true);
  return Uint8Array.from([...tag(field, 5), ...bytes]);
}

/** A string, bytes or message field. */
export function bytesField(field: number, value: string | Uint8Array): Field {
  const bytes = typeof value === "string" ? utf8.encode(value) : value;
  return message(Uint8Array.from([...tag(field, 2), ...varint(BigInt(bytes.length))]), bytes);
}
