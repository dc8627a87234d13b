// Signed distance maps of a batch: reads `run` lines, answers one JSON line each.
import { readFileSync, writeFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { signedDistances } from "@semiseg/mutual-consistency";

const shape = JSON.parse(process.argv[2]);
const masks = new Uint8Array(readFileSync(process.argv[3]));
const space = shape.slice(1);
const size = space.reduce((a, b) => a * b, 1);
const maps = () =>
  Array.from({ length: shape[0] }, (_, n) => signedDistances(masks.subarray(n * size, (n + 1) * size), space));

console.log(JSON.stringify({ ready: true, version: `node ${process.version}` }));
for await (const line of createInterface({ input: process.stdin })) {
  if (line.startsWith("save")) {
    writeFileSync(line.slice(5), Buffer.concat(maps().map(({ buffer }) => Buffer.from(buffer))));
    console.log("{}");
    continue;
  }
  const cpu = process.cpuUsage();
  const began = performance.now();
  maps();
  const seconds = (performance.now() - began) / 1000;
  const { user, system } = process.cpuUsage(cpu);
  console.log(JSON.stringify({ seconds, cpuSeconds: (user + system) / 1e6 }));
}
