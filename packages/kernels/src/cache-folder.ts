/**
 * Where readied engines and what they learn live, in Node: SEMISEG_CACHE, else XDG_CACHE_HOME/semiseg, else
 * ~/.cache/semiseg.
 */
export function cacheFolder(): string {
  // Not imported: bundles for browsers hold this package too.
  const { homedir } = process.getBuiltinModule("node:os");
  const { join } = process.getBuiltinModule("node:path");
  return process.env["SEMISEG_CACHE"] ?? join(process.env["XDG_CACHE_HOME"] ?? join(homedir(), ".cache"), "semiseg");
}
