import { checkSameShape } from "@semiseg/errors";
import {
  div,
  expandDims,
  maximum,
  mul,
  type Scalar,
  squaredDifference,
  sum,
  Tensor,
  tensor1d,
  tidy,
} from "@tensorflow/tfjs-core";
import type { MaskedPrototypes, RegionPrototypes } from "./region-prototypes.js";

/**
 * Mean squared difference of two sets of prototypes over the classes valid in both; 0 with a zero gradient when there is
 * none. Gradients flow into both sides (DuCiSC, arXiv:2507.21440, equations 5 and 6).
 */
export function prototypeAlignmentLoss(
  a: RegionPrototypes | MaskedPrototypes,
  b: RegionPrototypes | MaskedPrototypes,
): Scalar {
  checkSameShape("prototypeAlignmentLoss", "a.prototypes", a.prototypes, "b.prototypes", b.prototypes);
  return tidy(() => {
    const flags = (valid: boolean[] | Tensor): Tensor =>
      valid instanceof Tensor ? valid : tensor1d(valid.map(Number));
    const both = mul(flags(a.valid), flags(b.valid));
    const squares = mul(squaredDifference(a.prototypes, b.prototypes), expandDims(both, -1));
    const width = a.prototypes.shape[1]!;
    return div(sum(squares), maximum(mul(sum(both), width), 1)) as Scalar;
  });
}
