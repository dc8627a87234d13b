import { Command } from "@commander-js/extra-typings";
import { doctor, formatDoctor } from "@semiseg/runtime";
import { createOutput, type OutputStreams } from "../output.js";

/** `semiseg doctor`: which engines are usable here, and why others are not. */
export function doctorCommand(streams: OutputStreams) {
  return new Command("doctor")
    .description("say which engines work on this machine, why others don't, and what to do")
    .option("--json", "print one JSON value", false)
    .action(async ({ json }) => {
      const rows = await doctor();
      createOutput(json, streams).result(rows, () => formatDoctor(rows));
    });
}
