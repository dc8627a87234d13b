import type { Tensor } from "@tensorflow/tfjs-core";
import type { Module } from "../module.js";
import { toPyTorchLayout } from "./py-torch-layout.js";

/** The state dict with kernels in PyTorch's layout, for a `load_state_dict` on the other side. The caller disposes it. */
export function pyTorchStateDict(module: Module): Map<string, Tensor> {
  return new Map([...module.named].map(([name, variable]) => [name, toPyTorchLayout(variable)]));
}
