import type { MethodDescription } from "./describe-method.js";
import { readEdges } from "./read-edges.js";

const quoted = (text: string): string => `"${text.replaceAll('"', "'")}"`;

/** A method as a Mermaid flow chart: what is dropped at test time is dashed. */
export function explainMermaid(method: MethodDescription): string {
  const { parts, terms, passes } = method;
  const networks = parts.filter(({ name }) => ["student", "teacher", "auxiliary"].includes(name));
  const ids = new Map(terms.map(({ name }, i) => [name, `term${i}`]));
  const lines = ["flowchart LR", `  batch[${quoted("batch")}]`];
  for (const { name, atTest } of networks)
    lines.push(`  ${name}[${quoted(`${name} (${atTest} at test)`)}]${atTest === "dropped" ? ":::dropped" : ""}`);
  for (const { name, weights } of terms) {
    const [first, last] = [Object.values(weights)[0]!, Object.values(weights).at(-1)!];
    const weight = [first, last].map((w) => String(Number(w.toPrecision(3))));
    const text = weight[0] === weight[1] ? weight[0] : `${weight[0]} to ${weight[1]}`;
    lines.push(`  ${ids.get(name)}([${quoted(`${name}, weight ${text}`)}])`);
  }
  for (const { name } of networks) {
    if (name === "teacher") lines.push(`  student -. ${quoted("moving average")} .-> teacher`);
    lines.push(`  batch -- ${quoted(passes === "joint" ? "images" : "images, by halves")} --> ${name}`);
  }
  for (const { from, to, label } of readEdges(method)) lines.push(`  ${from} -- ${quoted(label)} --> ${ids.get(to)}`);
  lines.push("  classDef dropped stroke-dasharray: 4 3");
  return lines.join("\n");
}
