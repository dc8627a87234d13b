import { main } from "../../src/index.js";

/** The command line in this process: its exit code, and what it wrote. */
export async function semiseg(...args: string[]): Promise<{ code: number; out: string; error: string }> {
  const streams = { out: "", error: "" };
  const code = await main(args, {
    out: (text) => {
      streams.out += text;
    },
    error: (text) => {
      streams.error += text;
    },
  });
  return { code, ...streams };
}
