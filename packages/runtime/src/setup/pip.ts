import { BackendError } from "@semiseg/errors";
import { runCommand } from "./run-command.js";

/** A way to call pip: program and leading arguments. */
export interface Pip {
  readonly command: string;
  readonly args: readonly string[];
  readonly version: string;
}

/**
 * The first pip that answers: SEMISEG_PYTHON's, python3's, python's, then a bare pip3 or pip.
 *
 * @throws BackendError when there is none.
 */
export async function findPip(): Promise<Pip> {
  const chosen = process.env["SEMISEG_PYTHON"];
  const candidates: [string, string[]][] = [
    ...(chosen ? ([[chosen, ["-m", "pip"]]] as [string, string[]][]) : []),
    ["python3", ["-m", "pip"]],
    ["python", ["-m", "pip"]],
    ["pip3", []],
    ["pip", []],
  ];
  for (const [command, args] of candidates) {
    const { status, stdout } = await runCommand(command, [...args, "--version"]);
    if (status === 0) return { command, args, version: /pip (\S+)/.exec(stdout)?.[1] ?? "unknown" };
  }
  throw new BackendError(
    "native TensorFlow: no pip was found, which fetches the TensorFlow library: install Python 3 with pip (Debian: apt-get install python3-pip), or name an interpreter in SEMISEG_PYTHON",
  );
}
