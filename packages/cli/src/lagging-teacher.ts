import type { Method } from "@semiseg/method";

/**
 * What to say of a teacher that remembers so much of a short run that it lags far behind the student: an EMA of decay d
 * averages about 1/(1-d) steps. Null where it remembers at most a fifth of the run.
 */
export function laggingTeacher({ teacher }: Pick<Method, "teacher">, maxSteps: number): string | null {
  if (!teacher || teacher.config.decay >= 1) return null;
  const { decay } = teacher.config;
  const memory = Math.round(1 / (1 - decay));
  if (memory <= maxSteps / 5) return null;
  const lags = `the teacher averages about ${memory} steps of this run's ${maxSteps} and will lag behind the student: train longer`;
  // A decay that fits a handful of steps makes the teacher a copy of the student.
  return maxSteps < 50 ? lags : `${lags}, or set method.teacher.decay to about ${(1 - 10 / maxSteps).toFixed(2)}`;
}
