import { checkNumber, OptionError } from "@semiseg/errors";

/** Serializable position of a {@link RandomSource}. */
export interface RandomState {
  readonly words: readonly [number, number, number, number];
  /** Second half of the last Box-Muller pair, if not used yet. */
  readonly spare: number | null;
}

function hashText(text: string, seed: number): number {
  let h = seed >>> 0;
  for (let i = 0; i < text.length; i++) {
    h = Math.imul(h ^ text.charCodeAt(i), 0x9e3779b1);
    h ^= h >>> 15;
  }
  return h >>> 0;
}

function splitMix(seed: number): () => number {
  let s = seed >>> 0;
  return () => {
    s = (s + 0x9e3779b9) >>> 0;
    let z = s;
    z = Math.imul(z ^ (z >>> 16), 0x21f0aaad);
    z = Math.imul(z ^ (z >>> 15), 0x735a2d97);
    return (z ^ (z >>> 15)) >>> 0;
  };
}

/**
 * A named, forkable, resumable source of random numbers: xoshiro128** (Blackman and Vigna, 2018) in plain integers, so
 * the same seed gives the same numbers on every engine.
 *
 * `fork(name)` depends on the seed and the name only, never on how many numbers were drawn before.
 */
export class RandomSource {
  readonly seed: number;
  #words = new Uint32Array(4);
  #spare: number | null = null;

  /** @param seed - an integer; only its low 32 bits count. */
  constructor(seed: number) {
    checkNumber("RandomSource", "seed", seed, { integer: true });
    this.seed = seed >>> 0;
    const next = splitMix(this.seed);
    for (let i = 0; i < 4; i++) this.#words[i] = next();
  }

  /** An independent stream; the same name gives the same stream. */
  fork(name: string | number): RandomSource {
    return new RandomSource(this.forkSeed(name));
  }

  /** The seed of `fork(name)`. */
  protected forkSeed(name: string | number): number {
    return hashText(String(name), (this.seed ^ 0x5bd1e995) >>> 0);
  }

  /** A uniform 32-bit integer. */
  bits(): number {
    const s = this.#words;
    const x = Math.imul(s[1]!, 5);
    const result = Math.imul((x << 7) | (x >>> 25), 9) >>> 0;
    const t = s[1]! << 9;
    s[2]! ^= s[0]!;
    s[3]! ^= s[1]!;
    s[1]! ^= s[2]!;
    s[0]! ^= s[3]!;
    s[2]! ^= t;
    s[3] = (s[3]! << 11) | (s[3]! >>> 21);
    return result;
  }

  /** Fills `out` with uniform 32-bit integers: the same as as many calls of `bits`. */
  fillBits(out: Uint32Array): Uint32Array {
    // In local variables: a typed array's elements are written to memory at every step.
    let [a, b, c, d] = this.#words as unknown as [number, number, number, number];
    for (let i = 0; i < out.length; i++) {
      const x = Math.imul(b, 5);
      out[i] = Math.imul((x << 7) | (x >>> 25), 9);
      const t = b << 9;
      c ^= a;
      d ^= b;
      b ^= c;
      a ^= d;
      c ^= t;
      d = (d << 11) | (d >>> 21);
    }
    this.#words.set([a, b, c, d]);
    return out;
  }

  /** One number in [0, 1). */
  next(): number {
    return (this.bits() >>> 8) / 0x1000000;
  }

  /** `n` numbers in [0, 1). */
  uniform(n: number): Float32Array {
    checkNumber("RandomSource.uniform", "n", n, { integer: true, min: 0 });
    const out = new Float32Array(n);
    for (let i = 0; i < n; i++) out[i] = this.next();
    return out;
  }

  /** One standard normal number. */
  nextNormal(): number {
    if (this.#spare !== null) {
      const value = this.#spare;
      this.#spare = null;
      return value;
    }
    const radius = Math.sqrt(-2 * Math.log(1 - this.next()));
    const angle = 2 * Math.PI * this.next();
    this.#spare = radius * Math.sin(angle);
    return radius * Math.cos(angle);
  }

  /** `n` independent normal numbers with mean 0. */
  normals(n: number, std = 1): Float32Array {
    checkNumber("RandomSource.normals", "n", n, { integer: true, min: 0 });
    checkNumber("RandomSource.normals", "std", std, { min: 0 });
    const out = new Float32Array(n);
    for (let i = 0; i < n; i++) out[i] = std * this.nextNormal();
    return out;
  }

  /** `n` integers in [lo, hi). */
  integers(lo: number, hi: number, n: number): Int32Array {
    checkNumber("RandomSource.integers", "lo", lo, { integer: true });
    checkNumber("RandomSource.integers", "hi", hi, { integer: true, above: lo });
    checkNumber("RandomSource.integers", "n", n, { integer: true, min: 0 });
    const out = new Int32Array(n);
    for (let i = 0; i < n; i++) out[i] = lo + Math.floor((this.bits() / 0x100000000) * (hi - lo));
    return out;
  }

  /** A shuffled copy (Fisher-Yates). */
  shuffle<T>(array: readonly T[]): T[] {
    const out = [...array];
    for (let i = out.length - 1; i > 0; i--) {
      const j = Math.floor((this.bits() / 0x100000000) * (i + 1));
      [out[i], out[j]] = [out[j]!, out[i]!];
    }
    return out;
  }

  /** The position, for checkpoints. */
  get state(): RandomState {
    const [a, b, c, d] = this.#words;
    return { words: [a!, b!, c!, d!], spare: this.#spare };
  }

  set state(state: RandomState) {
    if (!Array.isArray(state?.words) || state.words.length !== 4 || !state.words.every(Number.isInteger))
      throw new OptionError("RandomSource.state: words must be four integers as given by an earlier `state`");
    this.#words = Uint32Array.from(state.words);
    this.#spare = state.spare;
  }
}
