import { prepareCase } from "../prepare-case.js";
import type { Dataset, PreparedCase, PreprocessOptions } from "../types.js";
import { cacheKey, readCached, writeCached } from "./disk-cache.js";

/** Default bytes of prepared cases that a store keeps. */
export const DEFAULT_STORE_BYTES = 2 * 1024 ** 3;

/** Prepared cases by id, kept in memory up to a number of bytes; the least recently used leave first. */
export class CaseStore {
  #dataset: Dataset;
  #preprocess: PreprocessOptions | undefined;
  #maxBytes: number;
  #folder: string | undefined;
  #cases = new Map<string, { prepared: PreparedCase; bytes: number }>();
  #loading = new Map<string, Promise<PreparedCase>>();
  #bytes = 0;

  constructor(dataset: Dataset, preprocess?: PreprocessOptions, maxBytes = DEFAULT_STORE_BYTES, folder?: string) {
    this.#folder = folder;
    this.#dataset = dataset;
    this.#preprocess = preprocess;
    this.#maxBytes = maxBytes;
  }

  /** Bytes of the cases held now. */
  get bytes(): number {
    return this.#bytes;
  }

  /** The prepared case; two calls at once read it once. */
  async get(id: string): Promise<PreparedCase> {
    const held = this.#cases.get(id);
    if (held) {
      this.#cases.delete(id);
      this.#cases.set(id, held); // to the end: most recently used
      return held.prepared;
    }
    let loading = this.#loading.get(id);
    if (!loading) {
      loading = this.#load(id).finally(() => this.#loading.delete(id));
      this.#loading.set(id, loading);
    }
    return loading;
  }

  async #load(id: string): Promise<PreparedCase> {
    const prepared = await this.#prepare(id);
    const bytes = prepared.image.byteLength + (prepared.labels?.byteLength ?? 0);
    this.#cases.set(id, { prepared, bytes });
    this.#bytes += bytes;
    for (const [oldest, { bytes: freed }] of this.#cases) {
      if (this.#bytes <= this.#maxBytes || oldest === id) break;
      this.#cases.delete(oldest);
      this.#bytes -= freed;
    }
    return prepared;
  }

  /** From the folder of prepared cases, or from the files. */
  async #prepare(id: string): Promise<PreparedCase> {
    if (this.#folder === undefined) return prepareCase(this.#dataset, id, this.#preprocess);
    const preprocess = this.#preprocess ?? this.#dataset.preprocess ?? {};
    const key = await cacheKey(this.#dataset, id, preprocess);
    const kept = await readCached(this.#folder, key);
    if (kept) return kept;
    const prepared = await prepareCase(this.#dataset, id, preprocess);
    await writeCached(this.#folder, key, prepared);
    return prepared;
  }
}
