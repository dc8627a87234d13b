import { type Document, isScalar, type LineCounter, type Node } from "yaml";
import type { z } from "zod";
import type { ConfigIssue } from "./config-error.js";

/** A key's path in a document. */
export type KeyPath = readonly (string | number)[];

/** A YAML file that was parsed, with what is needed to say where something stands in it. */
export interface ParsedFile {
  readonly file: string;
  readonly document: Document;
  readonly lines: LineCounter;
}

/** Offset of the key at `path`, or of the nearest parent that is there. */
export function offsetOf(document: Document, path: KeyPath): number | undefined {
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

/** Whether a document holds a key. */
export const holds = (document: Document, path: KeyPath): boolean => document.hasIn([...path]);

/** A fault at an offset of a file; without one it has no place. */
export function issueAt(
  { file, lines }: ParsedFile,
  offset: number | undefined,
  key: string,
  message: string,
): ConfigIssue {
  const { line, col } = offset === undefined ? { line: 0, col: 0 } : lines.linePos(offset);
  return { file, line, column: col, key, message };
}

/** What a schema found wrong, by key: unknown settings one by one. */
export function faultsOf(error: z.ZodError): { readonly path: KeyPath; readonly message: string }[] {
  return error.issues.flatMap((issue) => {
    const unknown = issue.code === "unrecognized_keys" ? issue.keys : [];
    const path = issue.path as KeyPath;
    if (unknown.length > 0) return unknown.map((key) => ({ path: [...path, key], message: "is not a known setting" }));
    return [{ path, message: issue.message }];
  });
}
