import { mkdirSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { fileURLToPath } from "node:url";

/** Writes an SVG text (or PNG bytes) to a path or file URL, folders made, and says so. */
export function writePicture(target, content) {
  const path = target instanceof URL ? fileURLToPath(target) : target;
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, content);
  console.log(`written: ${path} (${(content.length / 1024).toFixed(0)} KiB)`);
}
