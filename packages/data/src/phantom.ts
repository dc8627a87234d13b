/** Phantoms alone, without Node's modules at load time: for browsers. @packageDocumentation */
export { generatePhantom, type Phantom } from "./phantom/generate-phantom.js";
export { ORGAN_NAMES, type PhantomOptions } from "./phantom/phantom-options.js";
