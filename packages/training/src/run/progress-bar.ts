/** Where progress goes: a terminal or anything that takes lines. */
export interface ProgressStream {
  readonly isTTY?: boolean;
  readonly columns?: number;
  write(text: string): unknown;
}

/** Options of {@link progressBar}. */
export interface ProgressBarOptions {
  readonly total: number;
  /** Already done before this process (a resumed run): not part of the rate. Default 0. */
  readonly start?: number;
  readonly label?: string;
  /** Default `process.stderr`. */
  readonly stream?: ProgressStream;
  /** Seconds between lines when the stream is no terminal. Default 10. */
  readonly plainSeconds?: number;
  /** Clock in milliseconds, for tests. */
  readonly now?: () => number;
}

/** A bar on a terminal, an occasional line elsewhere. */
export interface ProgressBar {
  /** @param info - shown behind the bar, e.g. loss terms. */
  update(done: number, info?: Readonly<Record<string, number | string>>): void;
  /** A line of its own above the bar. */
  note(line: string): void;
  /** Leaves the bar as it is and goes to the next line. */
  finish(): void;
}

/** `1:02:03` or `2:03`. */
export function formatDuration(seconds: number): string {
  if (!Number.isFinite(seconds)) return "?";
  const whole = Math.max(0, Math.round(seconds));
  const parts = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  const shown = parts[0] === 0 ? parts.slice(1) : parts;
  return shown.map((part, i) => (i === 0 ? String(part) : String(part).padStart(2, "0"))).join(":");
}

const shortNumber = (value: number | string): string =>
  typeof value === "string" ? value : Number.isInteger(value) ? String(value) : value.toPrecision(3);

/** Shows steps done, rate, time left and whatever numbers come with an update. */
export function progressBar(options: ProgressBarOptions): ProgressBar {
  const { total, start = 0, label = "", stream = process.stderr, plainSeconds = 10, now = () => Date.now() } = options;
  const began = now();
  let shownAt = Number.NEGATIVE_INFINITY;
  let last = "";
  const describe = (done: number, info: Readonly<Record<string, number | string>>): string => {
    const seconds = (now() - began) / 1000;
    const rate = done > start ? (done - start) / seconds : 0;
    const left = rate > 0 ? formatDuration((total - done) / rate) : "?";
    const numbers = Object.entries(info).map(([name, value]) => `${name} ${shortNumber(value)}`);
    const width = 20;
    const filled = total > 0 ? Math.round((width * done) / total) : width;
    const bar = stream.isTTY ? `[${"#".repeat(filled)}${".".repeat(width - filled)}] ` : "";
    const speed = rate >= 1 || rate === 0 ? `${rate.toFixed(2)}/s` : `${(1 / rate).toFixed(2)} s each`;
    return [`${label} ${bar}${done}/${total}`.trim(), speed, `${left} left`, ...numbers].join("  ");
  };
  const clear = (): void => {
    if (stream.isTTY && last !== "") stream.write(`\r${" ".repeat(last.length)}\r`);
  };
  const draw = (line: string): void => {
    const fits = stream.isTTY ? line.slice(0, Math.max(20, (stream.columns ?? 100) - 1)) : line;
    if (stream.isTTY) stream.write(`\r${fits.padEnd(last.length)}`);
    else stream.write(`${fits}\n`);
    last = fits;
  };
  return {
    update(done, info = {}) {
      const pause = stream.isTTY ? 100 : plainSeconds * 1000;
      if (now() - shownAt < pause && done < total) return;
      shownAt = now();
      draw(describe(done, info));
    },
    note(line) {
      clear();
      stream.write(`${line}\n`);
      if (stream.isTTY && last !== "") stream.write(last);
    },
    finish() {
      if (stream.isTTY && last !== "") stream.write("\n");
      last = "";
    },
  };
}
