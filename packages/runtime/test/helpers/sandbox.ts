import {
  appendFileSync,
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach } from "vitest";

/** An empty cache folder and a PATH that holds nothing but the stand-ins a test puts there. */
export interface Sandbox {
  readonly root: string;
  readonly cache: string;
  readonly tools: string;
  /** A program on the PATH; `body` is shell script. Every call is logged. */
  tool(name: string, body: string): string;
  /** How often a stand-in was called, with a pattern on its arguments. */
  calls(name: string, pattern?: RegExp): number;
}

const VARIABLES = ["PATH", "SEMISEG_CACHE", "SEMISEG_PYTHON", "SEMISEG_BACKEND", "CXX"];

/** A sandbox per test; environment variables are put back after it. */
export function useSandbox(): Sandbox {
  let root = "";
  let before: Record<string, string | undefined> = {};
  const sandbox: Sandbox = {
    get root() {
      return root;
    },
    get cache() {
      return join(root, "cache");
    },
    get tools() {
      return join(root, "tools");
    },
    tool(name, body) {
      const path = join(root, "tools", name);
      writeFileSync(path, `#!/bin/sh\necho "${name} $*" >> "${join(root, "calls")}"\n${body}\n`);
      chmodSync(path, 0o755);
      return path;
    },
    calls(name, pattern = /./) {
      const log = join(root, "calls");
      if (!existsSync(log)) return 0;
      const lines = readFileSync(log, "utf8").split("\n");
      return lines.filter((line) => line.startsWith(`${name} `) && pattern.test(line)).length;
    },
  };
  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), "semiseg-runtime-"));
    mkdirSync(join(root, "tools"));
    appendFileSync(join(root, "calls"), "");
    before = Object.fromEntries(VARIABLES.map((name) => [name, process.env[name]]));
    for (const name of VARIABLES) delete process.env[name];
    process.env["PATH"] = join(root, "tools");
    process.env["SEMISEG_CACHE"] = join(root, "cache");
  });
  afterEach(() => {
    for (const [name, value] of Object.entries(before))
      if (value === undefined) delete process.env[name];
      else process.env[name] = value;
    rmSync(root, { recursive: true, force: true });
  });
  return sandbox;
}

/** A pip whose `download` runs `body` with $DEST set. */
export const pip = (body: string): string => `
case "$*" in
  *--version*) echo "pip 99.0 from nowhere"; exit 0;;
esac
while [ $# -gt 0 ]; do [ "$1" = "--dest" ] && DEST="$2"; shift; done
${body}`;

/** A C++ compiler that makes empty files, after running \`body\` with $INPUT and $OUTPUT set. */
export const compiler = (body = ""): string => `
case "$*" in *--version*) echo "g++ 99"; exit 0;; esac
while [ $# -gt 0 ]; do
  case "$1" in -o) OUTPUT="$2";; -c) INPUT="$2";; esac
  shift
done
${body}
: > "$OUTPUT"`;
