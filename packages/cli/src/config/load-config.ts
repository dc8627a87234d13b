import { readFileSync } from "node:fs";
import { type Document, LineCounter, type Node, parse, parseDocument, visit } from "yaml";
import { ConfigError } from "./config-error.js";
import { faultsOf, issueAt, offsetOf, type ParsedFile } from "./located-issues.js";
import { type RunConfig, runConfigSchema } from "./schema.js";

/** What a command line changes in a configuration file. */
export interface LoadConfigOptions {
  /** `key.path=value` settings, values in YAML; later ones win. */
  readonly set?: readonly string[];
  /** Where `${NAME}` is looked up. Default `process.env`. */
  readonly environment?: Readonly<Record<string, string | undefined>>;
}

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
  const parsed = parseYaml(text, file);
  const { document } = parsed;
  if (document.contents === null) throw new ConfigError([issueAt(parsed, 0, "", "the file is empty")]);
  const overridden = applySettings(document, set, file);
  const issues = expandVariables(document, environment).map(({ node, message }) =>
    issueAt(parsed, node.range?.[0], "", message),
  );
  if (issues.length > 0) throw new ConfigError(issues);
  const checked = runConfigSchema.safeParse(document.toJS());
  if (checked.success) return checked.data;
  throw new ConfigError(
    faultsOf(checked.error).map(({ path, message }) => {
      const key = path.map(String).join(".");
      return issueAt(parsed, overridden.has(key) ? undefined : offsetOf(document, path), key, message);
    }),
  );
}

/** Parses YAML, keeping where everything stands. Throws ConfigError for what is no YAML. */
export function parseYaml(text: string, file: string): ParsedFile {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false });
  const parsed = { file, document, lines };
  if (document.errors.length > 0)
    throw new ConfigError(document.errors.map((error) => issueAt(parsed, error.pos[0], "", error.message)));
  return parsed;
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
