/** A slice to write as DICOM (PS3.10), by hand and independently of the product's parser. */
export interface DicomSlice {
  readonly series?: string;
  readonly syntax?: "explicit" | "implicit" | "big-endian";
  /** int16 values, row by row. */
  readonly pixels: ArrayLike<number>;
  readonly rows: number;
  readonly columns: number;
  readonly position?: readonly number[] | null;
  readonly orientation?: readonly number[];
  /** mm between rows, mm between columns. */
  readonly spacing?: readonly [number, number];
  readonly thickness?: number;
  readonly instance?: number;
  readonly frames?: number;
  readonly slope?: number;
  readonly intercept?: number;
  /** Put a private sequence of undefined length before the pixels. */
  readonly sequence?: boolean;
}

const SYNTAX = { explicit: "1.2.840.10008.1.2.1", implicit: "1.2.840.10008.1.2", "big-endian": "1.2.840.10008.1.2.2" };
const CT = "1.2.840.10008.5.1.4.1.1.2";

export function dicomFile(slice: DicomSlice): Uint8Array {
  const { series = "1.2.3.4", syntax = "explicit", rows, columns, pixels, instance = 1 } = slice;
  const little = syntax !== "big-endian";
  const number = (x: number, width: 2 | 4, le: boolean) => {
    const b = Buffer.alloc(width);
    if (width === 2) le ? b.writeUInt16LE(x & 0xffff) : b.writeUInt16BE(x & 0xffff);
    else le ? b.writeUInt32LE(x) : b.writeUInt32BE(x);
    return b;
  };
  const element = (tag: number, vr: string, value: Uint8Array, le = little, implicit = syntax === "implicit") => {
    const head = [number(tag >>> 16, 2, le), number(tag & 0xffff, 2, le)];
    if (implicit) head.push(number(value.length, 4, le));
    else if (["OW", "OB", "SQ", "UN"].includes(vr)) head.push(Buffer.from(`${vr}\0\0`), number(value.length, 4, le));
    else head.push(Buffer.from(vr), number(value.length, 2, le));
    return Buffer.concat([...head, value]);
  };
  const text = (tag: number, vr: string, value: string, pad = vr === "UI" ? "\0" : " ") =>
    element(tag, vr, Buffer.from(value.length % 2 ? value + pad : value));
  const short = (tag: number, value: number) => element(tag, "US", number(value, 2, little));
  const list = (values: readonly number[]) => values.map((x) => String(+x.toFixed(6))).join("\\");
  const meta = [
    element(0x00020001, "OB", Buffer.from([0, 1]), true, false),
    element(0x00020002, "UI", Buffer.from(`${CT}\0`), true, false),
    element(0x00020003, "UI", Buffer.from(even(`${series}.${instance}`)), true, false),
    element(0x00020010, "UI", Buffer.from(even(SYNTAX[syntax])), true, false),
  ];
  const length = meta.reduce((sum, b) => sum + b.length, 0);
  const { position = [0, 0, 0], orientation = [1, 0, 0, 0, 1, 0], spacing = [1, 1] } = slice;
  const data = Buffer.alloc(pixels.length * 2);
  for (let i = 0; i < pixels.length; i++)
    little ? data.writeInt16LE(pixels[i]!, 2 * i) : data.writeInt16BE(pixels[i]!, 2 * i);
  const open = (tag: number) => Buffer.concat([number(tag >>> 16, 2, little), number(tag & 0xffff, 2, little)]);
  const sequence = Buffer.concat([
    open(0x00189999),
    ...(syntax === "implicit" ? [] : [Buffer.from("SQ\0\0")]),
    number(0xffffffff, 4, little),
    open(0xfffee000),
    number(0xffffffff, 4, little),
    text(0x00200032, "DS", "9\\9\\9 "),
    open(0xfffee00d),
    number(0, 4, little),
    open(0xfffee0dd),
    number(0, 4, little),
  ]);
  return new Uint8Array(
    Buffer.concat([
      Buffer.alloc(128),
      Buffer.from("DICM"),
      element(0x00020000, "UL", number(length, 4, true), true, false),
      ...meta,
      text(0x00080016, "UI", CT),
      text(0x00080018, "UI", `${series}.${instance}`),
      text(0x00080060, "CS", "CT"),
      text(0x00180050, "DS", String(slice.thickness ?? 1)),
      ...(slice.sequence ? [sequence] : []),
      text(0x0020000d, "UI", "1.2.3"),
      text(0x0020000e, "UI", series),
      text(0x00200013, "IS", String(instance)),
      ...(position ? [text(0x00200032, "DS", list(position))] : []),
      text(0x00200037, "DS", list(orientation)),
      short(0x00280002, 1),
      text(0x00280004, "CS", "MONOCHROME2"),
      ...(slice.frames ? [text(0x00280008, "IS", String(slice.frames))] : []),
      short(0x00280010, rows),
      short(0x00280011, columns),
      text(0x00280030, "DS", list(spacing)),
      short(0x00280100, 16),
      short(0x00280101, 16),
      short(0x00280102, 15),
      short(0x00280103, 1),
      text(0x00281052, "DS", String(slice.intercept ?? 0)),
      text(0x00281053, "DS", String(slice.slope ?? 1)),
      element(0x7fe00010, "OW", data),
    ]),
  );
}

const even = (text: string): string => (text.length % 2 ? `${text}\0` : text);
