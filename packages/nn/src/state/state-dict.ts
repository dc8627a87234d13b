import type { Tensor } from "@tensorflow/tfjs-core";
import type { Module } from "../module.js";
import { copyTensor } from "./copy-tensor.js";

/** Copies of all variables by dotted name, running statistics included. The caller disposes them. */
export function stateDict(module: Module): Map<string, Tensor> {
  return new Map([...module.named].map(([name, variable]) => [name, copyTensor(variable)]));
}
