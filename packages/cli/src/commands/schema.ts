import { Command } from "@commander-js/extra-typings";
import { runConfigJsonSchema } from "../config/schema.js";
import type { OutputStreams } from "../output.js";

/** `semiseg schema`: JSON Schema of configuration files. */
export function schemaCommand(streams: OutputStreams) {
  return new Command("schema")
    .description("print the JSON Schema of configuration files, for completion in editors")
    .action(() => streams.out(`${JSON.stringify(runConfigJsonSchema(), null, 2)}\n`));
}
