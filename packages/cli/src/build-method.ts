import { CompatibilityError, OptionError } from "@semiseg/errors";
import type { Method } from "@semiseg/method";
import type { DatasetFacts, RunConfig } from "./config/schema.js";
export function buildMethod(config: RunConfig, dataset: DatasetFacts): Method {
  throw new OptionError("todo");
}
