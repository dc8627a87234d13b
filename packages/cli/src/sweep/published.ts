import { existsSync, readFileSync } from "node:fs";
import { z } from "zod";
import { ConfigError } from "../config/config-error.js";
import { parseYaml } from "../config/load-config.js";
import { faultsOf, issueAt, offsetOf } from "../config/located-issues.js";
import type { ComparisonRow } from "./compare-runs.js";
import type { ExpandedSweep } from "./expand-sweep.js";

const value = z.number().min(0).optional();
const publishedSchema = z.strictObject({
  protocols: z.record(
    z.string(),
    z.strictObject({
      dataset: z.string(),
      labeled: z.number().positive(),
      labeledOrder: z.enum(["random", "listed"]),
      test: z.int().min(1).describe("Number of test cases"),
      patchSize: z.array(z.int().min(1)),
    }),
  ),
  rows: z.array(
    z.strictObject({
      protocol: z.string(),
      method: z.string(),
      dice: value,
      jaccard: value,
      hd95: value,
      asd: value,
      source: z.string(),
      note: z.string().optional(),
    }),
  ),
});

/** Published results with their protocols. */
export type Published = z.output<typeof publishedSchema>;

/** Reads a file of published results. Throws ConfigError with every fault and its line. */
export function readPublished(file: string): Published {
  if (!existsSync(file)) throw new ConfigError([{ file, line: 0, column: 0, key: "", message: "no such file" }]);
  const parsed = parseYaml(readFileSync(file, "utf8"), file);
  const checked = publishedSchema.safeParse(parsed.document.toJS());
  const fault = (path: readonly (string | number)[], message: string) =>
    issueAt(parsed, offsetOf(parsed.document, path), path.join("."), message);
  if (!checked.success) throw new ConfigError(faultsOf(checked.error).map((f) => fault(f.path, f.message)));
  const { protocols, rows } = checked.data;
  for (const [i, { protocol }] of rows.entries())
    if (!Object.hasOwn(protocols, protocol))
      throw new ConfigError([fault(["rows", i, "protocol"], `must be one of ${Object.keys(protocols).join(", ")}`)]);
  return checked.data;
}

/** Published Dice of one of the sweep's methods beside its own. */
export interface PublishedCard {
  readonly variant: string;
  readonly protocol: string;
  readonly method: string;
  /** Percent: lowest and highest of the sources. */
  readonly range: readonly [number, number];
  readonly sources: readonly string[];
  /** Percent, mean over seeds; the last step's weights and those best on validation. */
  readonly last: number;
  readonly best: number;
}

/** Cards for the rows whose protocol is a published one: data set, labelled cases, their order, test cases and patch. */
export function publishedCards(
  { tasks }: ExpandedSweep,
  rows: readonly ComparisonRow[],
  { protocols, rows: published }: Published,
): PublishedCard[] {
  return rows
    .filter(({ selected }) => selected === "last")
    .flatMap((row) => {
      const { config } = tasks.find((t) => t.variant === row.variant && t.labeled === row.labeled)!;
      const { kind, labeledOrder, patchSize } = config.data;
      const dice = (of: ComparisonRow | undefined): number =>
        100 * (of?.metrics.find(({ metric }) => metric === "dice")?.mean ?? Number.NaN);
      const best = rows.find((r) => r.variant === row.variant && r.labeled === row.labeled && r.selected === "best");
      return Object.entries(protocols).flatMap(([protocol, p]) => {
        const same =
          p.dataset === kind &&
          p.labeled === row.labeled &&
          p.labeledOrder === labeledOrder &&
          p.test === row.cases.length &&
          p.patchSize.join() === patchSize.join();
        if (!same) return [];
        const { name } = config.method;
        const own = published.filter((r) => r.protocol === protocol && r.method === name && r.dice !== undefined);
        if (own.length === 0) return [];
        const values = own.map((r) => r.dice!);
        return [
          {
            variant: row.variant,
            protocol,
            method: name,
            range: [Math.min(...values), Math.max(...values)] as const,
            sources: own.map(({ source, dice: d, note }) => `${source}: ${d}${note ? ` (${note})` : ""}`),
            last: dice(row),
            best: dice(best),
          },
        ];
      });
    });
}
