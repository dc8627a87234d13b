import { FUSED_RESIZE, FUSED_RESIZE_GRAD, type FusedResizeAttrs } from "@semiseg/kernels";
import { type Attrs, register, run } from "./operator.js";

/** Codes of `ResizeRule` in native/kernels.h. */
const RESIZE_RULES = ["linear", "aligned", "area"] as const;

/** Resizing of the spatial axes and its adjoint. */
export function registerResizing(): void {
  const attributes = (attrs: Attrs) => {
    const { shape, rule } = attrs as unknown as FusedResizeAttrs;
    return { ints: { shape, rule: RESIZE_RULES.indexOf(rule) } };
  };
  register(
    FUSED_RESIZE,
    ({ inputs, attrs, backend }) => run(backend, "SemisegResize", [inputs["x"]!], 1, attributes(attrs))[0]!,
  );
  register(
    FUSED_RESIZE_GRAD,
    ({ inputs, attrs, backend }) => run(backend, "SemisegResizeGradient", [inputs["dy"]!], 1, attributes(attrs))[0]!,
  );
}
