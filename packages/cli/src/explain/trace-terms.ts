import { createStepContext, type Method, type Passes, type StepContext, type Term } from "@semiseg/method";
import { type Network, type NetworkOutput, RandomStream } from "@semiseg/nn";
import { dispose, tensor, tidy } from "@tensorflow/tfjs-core";

/** A tensor that a term reads. */
export interface TermRead {
  readonly from: "batch" | "student" | "teacher" | "auxiliary";
  /** `labelled`, `unlabelled`, `both halves`, or the name of another image that the network is shown. */
  readonly view: string;
  /** `labels`, `image`, `logits`, a feature or a head. */
  readonly tensor: string;
}

type Note = (read: TermRead) => void;

function tracedRecord<T extends object>(target: T, note: (key: string) => void): T {
  return new Proxy(target, {
    get: (of, key) => {
      if (typeof key === "string" && Object.hasOwn(of, key)) note(key);
      return Reflect.get(of, key);
    },
  });
}

function tracedOutput(output: NetworkOutput, note: (tensor: string) => void): NetworkOutput {
  return {
    get logits() {
      note("logits");
      return output.logits;
    },
    features: tracedRecord(output.features, note),
    heads: tracedRecord(output.heads, note),
  };
}

/** "noisy/all" and the like, in words. */
const viewName = (view: string): string => {
  const [what, half] = view.split("/");
  const words: Readonly<Record<string, string>> = { all: "both halves", labeled: "labelled", unlabeled: "unlabelled" };
  if (half === undefined) return words[what!] ?? what!;
  return words[half] === undefined ? what! : `${what} ${words[half]}`;
};

function tracedPasses(from: "student" | "teacher" | "auxiliary", passes: Passes, note: Note): Passes {
  const traced = (view: string, output: NetworkOutput): NetworkOutput =>
    tracedOutput(output, (tensor) => note({ from, view, tensor }));
  const network: Network = {
    ...passes.network,
    apply: (x, options) => traced("passes of the term's own", passes.network.apply(x, options)),
  };
  return {
    network,
    labeled: () => traced("labelled", passes.labeled()),
    unlabeled: () => traced("unlabelled", passes.unlabeled()),
    all: () => traced("both halves", passes.all()),
    on: (view, image) => traced(viewName(view), passes.on(view, image)),
  };
}

function tracedContext(context: StepContext, method: Method, note: Note): StepContext {
  const batch = (view: string) => (key: string) => {
    if (key === "labels" || key === "onehot") note({ from: "batch", view, tensor: "labels" });
  };
  const passes = (role: "student" | "teacher" | "auxiliary"): PropertyDescriptor => ({
    enumerable: true,
    get: () => tracedPasses(role, context[role], note),
  });
  // Terms ask for a teacher that is not there only by mistake: the context's own error says so.
  return Object.create(context, {
    labeled: { value: tracedRecord({ ...context.labeled }, batch("labelled")) },
    student: passes("student"),
    ...(method.teacher ? { teacher: passes("teacher") } : {}),
    ...(method.auxiliary ? { auxiliary: passes("auxiliary") } : {}),
  }) as StepContext;
}

/** The step, among a few of the run, at which a term weighs most. */
function heaviestStep({ weight }: Term, maxSteps: number): number {
  const steps = Array.from({ length: 21 }, (_, i) => Math.round(((maxSteps - 1) * i) / 20));
  return steps.reduce((best, step) => (weight(step, maxSteps) > weight(best, maxSteps) ? step : best), maxSteps - 1);
}

/**
 * What each term of a method reads, found by running its loss once on a small random batch of two labelled and two
 * unlabelled samples: no term has to declare it, so that nothing can be out of date. A declared embedding is added where
 * that batch gave no voxel to embed.
 */
export function traceTerms(method: Method, maxSteps: number): ReadonlyMap<string, readonly TermRead[]> {
  const { spatialDims, inChannels, divisor } = method.student.provides;
  const size = Array<number>(spatialDims).fill(divisor);
  const random = new RandomStream(0);
  const [first, second] = [random.normal([2, ...size, inChannels]), random.normal([2, ...size, inChannels])];
  const voxels = size.reduce((a, b) => a * b, 2);
  const classes = Int32Array.from({ length: voxels }, (_, i) => i % method.student.provides.classes);
  const labels = tensor(classes, [2, ...size], "int32");
  const batch = { labeled: { image: first, labels, ids: ["a", "b"] }, unlabeled: { image: second, ids: ["c", "d"] } };
  const found = new Map<string, readonly TermRead[]>();
  try {
    for (const term of method.terms) {
      const reads = new Map<string, TermRead>();
      const step = heaviestStep(term, maxSteps);
      const context = createStepContext(method, batch, { step, maxSteps, random });
      const note: Note = (read) => void reads.set(JSON.stringify(read), read);
      try {
        tidy(() => term.loss(tracedContext(context, method, note)));
      } finally {
        context.dispose();
      }
      const embedding = method.student.provides.embedding.name;
      const met = [...reads.values()].some(({ tensor }) => tensor === embedding);
      if (term.needs.features?.includes("embedding") && !met)
        for (const from of term.needs.auxiliary ? (["student", "auxiliary"] as const) : (["student"] as const))
          note({ from, view: "unlabelled", tensor: embedding });
      found.set(term.name, [...reads.values()]);
    }
    return found;
  } finally {
    dispose([first, second, labels]);
  }
}
