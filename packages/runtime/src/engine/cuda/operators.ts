import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { NativeLayout } from "../../setup/native-layout.js";
import { nativeSources } from "../../setup/native-sources.js";
import { registerGelu, registerReluGradient } from "../native/activations.js";
import { registerSegmentationSums } from "../native/loss-sums.js";
import { registerGroupNorms, registerLayerNorm } from "../native/norms.js";
import { registerAdamW, registerEma, registerSgd } from "../native/updates.js";
import { CHECKS, type CheckName, type OperatorBinding, type RunOperator, runnerOf, selfCheck } from "./self-check.js";

/** What the operators' addon offers. */
export interface OperatorsAddon {
  setCuda(nvrtc: string, source: string): void;
}

const REGISTER: Readonly<Record<CheckName, () => void>> = {
  "group norms": registerGroupNorms,
  "layer norm": registerLayerNorm,
  "ReLU gradient": registerReluGradient,
  GELU: registerGelu,
  SGD: registerSgd,
  AdamW: registerAdamW,
  EMA: registerEma,
  "segmentation sums": registerSegmentationSums,
};

/** NVIDIA's run-time compiler as the GPU build's wheels bring it. */
export const nvrtcPath = (layout: NativeLayout): string =>
  join(layout.library, "nvidia", "cuda_nvrtc", "lib", "libnvrtc.so.12");

/** The source that it compiles. */
export function cudaSource(): string {
  const { folder } = nativeSources();
  return ["signatures.h", "kernels.cu"].map((name) => readFileSync(join(folder, "cuda", name), "utf8")).join("\n");
}

/** Names by reason, in one line: what one cause breaks is often all of them. */
function complaint(failures: ReadonlyMap<CheckName, string>): string {
  const byReason = new Map<string, string[]>();
  for (const [name, reason] of failures) byReason.set(reason, [...(byReason.get(reason) ?? []), name]);
  const parts = Array.from(byReason, ([reason, names]) => `${names.join(", ")} (${reason})`);
  return `CUDA operators that failed their self-check, left to TensorFlow: ${parts.join("; ")}`;
}

/**
 * Puts those CUDA operators behind their kernels' names that give the right results on this device; the rest is composed of
 * TensorFlow's. A kernel that is silently wrong would spoil a training: the check costs a fraction of a second beside the
 * compilation, which it brings about.
 *
 * @returns whether any is in use.
 */
export function registerChecked(run: RunOperator): boolean {
  const failures = selfCheck(run);
  if (failures.size > 0) console.error(complaint(failures));
  const passed = (Object.keys(CHECKS) as CheckName[]).filter((name) => !failures.has(name));
  for (const name of passed) REGISTER[name]();
  return passed.length > 0;
}

/** Readies the CUDA operators of a loaded addon; see {@link registerChecked}. */
export function registerCudaOperators(layout: NativeLayout, addon: OperatorsAddon, binding: OperatorBinding): boolean {
  addon.setCuda(nvrtcPath(layout), cudaSource());
  return registerChecked(runnerOf(binding));
}
