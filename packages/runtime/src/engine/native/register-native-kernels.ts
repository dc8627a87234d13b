import { registerGelu, registerReluGradient } from "./activations.js";
import { replaceConvolutions } from "./convolutions.js";
import { replaceElementwise } from "./elementwise.js";
import { registerSegmentationSums, registerSoftLosses } from "./loss-sums.js";
import { registerGroupNorms, registerLayerNorm } from "./norms.js";
import { replacePooling } from "./pooling.js";
import { replaceProducts } from "./products.js";
import { registerResizing } from "./resizing.js";
import { registerAdamW, registerEma, registerSgd } from "./updates.js";

let registered = false;

/** Puts our own operators behind tfjs's kernels of the `tensorflow` backend, once; they must have been loaded. */
export function registerNativeKernels(): void {
  if (registered) return;
  registered = true;
  replaceConvolutions();
  replaceElementwise();
  replaceProducts();
  replacePooling();
  registerGroupNorms();
  registerLayerNorm();
  registerGelu();
  registerReluGradient();
  registerSgd();
  registerAdamW();
  registerEma();
  registerSegmentationSums();
  registerSoftLosses();
  registerResizing();
}
