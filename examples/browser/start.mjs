#!/usr/bin/env node
// Builds the page and serves it: npm start -w @semiseg/example-browser [-- --port 8080]
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { context } from "esbuild";
import { copyBinaries, pageOptions } from "./build.mjs";

const { values } = parseArgs({ options: { port: { type: "string", default: "8080" }, help: { type: "boolean" } } });
if (values.help) console.log("npm start -w @semiseg/example-browser [-- --port 8080]");
else {
  const options = pageOptions();
  copyBinaries(options.outdir);
  const page = await context(options);
  // localhost, where browsers allow WebGPU; a reload of the page builds it again.
  const { port } = await page.serve({
    servedir: fileURLToPath(new URL("./", import.meta.url)),
    host: "127.0.0.1",
    port: Number(values.port),
  });
  console.log(`http://localhost:${port}/  (Ctrl-C stops)`);
}
