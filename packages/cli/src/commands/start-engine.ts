import { type BackendInfo, type EngineName, initBackend, type Precision } from "@semiseg/runtime";

/** Readies the engine of a configuration or of the command line; "auto" takes the fastest there is. */
export function startEngine(
  { engine, precision }: { readonly engine: string; readonly precision: string },
  quiet: boolean,
): Promise<BackendInfo> {
  return initBackend({
    ...(engine === "auto" ? {} : { prefer: engine as EngineName }),
    precision: precision as Precision,
    quiet,
  });
}
