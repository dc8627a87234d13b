/** How a command talks: tables and lines for people, one JSON value on stdout for machines. */
export interface Output {
  readonly json: boolean;
  /** A line for people; silent under --json. */
  say(line: string): void;
  /** A warning on stderr, always. */
  warn(line: string): void;
  /** The command's result: printed as JSON under --json, by `text` otherwise. */
  result(value: unknown, text?: () => string): void;
}

/** Where the text goes; tests pass their own. */
export interface OutputStreams {
  readonly out: (text: string) => void;
  readonly error: (text: string) => void;
}

/** Numbers that JSON has no word for become the strings NaN, Infinity and -Infinity. */
const plain = (_: string, value: unknown): unknown =>
  typeof value === "number" && !Number.isFinite(value) ? String(value) : value;

/** An {@link Output} on the given streams. */
export function createOutput(json: boolean, streams: OutputStreams): Output {
  return {
    json,
    say: (line) => {
      if (!json) streams.out(`${line}\n`);
    },
    warn: (line) => streams.error(`${line}\n`),
    result: (value, text) => {
      if (json) streams.out(`${JSON.stringify(value, plain)}\n`);
      else if (text) streams.out(`${text()}\n`);
    },
  };
}
