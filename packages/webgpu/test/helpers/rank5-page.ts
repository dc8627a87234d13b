import "@tensorflow/tfjs";
import { initWebgpu } from "@semiseg/webgpu";
import { CASES, evaluate, worstErrors } from "./rank5-cases.js";

/** In a browser: every case on the cpu backend and on WebGPU, and what came of it. */
export async function runCases(): Promise<object> {
  const { device, software, guard } = await initWebgpu();
  const cases: { name: string; errors: number[]; fault?: string }[] = [];
  for (const one of CASES) {
    const expected = await evaluate("cpu", one);
    try {
      const actual = await evaluate("webgpu", one);
      await guard.flush();
      cases.push({ name: one.name, errors: worstErrors(expected, actual) });
    } catch (error) {
      cases.push({ name: one.name, errors: [], fault: (error as Error).message });
    }
  }
  return { device, software, cases };
}
