import { readFileSync } from "node:fs";
import { eachBackend } from "@semiseg/test-utils";
import * as tf from "@tensorflow/tfjs-core";
import { expect, it } from "vitest";
import { compareNetwork, LIMITS } from "../pytorch-equality/compare.mjs";

eachBackend("networks beside PyTorch", () => {
  it.each(["vnet", "unet3d", "unet2d"] as const)(
    "%s equals PyTorch's with the same weights: eval, training, running statistics, one SGD step",
    (name) => {
      const file = new URL(`../pytorch-equality/fixtures/${name}.safetensors`, import.meta.url);
      tf.engine().startScope();
      const result = compareNetwork(name, readFileSync(file));
      tf.engine().endScope();
      for (const [field, limit] of Object.entries(LIMITS))
        expect(result[field as keyof typeof LIMITS], `${field} of ${JSON.stringify(result)}`).toBeLessThan(limit);
      // Rounding moves a few ReLU masks; a wrong gradient moves far more than this.
      expect(result.update, JSON.stringify(result)).toBeLessThan(0.02);
    },
  );
});
