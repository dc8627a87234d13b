/** One line of progress: what is being done, and how far in percent where that is known. */
export type Progress = (step: string, percent?: number) => void;

/** Does nothing. */
export const silent: Progress = () => undefined;

/** Prints steps to standard error: redrawn in place on a terminal, a line per step elsewhere. */
export function printProgress(): Progress {
  let last = "";
  return (step, percent) => {
    const text = percent === undefined ? step : `${step} ${Math.floor(percent)} %`;
    if (process.stderr.isTTY) {
      const newline = step !== last && last !== "" ? "\n" : "\r";
      process.stderr.write(`${newline}\x1b[K${text}${percent === undefined || percent >= 100 ? "" : ""}`);
      if (step === "ready") process.stderr.write("\n");
    } else if (step !== last) process.stderr.write(`semiseg-runtime: ${step}\n`);
    last = step;
  };
}
