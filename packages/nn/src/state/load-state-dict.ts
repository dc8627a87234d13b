import { CheckpointError } from "@semiseg/errors";
import { type Tensor, tidy } from "@tensorflow/tfjs-core";
import type { Module } from "../module.js";
import { copyTensor } from "./copy-tensor.js";

/** Options of {@link loadStateDict}. */
export interface LoadStateDictOptions {
  /** Every name must be on both sides. Default true; false loads what is common. Shapes must match either way. */
  readonly strict?: boolean;
}

const listed = (title: string, names: readonly string[]): string =>
  names.length === 0
    ? ""
    : `\n  ${title} (${names.length}): ${names.slice(0, 8).join(", ")}${names.length > 8 ? ", ..." : ""}`;

/**
 * Copies values into the module's variables; `dict` stays the caller's.
 *
 * @throws CheckpointError listing missing, unexpected and mismatched names; nothing is changed then.
 */
export function loadStateDict(
  module: Module,
  dict: ReadonlyMap<string, Tensor>,
  { strict = true }: LoadStateDictOptions = {},
): void {
  const missing = [...module.named.keys()].filter((name) => !dict.has(name));
  const unexpected = [...dict.keys()].filter((name) => !module.named.has(name));
  const mismatched = [...module.named].flatMap(([name, variable]) => {
    const value = dict.get(name);
    if (!value || (value.dtype === variable.dtype && value.shape.join() === variable.shape.join())) return [];
    return [`${name} (here ${variable.dtype} [${variable.shape}], loaded ${value.dtype} [${value.shape}])`];
  });
  if (mismatched.length > 0 || (strict && missing.length + unexpected.length > 0))
    throw new CheckpointError(
      `loadStateDict: the state dict does not fit the module${listed("missing", strict ? missing : [])}${listed("unexpected", strict ? unexpected : [])}${listed("mismatched", mismatched)}`,
    );
  tidy(() => {
    for (const [name, variable] of module.named) {
      const value = dict.get(name);
      if (value) variable.assign(copyTensor(value));
    }
  });
}
