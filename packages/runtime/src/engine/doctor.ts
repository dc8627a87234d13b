import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { cpus } from "node:os";
import { cacheFolder } from "@semiseg/kernels";
import { findPip } from "../setup/pip.js";
import { runCommand } from "../setup/run-command.js";
import { checkPlatform } from "../setup/setup-native.js";
import { GPU_FILES } from "./init-backend.js";
import { installedTfjsNode, packageOf } from "./load-installed.js";
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

const resolves = (name: string): boolean => {
  try {
    createRequire(import.meta.url).resolve(`${name}/package.json`);
    return true;
  } catch {
    return false;
  }
};

function webgpu(): DoctorRow {
  if (process.platform === "linux" && !GPU_FILES.some((path) => existsSync(path)))
    return row("WebGPU", false, "no GPU device file is there", "fine on a machine without a GPU");
  if (!resolves("@semiseg/webgpu") || !resolves("webgpu"))
    return row("WebGPU", false, "the packages are not installed", "npm install @semiseg/webgpu webgpu");
  return row("WebGPU", true, "a GPU device and Dawn's bindings are there");
}

function wasm(): DoctorRow {
  const simd = Uint8Array.of(
    0,
    97,
    115,
    109,
    1,
    0,
    0,
    0,
    1,
    5,
    1,
    96,
    0,
    1,
    123,
    3,
    2,
    1,
    0,
    10,
    10,
    1,
    8,
    0,
    65,
    0,
    253,
    15,
    253,
    98,
    11,
  );
  const { WebAssembly } = globalThis as unknown as { WebAssembly: { validate(code: Uint8Array): boolean } };
  // Four instructions of 128-bit SIMD.
  return WebAssembly.validate(simd)
    ? row("WebAssembly", true, "with 128-bit SIMD")
    : row("WebAssembly", false, "without SIMD", "use Node 20.19 or newer");
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
  for (const variant of ["cpu", "gpu"] as const) {
    const path = installedTfjsNode(variant);
    if (path) rows.push(row(packageOf(variant), true, `installed at ${path}; used where no engine is set up`));
  }
  rows.push(await nvidia(), webgpu(), wasm());
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
