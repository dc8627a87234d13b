import { OptionError, ShapeError } from "./semiseg-error.js";

/** What the checks need to know of a tensor or a typed array view. */
export interface Shaped {
  readonly shape: readonly number[];
}

const text = (shape: readonly (number | null)[]): string => `[${shape.map((n) => n ?? "?").join(", ")}]`;

/** Throws ShapeError unless `value` has one of `ranks`. `where` is the public function's name. */
export function checkRank(where: string, argument: string, value: Shaped, ranks: number | readonly number[]): void {
  const allowed = typeof ranks === "number" ? [ranks] : ranks;
  if (!allowed.includes(value.shape.length))
    throw new ShapeError(
      `${where}: ${argument} must have rank ${allowed.join(" or ")}, received shape ${text(value.shape)}`,
    );
}

/** Throws ShapeError unless `value.shape` equals `expected`; `null` in `expected` matches any size. */
export function checkShape(where: string, argument: string, value: Shaped, expected: readonly (number | null)[]): void {
  const fits = value.shape.length === expected.length && expected.every((n, i) => n === null || n === value.shape[i]);
  if (!fits)
    throw new ShapeError(`${where}: ${argument} must have shape ${text(expected)}, received ${text(value.shape)}`);
}

/** Throws ShapeError unless both have the same shape. */
export function checkSameShape(where: string, nameA: string, a: Shaped, nameB: string, b: Shaped): void {
  if (a.shape.length !== b.shape.length || a.shape.some((n, i) => n !== b.shape[i]))
    throw new ShapeError(
      `${where}: ${nameA} and ${nameB} must have the same shape, received ${text(a.shape)} and ${text(b.shape)}`,
    );
}

/** Bounds for {@link checkNumber}; `min`/`max` are inclusive, `above`/`below` exclusive. */
export interface NumberBounds {
  readonly min?: number;
  readonly max?: number;
  readonly above?: number;
  readonly below?: number;
  readonly integer?: boolean;
}

/** Throws OptionError unless `value` is a finite number within the bounds. */
export function checkNumber(where: string, argument: string, value: unknown, bounds: NumberBounds = {}): void {
  const { min, max, above, below, integer } = bounds;
  const ok =
    typeof value === "number" &&
    Number.isFinite(value) &&
    (!integer || Number.isInteger(value)) &&
    (min === undefined || value >= min) &&
    (max === undefined || value <= max) &&
    (above === undefined || value > above) &&
    (below === undefined || value < below);
  if (ok) return;
  const rules = [
    integer ? "an integer" : "a finite number",
    min !== undefined ? `>= ${min}` : "",
    above !== undefined ? `> ${above}` : "",
    max !== undefined ? `<= ${max}` : "",
    below !== undefined ? `< ${below}` : "",
  ].filter(Boolean);
  throw new OptionError(`${where}: ${argument} must be ${rules.join(", ")}, received ${String(value)}`);
}

/** Throws OptionError unless `value` is one of `choices`. */
export function checkChoice<T extends string>(
  where: string,
  argument: string,
  value: unknown,
  choices: readonly T[],
): asserts value is T {
  if (!choices.includes(value as T))
    throw new OptionError(
      `${where}: ${argument} must be one of ${choices.map((c) => `'${c}'`).join(", ")}, received '${String(value)}'`,
    );
}
