import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Argument, Command } from "@commander-js/extra-typings";
import { runConfigJsonSchema } from "../config/schema.js";
import type { OutputStreams } from "../output.js";
import { sweepJsonSchema } from "../sweep/sweep-schema.js";

const schemas = { run: runConfigJsonSchema, sweep: sweepJsonSchema } as const;
const text = (of: keyof typeof schemas): string => `${JSON.stringify(schemas[of](), null, 2)}\n`;

/** `semiseg schema`: JSON Schemas of configuration and sweep files. */
export function schemaCommand(streams: OutputStreams) {
  return new Command("schema")
    .description("print the JSON Schema of configuration or sweep files, for completion in editors")
    .addArgument(
      new Argument("[of]", "run: configuration files; sweep: ablation files")
        .choices(["run", "sweep"] as const)
        .default("run" as const),
    )
    .option("--folder <folder>", "write run.schema.json and sweep.schema.json there instead")
    .action((of, { folder }) => {
      if (folder === undefined) {
        streams.out(text(of));
        return;
      }
      mkdirSync(folder, { recursive: true });
      for (const name of ["run", "sweep"] as const) writeFileSync(join(folder, `${name}.schema.json`), text(name));
    });
}
