import { fileURLToPath } from "node:url";
import { defineConfig } from "vitest/config";

const source = (path) => fileURLToPath(new URL(`packages/${path}`, import.meta.url));

export default defineConfig({
  resolve: {
    alias: {
      "@sociallive/analytics/core": source("analytics/src/core.ts"),
      "@sociallive/analytics-node": source("analytics-node/src/index.ts"),
    },
  },
  test: {
    include: ["packages/*/test/*.test.ts"],
    restoreMocks: true,
    testTimeout: 60_000,
    hookTimeout: 60_000,
    maxWorkers: 2,
  },
});
