import type { Handle } from "../native/operator.js";
import { type OperatorChain, TYPE } from "./operator-chain.js";

/** The bits of a float32's exponent. */
const EXPONENT = 0x7f800000;
/** Magnitudes below are taken as this one: zeros have a finite scale too. */
const SMALLEST = 2 ** -100;

const axesOf = ({ shape }: Handle): number[] => shape.map((_, axis) => axis);

/** Scalar: the largest magnitude of x. Two passes that write nothing, where the magnitudes themselves would be written. */
export function largestMagnitude(chain: OperatorChain, x: Handle): Handle {
  const axes = chain.integers(axesOf(x));
  const [most, least] = [chain.run("Max", [x, axes]), chain.run("Min", [x, axes])];
  return chain.run("Maximum", [most, chain.run("Neg", [least])]);
}

/** Scalar: of the sums of magnitudes over all axes but `kept`, the largest. */
export function largestSum(chain: OperatorChain, x: Handle, kept: number): Handle {
  const axes = chain.integers(axesOf(x).filter((axis) => axis !== kept));
  const sums = chain.run("Sum", [chain.run("Abs", [x]), axes]);
  return chain.run("Max", [sums, chain.integers([0])]);
}

/** Scalar: the power of two at or below a scalar >= 0, exactly; infinity where that is not finite. */
export function powerBelow(chain: OperatorChain, scalar: Handle): Handle {
  const raised = chain.run("Maximum", [scalar, chain.constant("float32", SMALLEST)]);
  const bits = chain.run("Bitcast", [raised], { types: { type: TYPE.int32 } });
  const exponent = chain.run("BitwiseAnd", [bits, chain.constant("int32", EXPONENT)]);
  return chain.run("Bitcast", [exponent], { types: { type: TYPE.float32 } });
}
