import { spawn } from "node:child_process";

/** How a command ended. */
export interface CommandResult {
  /** Exit status; null when it could not be started or was killed. */
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
  /** The program is not there. */
  readonly missing: boolean;
}

/** Runs a program without a shell and collects what it prints; never rejects. `onText` sees its output as it comes. */
export function runCommand(
  command: string,
  args: readonly string[],
  options: { readonly cwd?: string; readonly onText?: (text: string) => void } = {},
): Promise<CommandResult> {
  return new Promise((resolve) => {
    const child = spawn(command, args, {
      stdio: ["ignore", "pipe", "pipe"],
      ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
    });
    let stdout = "";
    let stderr = "";
    child.stdout.on("data", (data: Buffer) => {
      stdout += data;
      options.onText?.(String(data));
    });
    child.stderr.on("data", (data: Buffer) => {
      stderr += data;
      options.onText?.(String(data));
    });
    child.on("error", (error: NodeJS.ErrnoException) =>
      resolve({ status: null, stdout, stderr: stderr || error.message, missing: error.code === "ENOENT" }),
    );
    child.on("close", (status) => resolve({ status, stdout, stderr, missing: false }));
  });
}
