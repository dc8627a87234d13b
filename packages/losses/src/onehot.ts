import { cast, oneHot, reshape, type Tensor, tidy } from "@tensorflow/tfjs-core";

/** float32 one-hot `[..., numClasses]` of integer labels of any shape. */
export function onehotOf(labels: Tensor, numClasses: number): Tensor {
  return tidy(() =>
    reshape(cast(oneHot(cast(reshape(labels, [labels.size]), "int32"), numClasses), "float32"), [
      ...labels.shape,
      numClasses,
    ]),
  );
}
