import { readFileSync } from "node:fs";
import { type Document, isScalar, LineCounter, type Node, parse, parseDocument, visit } from "yaml";
import { ConfigError, type ConfigIssue } from "./config-error.js";
import { type RunConfig, runConfigSchema } from "./schema.js";

/** What a command line changes in a configuration file. */
export interface LoadConfigOptions {
  /** `key.path=value` settings, values in YAML; later ones win. */
  readonly set?: readonly string[];
  /** Where `${NAME}` is looked up. Default `process.env`. */
  readonly environment?: Readonly<Record<string, string | undefined>>;
}

type Path = readonly (string | number)[];

/** Reads, expands, overrides and checks a configuration. Throws ConfigError with every fault and its line. */
export function loadConfig(file: string, options: LoadConfigOptions = {}): RunConfig {
  let text: string;
  try {
    text = readFileSync(file, "utf8");
  } catch (error) {
    const message = (error as NodeJS.ErrnoException).code === "ENOENT" ? "no such file" : String(error);
    throw new ConfigError([{ file, line: 0, column: 0, key: "", message }]);
  }
  return parseConfig(text, file, options);
}

/** {@link loadConfig} on text; `file` is for messages only. */
export function parseConfig(text: string, file: string, options: LoadConfigOptions = {}): RunConfig {
  const { set = [], environment = process.env } = options;
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false });
  const issueAt = (offset: number | undefined, key: string, message: string): ConfigIssue => {
    const { line, col } = offset === undefined ? { line: 0, col: 0 } : lines.linePos(offset);
    return { file, line, column: col, key, message };
  };
  if (document.errors.length > 0)
    throw new ConfigError(document.errors.map((error) => issueAt(error.pos[0], "", error.message)));
  if (document.contents === null) throw new ConfigError([issueAt(0, "", "the file is empty")]);
  const overridden = applySettings(document, set, file);
  const issues = expandVariables(document, environment).map(({ node, message }) =>
    issueAt(node.range?.[0], "", message),
  );
  if (issues.length > 0) throw new ConfigError(issues);
  const checked = runConfigSchema.safeParse(document.toJS());
  if (checked.success) return checked.data;
  throw new ConfigError(
    checked.error.issues.flatMap((issue) => {
      const unknown = issue.code === "unrecognized_keys" ? issue.keys : [];
      const paths = unknown.length > 0 ? unknown.map((key) => [...issue.path, key]) : [issue.path];
      return paths.map((path) => {
        const key = path.map(String).join(".");
        const from = overridden.has(key) ? undefined : offsetOf(document, path as Path);
        return issueAt(from, key, unknown.length > 0 ? "is not a known setting" : issue.message);
      });
    }),
  );
}

/** Offset of the key at `path`, or of the nearest parent that is there. */
function offsetOf(document: Document, path: Path): number | undefined {
  for (let depth = path.length; depth >= 0; depth--) {
    const parent = depth === 0 ? document.contents : document.getIn(path.slice(0, depth - 1), true);
    if (depth > 0 && parent && typeof parent === "object" && "items" in parent) {
      for (const item of (parent as { items: unknown[] }).items) {
        const pair = item as { key?: unknown };
        if (isScalar(pair.key) && pair.key.value === path[depth - 1]) return pair.key.range?.[0];
      }
    }
    const node = document.getIn(path.slice(0, depth), true) as Node | undefined;
    if (node?.range) return node.range[0];
  }
  return undefined;
}

function applySettings(document: Document, settings: readonly string[], file: string): Set<string> {
  const keys = new Set<string>();
  for (const setting of settings) {
    const at = setting.indexOf("=");
    if (at < 1)
      throw new ConfigError([
        { file: "--set", line: 0, column: 0, key: setting, message: `must read key.path=value (for ${file})` },
      ]);
    const key = setting.slice(0, at);
    document.setIn(key.split("."), parse(setting.slice(at + 1)));
    keys.add(key);
  }
  return keys;
}

/** Replaces `${NAME}` in every string value. */
function expandVariables(
  document: Document,
  environment: Readonly<Record<string, string | undefined>>,
): { node: Node; message: string }[] {
  const missing: { node: Node; message: string }[] = [];
  visit(document, {
    Scalar(key, node) {
      if (key === "key" || typeof node.value !== "string") return;
      node.value = node.value.replace(/\$\{(\w+)\}/g, (_, name: string) => {
        const value = environment[name];
        if (value === undefined || value === "")
          missing.push({ node, message: `environment variable ${name} is not set` });
        return value ?? "";
      });
    },
  });
  return missing;
}
