import { cacheFolder } from "@semiseg/kernels";

/** Keeps texts between sessions: `localStorage` behind two functions is one, and so is a table of IndexedDB. */
export interface TileStorage {
  get(key: string): string | null | undefined | Promise<string | null | undefined>;
  set(key: string, value: string): void | Promise<void>;
}

/** Files `<key>.json` of the cache folder in Node; null in browsers. */
export function fileStorage(): TileStorage | null {
  const node = globalThis.process?.getBuiltinModule;
  if (!node) return null;
  const fs = node("node:fs/promises");
  const { join } = node("node:path");
  const file = (key: string): string => join(cacheFolder(), `${key}.json`);
  return {
    // A file that cannot be read is as good as none: it is written anew.
    get: (key) => fs.readFile(file(key), "utf8").catch(() => null),
    set: async (key, value) => {
      const part = `${file(key)}.${process.pid}-${Math.random().toString(36).slice(2)}.part`;
      try {
        await fs.mkdir(cacheFolder(), { recursive: true });
        await fs.writeFile(part, value);
        await fs.rename(part, file(key));
      } finally {
        await fs.rm(part, { force: true });
      }
    },
  };
}

/** What tells adapters apart. */
type Adapter = Pick<GPUAdapterInfo, "vendor" | "architecture" | "device" | "description">;
const identityOf = ({ vendor, architecture, device, description }: Adapter): string =>
  [vendor, architecture, device, description].join("|");
const keyOf = (identity: string): string =>
  `webgpu-tiles-${identity
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, "-")
    .slice(0, 100)}`;

/** The tiles of an adapter by class; none where storage holds nothing, something damaged or another adapter's. */
export async function readTiles(storage: TileStorage, adapter: Adapter): Promise<Map<string, string>> {
  const identity = identityOf(adapter);
  const text = await storage.get(keyOf(identity));
  try {
    const kept = JSON.parse(text ?? "null") as { adapter?: unknown; tiles?: unknown } | null;
    // Keys are shortened, so that two adapters may share one.
    if (kept?.adapter !== identity || typeof kept.tiles !== "object" || kept.tiles === null) return new Map();
    return new Map(Object.entries(kept.tiles).filter(([, tile]) => typeof tile === "string"));
  } catch {
    return new Map();
  }
}

/** Keeps tiles, beside those that another process has found meanwhile. */
export async function writeTiles(
  storage: TileStorage,
  adapter: Adapter,
  tiles: ReadonlyMap<string, string>,
): Promise<void> {
  const identity = identityOf(adapter);
  const all = new Map([...(await readTiles(storage, adapter)), ...tiles]);
  await storage.set(
    keyOf(identity),
    JSON.stringify({ adapter: identity, tiles: Object.fromEntries([...all].sort()) }, null, 2),
  );
}
