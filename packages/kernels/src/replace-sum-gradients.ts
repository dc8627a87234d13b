import { broadcastTo, getBackend, getGradient, mul, reshape, type Tensor, util } from "@tensorflow/tfjs-core";
import { replaceGradient } from "./replace-gradient.js";

/**
 * Gradients of sums and means for an engine, by broadcasting: tfjs's own multiply by a tensor of ones, which it fills in
 * JavaScript, and sends to a GPU, each time. Does nothing while tfjs's gradients are not registered.
 */
export function replaceSumGradients(backendName: string): void {
  for (const kernelName of ["Sum", "Mean"]) {
    const stock = getGradient(kernelName);
    if (!stock) continue;
    replaceGradient({
      ...stock,
      gradFunc: (dy, saved, attrs) => {
        if (getBackend() !== backendName) return stock.gradFunc(dy, saved, attrs);
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
