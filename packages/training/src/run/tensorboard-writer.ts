import { closeSync, mkdirSync, openSync } from "node:fs";
import { hostname } from "node:os";
import { join } from "node:path";
import { crc32c } from "./crc32c.js";
import { bytesField, doubleField, type Field, floatField, integerField, message } from "./protobuf.js";
import { asDiskError } from "./training-error.js";
import { writeFully } from "./write-atomically.js";

function masked(bytes: Uint8Array): number {
  const crc = crc32c(bytes);
  return (((crc >>> 15) | (crc << 17)) + 0xa282ead8) >>> 0;
}

/** One TFRecord: length, its checksum, data, its checksum; all little-endian. */
function tfRecord(data: Uint8Array): Uint8Array {
  const out = new Uint8Array(data.length + 16);
  const view = new DataView(out.buffer);
  view.setBigUint64(0, BigInt(data.length), true);
  view.setUint32(8, masked(out.subarray(0, 8)), true);
  out.set(data, 12);
  view.setUint32(12 + data.length, masked(data), true);
  return out;
}

/**
 * Writes a TensorBoard event file (`events.out.tfevents.*`): scalars, PNG images and text. Field numbers are those of
 * tensorflow/core/util/event.proto and framework/summary.proto.
 */
export class TensorboardWriter {
  readonly path: string;
  #handle: number;

  /**
   * @param folder - created if missing; each writer adds a file of its own.
   * @param resumeStep - events at or after this step in earlier files are superseded (a resumed run).
   */
  constructor(folder: string, resumeStep?: number) {
    mkdirSync(folder, { recursive: true });
    const seconds = String(Math.floor(Date.now() / 1000)).padStart(10, "0");
    this.path = join(folder, `events.out.tfevents.${seconds}.${hostname()}.${process.pid}.${process.hrtime.bigint()}`);
    this.#handle = openSync(this.path, "a");
    this.#event(0, bytesField(3, "brain.Event:2"));
    if (resumeStep !== undefined) this.#event(resumeStep, bytesField(7, message(integerField(1, 1))));
  }

  /** Several scalars of one step in one event. */
  scalars(step: number, values: Readonly<Record<string, number>>): void {
    const fields = Object.entries(values).map(([tag, value]) =>
      bytesField(1, message(bytesField(1, tag), floatField(2, value))),
    );
    if (fields.length > 0) this.#event(step, bytesField(5, message(...fields)));
  }

  /** @param png - an encoded PNG of `width` x `height`. */
  image(step: number, tag: string, png: Uint8Array, width: number, height: number): void {
    const image = message(integerField(1, height), integerField(2, width), integerField(3, 3), bytesField(4, png));
    this.#event(step, bytesField(5, message(bytesField(1, message(bytesField(1, tag), bytesField(4, image))))));
  }

  /** @param text - Markdown. */
  text(step: number, tag: string, text: string): void {
    const metadata = message(bytesField(1, message(bytesField(1, "text"))));
    const shape = message(bytesField(2, message(integerField(1, 1))));
    const tensor = message(integerField(1, 7), bytesField(2, shape), bytesField(8, text));
    const value = message(bytesField(1, tag), bytesField(9, metadata), bytesField(8, tensor));
    this.#event(step, bytesField(5, message(bytesField(1, value))));
  }

  close(): void {
    if (this.#handle >= 0) closeSync(this.#handle);
    this.#handle = -1;
  }

  #event(step: number, payload: Field): void {
    const event = message(doubleField(1, Date.now() / 1000), integerField(2, step), payload);
    try {
      writeFully(this.#handle, tfRecord(event));
    } catch (error) {
      throw asDiskError(error, this.path);
    }
  }
}
