import { replaceGradient } from "@semiseg/kernels";
import { broadcastTo, getBackend, getGradient, mul, reshape, type Tensor, util } from "@tensorflow/tfjs-core";
import { BACKEND } from "./operator.js";

/** tfjs's gradients of sums and means multiply by a tensor of ones, which it fills in JavaScript each time. */
export function replaceSumGradients(): void {
  for (const kernelName of ["Sum", "Mean"]) {
    const stock = getGradient(kernelName);
    if (!stock) continue;
    replaceGradient({
      ...stock,
      gradFunc: (dy, saved, attrs) => {
        if (getBackend() !== BACKEND) return stock.gradFunc(dy, saved, attrs);
        const { shape, size } = saved[0]!;
        const axes = util.parseAxisParam(attrs["axis"] as number[], shape);
        const kept = shape.map((n, i) => (axes.includes(i) ? 1 : n));
        const g = reshape(dy as Tensor, kept);
        const scaled = kernelName === "Mean" ? mul(g, util.sizeFromShape(kept) / size) : g;
        return { x: () => broadcastTo(scaled, shape) };
      },
    });
  }
}
