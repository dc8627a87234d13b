/** Entry of the `semiseg` executable. @packageDocumentation */
export { main } from "./main.js";
