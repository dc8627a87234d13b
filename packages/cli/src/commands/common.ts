import { type Command, InvalidArgumentError } from "@commander-js/extra-typings";

/** Parses a whole number of an option. */
export function wholeNumber(text: string): number {
  const value = Number(text);
  if (text.trim() === "" || !Number.isInteger(value)) throw new InvalidArgumentError("It must be a whole number.");
  return value;
}

/** Collects a repeatable option. */
export const collect = (value: string, previous: string[] = []): string[] => [...previous, value];

/** Settings of the command line in the form that `loadConfig` takes, last wins. */
export function settings(options: {
  readonly set?: readonly string[] | undefined;
  readonly run?: string | undefined;
  readonly seed?: number | undefined;
  readonly maxSteps?: number | undefined;
  readonly engine?: string | undefined;
  readonly precision?: string | undefined;
}): string[] {
  const { set = [], run, seed, maxSteps, engine, precision } = options;
  const named = { run, seed, maxSteps, engine, precision };
  const flags = Object.entries(named).filter(([, value]) => value !== undefined);
  return [...set, ...flags.map(([key, value]) => `${key}=${JSON.stringify(value)}`)];
}

/** A finished command, whatever options it has. */
export type AnyCommand = Pick<Command, "name">;
