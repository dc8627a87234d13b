import { checkNumber, checkSameShape, checkShape, ShapeError } from "@semiseg/errors";
import { add, mul, reshape, sub, type Tensor, tensor1d, tidy } from "@tensorflow/tfjs-core";

/** Arguments of {@link fuseImages}. */
export interface FuseImagesArguments {
  /** `[N, ...S, channels]`. */
  readonly labeled: Tensor;
  readonly unlabeled: Tensor;
  /** onehot `[N, ...S, C]`. */
  readonly labels: Tensor;
  readonly pseudoLabels: Tensor;
  /** Share of the labelled image, one number per pair. */
  readonly sigma: readonly number[];
}

/**
 * Convex mixes of labelled and unlabelled images, pair by pair, with their soft targets:
 * `x = sigma x_l + (1 - sigma) x_u`, `t = sigma y_l + (1 - sigma) y_u` (DuCiSC, arXiv:2507.21440, image fusion).
 *
 * @throws ShapeError when the halves do not pair up.
 */
export function fuseImages(args: FuseImagesArguments): { readonly image: Tensor; readonly target: Tensor } {
  const { labeled, unlabeled, labels, pseudoLabels, sigma } = args;
  if (labeled.shape[0] !== unlabeled.shape[0])
    throw new ShapeError(
      `fuseImages: labeled and unlabeled must hold the same number of samples to pair, received ${labeled.shape[0]} and ${unlabeled.shape[0]}`,
    );
  checkSameShape("fuseImages", "labeled", labeled, "unlabeled", unlabeled);
  checkSameShape("fuseImages", "labels", labels, "pseudoLabels", pseudoLabels);
  checkShape("fuseImages", "labels", labels, [...labeled.shape.slice(0, -1), null]);
  if (sigma.length !== labeled.shape[0])
    throw new ShapeError(`fuseImages: sigma must hold ${labeled.shape[0]} numbers, received ${sigma.length}`);
  for (const s of sigma) checkNumber("fuseImages", "sigma", s, { min: 0, max: 1 });
  return tidy(() => {
    const share = reshape(tensor1d([...sigma]), [sigma.length, ...Array(labeled.rank - 1).fill(1)]);
    const mix = (a: Tensor, b: Tensor): Tensor => add(mul(a, share), mul(b, sub(1, share)));
    return { image: mix(labeled, unlabeled), target: mix(labels, pseudoLabels) };
  });
}
