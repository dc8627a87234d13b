import type { Module } from "@semiseg/nn";
import type { Term } from "./term.js";

/** A module that terms train beside the student. */
export interface TermModule {
  /** The first term that has it. */
  readonly term: string;
  /** Its key there. */
  readonly name: string;
  readonly module: Module;
}

/** The modules of terms, each once: terms that work on the same module all list it. */
export function termModules(terms: readonly Term[]): readonly TermModule[] {
  const seen = new Map<Module, TermModule>();
  for (const term of terms)
    for (const [name, module] of Object.entries(term.modules ?? {}))
      if (!seen.has(module)) seen.set(module, { term: term.name, name, module });
  return [...seen.values()];
}
