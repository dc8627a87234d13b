// What test files use of Vitest, in a browser: suites and tests are collected, and `runAll` runs them in order.
import { ChaiStyleAssertions, JestAsymmetricMatchers, JestChaiExpect, JestExtend } from "@vitest/expect";
import * as chai from "chai";

chai.use(JestExtend);
chai.use(JestChaiExpect);
if (ChaiStyleAssertions) chai.use(ChaiStyleAssertions);
chai.use(JestAsymmetricMatchers);
export const { expect } = chai;

type Body = () => unknown;
interface Suite {
  readonly name: string;
  readonly before: Body[];
  readonly beforeEvery: Body[];
  readonly after: Body[];
  readonly afterEvery: Body[];
  readonly items: ({ readonly name: string; readonly body: Body } | Suite)[];
}

const suiteOf = (name: string): Suite => ({ name, before: [], beforeEvery: [], after: [], afterEvery: [], items: [] });
const root = suiteOf("");
let current = root;

const titled = (name: string, values: readonly unknown[]): string => {
  let k = 0;
  return name.replace(/%[sdifjo]/g, () => String(values[k++]));
};
const rowsOf = (rows: readonly unknown[]): readonly unknown[][] =>
  rows.map((row) => (Array.isArray(row) ? row : [row]));

type Declare = (name: string, body: Body) => void;
interface Declaration extends Declare {
  each(rows: readonly unknown[]): (name: string, body: (...values: never[]) => unknown) => void;
  skipIf(condition: unknown): Declare;
}

function declaration(declare: Declare): Declaration {
  return Object.assign((name: string, body: Body) => declare(name, body), {
    each: (rows: readonly unknown[]) => (name: string, body: (...values: never[]) => unknown) => {
      for (const values of rowsOf(rows)) declare(titled(name, values), () => body(...(values as never[])));
    },
    skipIf: (condition: unknown): Declare => (condition ? () => {} : declare),
  });
}

export const it = declaration((name, body) => void current.items.push({ name, body }));
export const test = it;
export const describe = declaration((name, body) => {
  const [outer, own] = [current, suiteOf(name)];
  outer.items.push(own);
  current = own;
  body();
  current = outer;
});
export const beforeAll = (body: Body): void => void current.before.push(body);
export const beforeEach = (body: Body): void => void current.beforeEvery.push(body);
export const afterAll = (body: Body): void => void current.after.push(body);
export const afterEach = (body: Body): void => void current.afterEvery.push(body);

/** What came of a test. */
export interface Outcome {
  readonly name: string;
  readonly fault?: string;
}

/** Runs a test's body; replaced where values cannot be read while it runs. */
let once = async (body: () => Promise<void>): Promise<void> => body();

export function runTestsBy(how: typeof once): void {
  once = how;
}

async function run(suite: Suite, path: string, every: { before: Body[]; after: Body[] }): Promise<Outcome[]> {
  const outcomes: Outcome[] = [];
  const [before, after] = [
    [...every.before, ...suite.beforeEvery],
    [...suite.afterEvery, ...every.after],
  ];
  for (const body of suite.before) await body();
  for (const item of suite.items) {
    const name = path ? `${path} > ${item.name}` : item.name;
    if ("items" in item) outcomes.push(...(await run(item, name, { before, after })));
    else
      try {
        await once(async () => {
          for (const body of before) await body();
          await item.body();
          for (const body of after) await body();
        });
        outcomes.push({ name });
      } catch (error) {
        outcomes.push({ name, fault: (error as Error).message });
      }
  }
  for (const body of suite.after) await body();
  return outcomes;
}

/** Runs everything that was declared. */
export const runAll = (): Promise<Outcome[]> => run(root, "", { before: [], after: [] });
