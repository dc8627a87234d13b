#!/usr/bin/env node
// Builds the page and serves it: npm start -w @semiseg/example-browser [-- --port 8080]
import { parseArgs } from "node:util";
import { buildPage } from "./build.mjs";
import { serve } from "./serve.mjs";

const { values } = parseArgs({ options: { port: { type: "string", default: "8080" }, help: { type: "boolean" } } });
if (values.help) console.log("npm start -w @semiseg/example-browser [-- --port 8080]");
else {
  await buildPage();
  const { address } = await serve({ port: Number(values.port) });
  console.log(`${address}  (Ctrl-C stops)`);
}
