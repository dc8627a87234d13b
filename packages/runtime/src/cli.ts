import { parseArgs } from "node:util";
import { SemisegError } from "@semiseg/errors";
import { doctor, formatDoctor } from "./engine/doctor.js";
import { printProgress } from "./setup/progress.js";
import { setupNative } from "./setup/setup-native.js";

const HELP = `semiseg-runtime: the native engine of SemiSeg

  semiseg-runtime setup [--gpu] [--optional]   fetches TensorFlow's library through pip and builds the binding
  semiseg-runtime doctor                       says what is usable and why not

  --gpu        the CUDA build (several GB)
  --optional   end well when it cannot be set up: the fallback engine is used
  --json       for machines
  --help

Everything goes into the cache folder: SEMISEG_CACHE, else XDG_CACHE_HOME/semiseg, else ~/.cache/semiseg.`;

/** The `semiseg-runtime` command; returns the exit status. */
export async function main(argv: readonly string[]): Promise<number> {
  let parsed: { values: Record<string, unknown>; positionals: string[] };
  try {
    parsed = parseArgs({
      args: [...argv],
      allowPositionals: true,
      options: Object.fromEntries(
        ["gpu", "optional", "json", "help"].map((name) => [name, { type: "boolean" as const }]),
      ),
    });
  } catch (error) {
    console.error(`${(error as Error).message}\n\n${HELP}`);
    return 2;
  }
  const { values, positionals } = parsed;
  const [command] = positionals;
  if (values["help"] || command === undefined) {
    console.log(HELP);
    return values["help"] ? 0 : 2;
  }
  if (command === "doctor") {
    const rows = await doctor();
    console.log(values["json"] ? JSON.stringify(rows, null, 2) : formatDoctor(rows));
    return 0;
  }
  if (command !== "setup") {
    console.error(`unknown command '${command}'\n\n${HELP}`);
    return 2;
  }
  try {
    const begin = performance.now();
    const setup = await setupNative({ gpu: values["gpu"] === true, onProgress: printProgress() });
    const seconds = ((performance.now() - begin) / 1000).toFixed(1);
    if (values["json"]) console.log(JSON.stringify({ ready: true, seconds: Number(seconds), ...setup }));
    else
      console.log(
        `native TensorFlow is ready (${seconds} s)${setup.withoutOperators ? `, without own operators: ${setup.withoutOperators}` : ""}`,
      );
    return 0;
  } catch (error) {
    const message = error instanceof SemisegError ? error.message : String((error as Error)?.stack ?? error);
    if (values["json"]) console.log(JSON.stringify({ ready: false, error: message }));
    else console.error(message);
    if (!values["optional"]) return 1;
    console.error("the fallback engine is used");
    return 0;
  }
}
