import { defineConfig } from "vitest/config";

export default defineConfig({
  resolve: { conditions: ["@semiseg/source"] },
  ssr: { resolve: { conditions: ["@semiseg/source", "node", "import", "default"] } },
  test: {
    include: ["packages/*/test/**/*.test.ts", "examples/*/test/**/*.test.ts", "benchmarks/test/**/*.test.ts"],
    pool: "forks",
    maxWorkers: 2,
    testTimeout: 60_000,
    hookTimeout: 120_000,
    reporters: ["default", "./scripts/plain-summary-reporter.mjs"],
  },
});
