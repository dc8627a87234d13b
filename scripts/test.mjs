/** The whole test suite: readies a software Vulkan driver for the WebGPU tests, then runs vitest with the rest of the arguments. */
import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { softwareVulkan } from "./software-vulkan.mjs";

const vitest = fileURLToPath(new URL("../node_modules/vitest/vitest.mjs", import.meta.url));
const { status } = spawnSync(process.execPath, [vitest, "run", ...process.argv.slice(2)], {
  stdio: "inherit",
  env: { ...process.env, ...softwareVulkan() },
});
process.exit(status ?? 1);
