import { closeSync, existsSync, fsyncSync, openSync, readFileSync } from "node:fs";
import { asDiskError } from "./training-error.js";
import { writeAtomically, writeFully } from "./write-atomically.js";

/** JSON text in which NaN, Infinity and -Infinity are the strings of those names (JSON itself has no way to say them). */
export function encodeJson(value: unknown, space?: number): string {
  return JSON.stringify(
    value,
    (_, item) => (typeof item === "number" && !Number.isFinite(item) ? String(item) : item),
    space,
  );
}

const numbers: Readonly<Record<string, number>> = {
  NaN: Number.NaN,
  Infinity: Number.POSITIVE_INFINITY,
  "-Infinity": Number.NEGATIVE_INFINITY,
};

/** The inverse of {@link encodeJson}. Throws SyntaxError on anything that isn't JSON. */
export function decodeJson(text: string): unknown {
  return JSON.parse(text, (_, item) =>
    typeof item === "string" && Object.hasOwn(numbers, item) ? numbers[item] : item,
  );
}

/** Records of a JSON lines file, oldest first; a last line torn by a crash is left out. [] when there is no file. */
export function readJsonLines(path: string): Record<string, unknown>[] {
  if (!existsSync(path)) return [];
  const records: Record<string, unknown>[] = [];
  for (const line of readFileSync(path, "utf8").split("\n")) {
    if (line === "") continue;
    try {
      records.push(decodeJson(line) as Record<string, unknown>);
    } catch {
      break; // nothing after a torn line can be trusted to be in order
    }
  }
  return records;
}

/** An append-only JSON lines file: one write per record, so that a crash can tear the last line only. */
export class JsonLinesLog {
  readonly path: string;
  #handle: number;

  constructor(path: string) {
    this.path = path;
    this.#handle = openSync(path, "a");
  }

  /** Throws DiskFullError when there is no space. */
  append(record: Readonly<Record<string, unknown>>): void {
    try {
      writeFully(this.#handle, new TextEncoder().encode(`${encodeJson(record)}\n`));
    } catch (error) {
      throw asDiskError(error, this.path);
    }
  }

  /** Waits until everything is on the disk. */
  sync(): void {
    fsyncSync(this.#handle);
  }

  close(): void {
    if (this.#handle >= 0) closeSync(this.#handle);
    this.#handle = -1;
  }
}

/** Keeps the records for which `keep` is true: what a resumed run does with steps after its checkpoint. */
export function filterJsonLines(path: string, keep: (record: Record<string, unknown>) => boolean): void {
  if (!existsSync(path)) return;
  const kept = readJsonLines(path).filter(keep);
  writeAtomically(path, kept.map((record) => `${encodeJson(record)}\n`).join(""));
}
