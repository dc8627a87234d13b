import { existsSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { BackendError } from "@semiseg/errors";
import { describe, expect, it } from "vitest";
import { fetchTfjsNode } from "../src/setup/fetch-tfjs-node.js";
import { nativeLayout } from "../src/setup/native-layout.js";
import { silent } from "../src/setup/progress.js";
import { useSandbox } from "./helpers/sandbox.js";

const sandbox = useSandbox();
const failure = async (): Promise<string> => {
  const error = await fetchTfjsNode(nativeLayout("cpu", "test"), silent).catch((e: unknown) => e);
  expect(error).toBeInstanceOf(BackendError);
  // Nothing half-done is left.
  expect(readdirSync(sandbox.cache)).toEqual([]);
  return (error as Error).message;
};

describe("fetchTfjsNode", () => {
  it("names npm when there is none", async () => {
    expect(await failure()).toMatch(/npm was not found.*put npm on the PATH/);
  });

  it("refuses a package of another content", async () => {
    const file = join(sandbox.root, "other.tgz");
    writeFileSync(file, gzipSync(Buffer.alloc(1024)));
    sandbox.tool("npm", `/bin/cp "${file}" ./tensorflow-tfjs-node-4.22.0.tgz`);
    expect(await failure()).toMatch(/expected content while fetching tfjs-node's sources/);
  });

  it("explains a network that is not there", async () => {
    sandbox.tool("npm", "echo 'npm error code ENOTFOUND' >&2; exit 1");
    expect(await failure()).toMatch(/network is not reachable while fetching tfjs-node's sources/);
  });

  it("fetches without running the package's install script, and once", async () => {
    sandbox.tool("npm", "echo 'npm error code E404' >&2; exit 1");
    await failure();
    expect(sandbox.calls("npm", /pack --ignore-scripts .*@tensorflow\/tfjs-node@4\.22\.0/)).toBe(1);
    expect(sandbox.calls("npm", /install|\bci\b/)).toBe(0);
    expect(existsSync(nativeLayout("cpu", "test").tfjsNode)).toBe(false);
  });
});
