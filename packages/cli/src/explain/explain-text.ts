import type { MethodDescription } from "./describe-method.js";
import { readEdges } from "./read-edges.js";

const bars = "▁▂▃▄▅▆▇█";

/** A curve as one line of blocks; all of one height where it never changes. */
function sparkline(values: readonly number[]): string {
  const top = Math.max(...values);
  return values.map((v) => (v === 0 ? " " : bars[Math.min(7, Math.floor((v / top) * 7.999))])).join("");
}

/** Columns as wide as their widest cell; `right` names the columns of numbers. */
function columns(rows: readonly (readonly string[])[], right: readonly number[] = []): string[] {
  const widths = rows[0]!.map((_, i) => Math.max(...rows.map((row) => row[i]!.length)));
  return rows.map((row) =>
    `  ${row.map((cell, i) => (right.includes(i) ? cell.padStart(widths[i]!) : cell.padEnd(widths[i]!))).join("  ")}`.trimEnd(),
  );
}

const number = (value: number): string => String(Number(value.toPrecision(3)));

/** A box with lines in it, and arrows that leave it to the right. */
function box(title: string, note: string, arrows: readonly string[]): string[] {
  const width = Math.max(26, title.length + 2, note.length + 2);
  const inside = [title, note].filter((line) => line !== "");
  const height = Math.max(inside.length, arrows.length);
  return [
    `  ┌${"─".repeat(width)}┐`,
    ...Array.from({ length: height }, (_, i) => {
      const arrow = arrows[i];
      return `  │ ${(inside[i] ?? "").padEnd(width - 1)}${arrow === undefined ? "│" : `├─ ${arrow}`}`;
    }),
    `  └${"─".repeat(width)}┘`,
  ];
}

function diagram(method: MethodDescription): string[] {
  const edges = readEdges(method);
  const { parts, passes } = method;
  const networks = parts.filter(({ name }) => ["student", "teacher", "auxiliary"].includes(name));
  const arrowsOf = (from: string): string[] => {
    const own = edges.filter((edge) => edge.from === from);
    const width = Math.max(0, ...own.map(({ label }) => label.length));
    return own.map(({ label, to }) => `${label} ${"─".repeat(width - label.length + 2)}> ${to}`);
  };
  const seen = passes === "joint" ? "one pass over both halves" : "one pass per half";
  return [
    ...box("batch", "", arrowsOf("batch")),
    `        │ images, ${seen}`,
    ...networks.flatMap(({ name }) => [
      name === "teacher" ? "        │ moving average of the student's weights, its own images" : "        │",
      "        v",
      ...box(name, name === "teacher" ? "no gradient" : "", arrowsOf(name)),
    ]),
  ];
}

/** A method as tables and a diagram for a terminal. */
export function explainText(method: MethodDescription): string {
  const { parts, terms } = method;
  const trained = parts.filter(({ name }) => name !== "teacher").reduce((sum, part) => sum + part.parameters, 0);
  const kept = parts.filter(({ atTest }) => atTest === "kept").reduce((sum, part) => sum + part.parameters, 0);
  const steps = Object.keys(terms[0]?.weights ?? {});
  const count = (value: number): string => value.toLocaleString("en");
  return [
    `${method.name}: ${count(trained)} trained parameters, ${count(kept)} at test time`,
    "",
    "parts",
    ...columns(
      [
        ["", "parameters", "at test", ""],
        ...parts.map(({ name, what, parameters, atTest }) => [name, count(parameters), atTest, what]),
      ],
      [1],
    ),
    "",
    "loss terms, and their weights over the run",
    ...columns(
      [
        ["", ...steps.map((step) => `step ${step}`), "first to last step"],
        ...terms.map(({ name, weights, curve }) => [name, ...Object.values(weights).map(number), sparkline(curve)]),
      ],
      steps.map((_, i) => i + 1),
    ),
    ...terms.flatMap(({ name, about }) => (about ? [`  ${name}: ${about}`] : [])),
    "",
    "tensors",
    ...diagram(method),
  ].join("\n");
}
