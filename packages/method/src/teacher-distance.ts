import { CompatibilityError } from "@semiseg/errors";
import { type Module, withoutGradient } from "@semiseg/nn";
import { addN, div, type Scalar, sqrt, square, squaredDifference, sum, tidy } from "@tensorflow/tfjs-core";

/**
 * How far a teacher's weights are from its student's: `|teacher - student| / |student|`, Euclidean norms over all
 * trainable variables. 0 right after a copy.
 *
 * @returns Scalar; the caller disposes it.
 * @throws CompatibilityError when a variable of the student is missing in the teacher.
 */
export function teacherDistance(student: Module, teacher: Module): Scalar {
  const pairs = [...student.named].flatMap(([name, source]) => {
    if (!source.trainable) return [];
    const target = teacher.named.get(name);
    if (!target) throw new CompatibilityError(`teacherDistance: ${name} is missing in the teacher`);
    return [[source, target] as const];
  });
  return withoutGradient(() =>
    tidy(() => {
      const apart = addN(pairs.map(([source, target]) => sum(squaredDifference(source, target))));
      return sqrt(div(apart, addN(pairs.map(([source]) => sum(square(source)))))) as Scalar;
    }),
  );
}
