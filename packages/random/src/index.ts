/** Named, forkable, resumable random streams in plain integers. @packageDocumentation */
export * from "./random-source.js";
