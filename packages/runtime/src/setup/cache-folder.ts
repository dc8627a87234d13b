import { homedir } from "node:os";
import { join } from "node:path";

/** Where readied engines live: SEMISEG_CACHE, else XDG_CACHE_HOME/semiseg, else ~/.cache/semiseg. */
export function cacheFolder(): string {
  return process.env["SEMISEG_CACHE"] ?? join(process.env["XDG_CACHE_HOME"] ?? join(homedir(), ".cache"), "semiseg");
}
