import { existsSync } from "node:fs";
import { cpus } from "node:os";
import { cacheFolder } from "../setup/cache-folder.js";
import { findPip } from "../setup/pip.js";
import { runCommand } from "../setup/run-command.js";
import { checkPlatform } from "../setup/setup-native.js";
import { readyLayout } from "./load-native.js";

/** One finding. */
export interface DoctorRow {
  readonly name: string;
  readonly usable: boolean;
  readonly detail: string;
  /** What to do about it; empty when nothing. */
  readonly remedy: string;
}

const row = (name: string, usable: boolean, detail: string, remedy = ""): DoctorRow => ({
  name,
  usable,
  detail,
  remedy,
});

async function tool(name: string, command: string, args: string[], remedy: string): Promise<DoctorRow> {
  const { status, stdout, stderr } = await runCommand(command, args);
  const line = (stdout || stderr).trim().split("\n")[0] ?? "";
  return status === 0 ? row(name, true, line) : row(name, false, "not found", remedy);
}

async function nvidia(): Promise<DoctorRow> {
  const query = ["--query-gpu=name,driver_version,memory.free,memory.total", "--format=csv,noheader,nounits"];
  const { status, stdout } = await runCommand("nvidia-smi", query);
  if (status !== 0)
    return row(
      "NVIDIA GPU",
      false,
      "no driver answers (nvidia-smi)",
      "install NVIDIA's driver, 525 or newer, if this machine has such a GPU",
    );
  const [gpu = "", driver = "", free = "0", total = "0"] = stdout
    .trim()
    .split("\n")[0]!
    .split(",")
    .map((s) => s.trim());
  const detail = `${gpu}, driver ${driver}, ${free} of ${total} MiB free`;
  if (Number.parseInt(driver, 10) < 525)
    return row("NVIDIA GPU", false, detail, "the driver is too old for CUDA 12: update it to 525 or newer");
  if (Number(free) < 2048)
    return row(
      "NVIDIA GPU",
      false,
      detail,
      "less than 2 GiB of GPU memory are free: stop what uses it (nvidia-smi lists it)",
    );
  return row("NVIDIA GPU", true, detail);
}

/** Looks at everything the engines need and says what is usable, what is not and what to do. Changes nothing. */
export async function doctor(): Promise<readonly DoctorRow[]> {
  const rows: DoctorRow[] = [
    row("Node", true, `${process.version} on ${process.platform}-${process.arch}, ${cpus().length} cores`),
  ];
  try {
    checkPlatform();
    rows.push(row("platform", true, "native TensorFlow has a build for it"));
  } catch (error) {
    rows.push(row("platform", false, (error as Error).message, "the WebAssembly engine is used instead"));
  }
  try {
    rows.push(row("pip", true, `pip ${(await findPip()).version}`));
  } catch (error) {
    rows.push(row("pip", false, "not found", (error as Error).message.split(": ").at(-1)));
  }
  rows.push(await tool("npm", "npm", ["--version"], "put npm on the PATH"));
  rows.push(
    await tool("C++ compiler", process.env["CXX"] ?? "g++", ["--version"], "install one (Debian: apt-get install g++)"),
  );
  rows.push(row("cache", existsSync(cacheFolder()), cacheFolder()));
  for (const variant of ["cpu", "gpu"] as const) {
    const layout = readyLayout(variant);
    rows.push(
      row(
        `native TensorFlow (${variant})`,
        layout !== null,
        layout ? layout.build : "not set up",
        layout ? "" : `npx semiseg-runtime setup${variant === "gpu" ? " --gpu" : ""}`,
      ),
    );
  }
  rows.push(await nvidia());
  return rows;
}

/** The findings as text, one line each. */
export function formatDoctor(rows: readonly DoctorRow[]): string {
  const width = Math.max(...rows.map(({ name }) => name.length));
  return rows
    .map(
      ({ name, usable, detail, remedy }) =>
        `${usable ? "ok  " : "no  "}${name.padEnd(width)}  ${detail}${remedy ? `\n    ${" ".repeat(width)}  -> ${remedy}` : ""}`,
    )
    .join("\n");
}
