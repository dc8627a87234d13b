import { sigmoid, softmax, type Tensor } from "@tensorflow/tfjs-core";

/** How logits become scores per class: each by itself, or shared out over the classes. */
export type Activation = "sigmoid" | "softmax";

/** `activation`, or sigmoids for two classes, as published, and a softmax for more. */
export const chosenActivation = (classes: number, activation?: Activation): Activation =>
  activation ?? (classes > 2 ? "softmax" : "sigmoid");

/** Scores of `logits [..., K]`. */
export const activate = (logits: Tensor, activation?: Activation): Tensor =>
  chosenActivation(logits.shape.at(-1)!, activation) === "sigmoid" ? sigmoid(logits) : softmax(logits);
