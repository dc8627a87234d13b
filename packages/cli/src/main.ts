import { CommanderError } from "@commander-js/extra-typings";
import { SemisegError } from "@semiseg/errors";
import type { OutputStreams } from "./output.js";
import { createProgram } from "./program.js";
import { Stopped } from "./stopped.js";

/** Exit codes: 0 done, 1 something failed, 2 the command or its configuration is wrong, 130 stopped by Ctrl-C. */
export const exitCodes = { done: 0, failed: 1, usage: 2, stopped: 130 } as const;

/** Runs the command line. Never throws for errors that a user can cause; returns the exit code. */
export async function main(
  args: readonly string[],
  streams: OutputStreams = {
    out: (text) => process.stdout.write(text),
    error: (text) => process.stderr.write(text),
  },
): Promise<number> {
  const program = createProgram(streams);
  try {
    await program.parseAsync([...args], { from: "user" });
    return exitCodes.done;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? exitCodes.done : exitCodes.usage;
    if (error instanceof Stopped) return exitCodes.stopped;
    if (!(error instanceof SemisegError)) throw error;
    if (args.includes("--json"))
      streams.out(`${JSON.stringify({ error: { code: error.code, name: error.name, message: error.message } })}\n`);
    streams.error(`${error.message}\n`);
    return ["CONFIG", "OPTION", "COMPATIBILITY"].includes(error.code) ? exitCodes.usage : exitCodes.failed;
  }
}
